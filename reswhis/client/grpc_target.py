"""Which gRPC server to call, and whom to trust there. Calls nothing."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from reswhis.core.errors import ConfigurationError

from .target import Target

PORT = 50051


@dataclass(frozen=True, slots=True)
class GrpcTarget:
    host: str
    port: int = PORT
    is_secure: bool = False
    api_key: str = ""
    trust: bytes | None = None
    """Certificates in PEM form; None: those that gRPC brings along."""

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'grpcs' if self.is_secure else 'grpc'}://{self.address}"

    @property
    def is_loopback(self) -> bool:
        return Target(self.url).is_loopback


def target_of(url: str, api_key: str = "", trust: bytes | None = None) -> GrpcTarget:
    """Raises ConfigurationError."""
    wrong = ConfigurationError(f"--url must be like grpc://127.0.0.1:{PORT}, or grpcs:// with TLS, not {url!r}.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("grpc", "grpcs") or not parts.hostname or parts.path.strip("/"):
        raise wrong
    is_secure = parts.scheme == "grpcs"
    if trust is not None and not is_secure:
        raise ConfigurationError(f"--ca-file is for a server with TLS, whose --url begins with grpcs: not {url}.")
    return GrpcTarget(parts.hostname, PORT if port is None else port, is_secure, api_key, trust)
