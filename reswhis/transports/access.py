"""Who may open a session: API keys and browsers' origins. Pure; every door asks here."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

SCHEMES = ("bearer", "token")
"""The second is Deepgram's word for it."""
IN_SUBPROTOCOL = "openai-insecure-api-key."
"""What a key follows at once in the subprotocols of OpenAI's clients in browsers."""
FROM_DISK = ("null", "file://")
"""What browsers call the origin of a file; Chromium and what is made of it say the second to WebSockets."""


@dataclass(frozen=True, slots=True)
class Access:
    """What the settings allow."""

    api_keys: tuple[str, ...] = ()
    """None: everyone who reaches the port."""
    allowed_origins: tuple[str, ...] = ()
    """Beside pages of this machine and of this server's own address, and files opened from disk if that is the same
    machine. ``*``: all; ``null``: files, which nobody can tell from the frames in which a page hides its origin."""
    own_names: tuple[str, ...] = ()
    """What this machine is called in its network, in lower case."""

    def knows(self, key: str | None) -> bool:
        if not self.api_keys:
            return True
        given = (key or "").encode()
        # All are compared, so that the time tells nothing of which one came near.
        return any([hmac.compare_digest(given, known.encode()) for known in self.api_keys])

    def allows_origin(self, origin: str | None, host: str | None) -> bool:
        """``origin`` as a browser sends it, None from any other client; ``host``: the Host header.

        A page's own server is trusted only under an IP address or a name that is this machine's own: any other
        could have been made to point here by the page's author (DNS rebinding).
        """
        if origin is None or "*" in self.allowed_origins:
            return True
        if origin in FROM_DISK:
            return "null" in self.allowed_origins or _is_loopback(_name(f"//{host or ''}"))
        origin = origin.rstrip("/").lower()
        if origin in {allowed.rstrip("/").lower() for allowed in self.allowed_origins}:
            return True
        name = _name(origin)
        if _is_loopback(name):
            return True
        return origin.partition("//")[2] == (host or "").lower() and (_is_address(name) or name in self.own_names)


def _name(url: str) -> str:
    """Of its host; empty if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    if _is_address(name):
        return ipaddress.ip_address(name).is_loopback
    return name == "localhost" or name.endswith(".localhost")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def key_of(headers: Mapping[str, str], query: Mapping[str, str], subprotocols: Sequence[str]) -> str | None:
    """The key in ``Authorization: Bearer``, ``?api_key=`` or the subprotocols ``bearer, KEY``, in this order.

    ``Token`` does as well as ``Bearer``. Last comes a subprotocol that is ``openai-insecure-api-key.KEY``.
    """
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() in SCHEMES:
        return key.strip()
    if "api_key" in query:
        return query["api_key"]
    if len(subprotocols) > 1 and subprotocols[0] in SCHEMES:
        return subprotocols[1]
    keys = (name.removeprefix(IN_SUBPROTOCOL) for name in subprotocols if name.startswith(IN_SUBPROTOCOL))
    return next(keys, None)


def subprotocol_of(offered: Iterable[str]) -> str | None:
    """What to echo: browsers fail a handshake that answers none of what they offered."""
    names = sorted(offered, key=lambda name: name.startswith(IN_SUBPROTOCOL))  # a key is not repeated if it need not be
    return next(iter(names), None)
