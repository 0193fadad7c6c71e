"""What to say when a server cannot be reached or takes nobody: a sentence each. Called by :mod:`.connection`."""

from __future__ import annotations

import json
import ssl
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.http11 import Response

from .target import Target


def refusal(target: Target, response: Response) -> str:
    """Why the server has not opened the connection."""
    status, message = response.status_code, message_of(response)
    said = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    if status == 401 and not target.api_key:
        return f"The server wants a key ({said}): give it with --api-key or RESWHIS_API_KEY."
    if status == 401:
        return f"The server does not know this key ({said})."
    if status == 403:
        return f"The server refuses the connection ({said}): the key is wrong, or there is nothing at {target.url}."
    if status == 503:
        return f"The server takes no one now ({said})."
    return f"What answers at {target.url} is not a reswhis server ({said})."


def message_of(response: Response) -> str:
    """The server's own sentence, wherever its JSON has it."""
    try:
        content = json.loads(bytes(response.body))
    except ValueError:
        return ""
    match content:
        case {"error": {"message": str(text)}} | {"error": str(text)} | {"message": str(text)} | {"detail": str(text)}:
            return text[:200]
    return ""


def unreachable(target: Target, error: Exception, timeout_s: float) -> str:
    match error:
        case TimeoutError():
            return f"{target.url} does not answer within {timeout_s:.0f} s."
        case ssl.SSLCertVerificationError():
            return _untrusted(target, error)
        case ssl.SSLError() | ConnectionResetError() | ConnectionAbortedError() if target.is_secure:
            said = f"{target.url} does not speak TLS as it should ({_reason(error)})"
            return f"{said}; a server without --https is reached by ws://."
        case OSError():
            return f"No server can be reached at {target.url} ({_reason(error)}); `reswhis` starts one."
        case InvalidHandshake():
            hint = "" if target.is_secure else "; a server with --https is reached by --url wss://…"
            return f"What answers at {target.url} is not a reswhis server ({error}){hint}."
        case _:
            return f"{target.url} cannot be reached: {error}."


def closing(closed: ConnectionClosed) -> str:
    """How the connection has ended."""
    if closed.rcvd is None:
        return "The connection was lost"
    reason = f" {closed.rcvd.reason}" if closed.rcvd.reason else ""
    return f"The server has closed the connection ({closed.rcvd.code}{reason})"


def _untrusted(target: Target, error: ssl.SSLCertVerificationError) -> str:
    match error.verify_code:
        case 62:  # OpenSSL's codes: for another name, expired
            host = urlsplit(target.url).hostname
            return f"The server's certificate is for another name than {host} ({error.verify_message})."
        case 10:
            return f"The certificate of {target.url} is no longer valid: the server needs a new one."
        case _:
            return (
                f"The certificate of {target.url} is not trusted ({error.verify_message}): if the server is yours, name"
                f" its certificate with --ca-file (`reswhis --https` gives it at {target.certificate_url})."
            )


def _reason(error: OSError) -> str:
    # asyncio's words when it has tried several addresses of one name.
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "connection refused"
    if isinstance(error, ssl.SSLError):
        return error.reason or "no reason given"
    return error.strerror or str(error) or "it hangs up"
