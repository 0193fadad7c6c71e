"""Which server to connect to, and whom to trust there. Connects to nothing."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from reswhis.core.errors import ConfigurationError

CERTIFICATE_PATH = "/certificate.crt"


@dataclass(frozen=True, slots=True)
class Target:
    url: str
    api_key: str = ""
    trust: ssl.SSLContext | None = None
    """None: whom this machine trusts."""

    @property
    def is_secure(self) -> bool:
        return urlsplit(self.url).scheme == "wss"

    @property
    def certificate_url(self) -> str:
        """Where ``reswhis --https`` gives the certificate that others are to trust."""
        return urlsplit(self.url)._replace(scheme="https", path=CERTIFICATE_PATH, query="").geturl()

    @property
    def is_loopback(self) -> bool:
        """A proxy that the environment names could not reach this machine."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")


def server_url(url: str, path: str) -> str:
    """As a WebSocket's, with ``path`` if it has none. Raises ConfigurationError."""
    wrong = ConfigurationError(f"--url must be like ws://127.0.0.1:8000{path}, not {url!r}.")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # looking at it is how it is checked
    except ValueError:
        raise wrong from None
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in ("ws", "wss") or not parts.hostname:
        raise wrong
    return parts._replace(scheme=scheme, path=parts.path if parts.path.strip("/") else path, fragment="").geturl()


def trust(certificate: Path) -> ssl.SSLContext:
    """Whom this machine trusts, and whoever shows this certificate or one that it has signed.

    Raises:
        ConfigurationError: it cannot be read.
    """
    context = ssl.create_default_context()
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a server's own certificate need not be an authority's
    try:
        context.load_verify_locations(certificate)
    except ssl.SSLError:
        raise ConfigurationError(
            f"--ca-file: {certificate} is no certificate in PEM form (a text with BEGIN CERTIFICATE)."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"--ca-file: {certificate} cannot be read ({error.strerror}).") from None
    return context
