"""Which model a running server has: its ``/info``, asked once and not for long. Used by ``reswhis models info``."""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urlsplit

from reswhis.core.errors import ConfigurationError

PATIENCE_S = 1.0
MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    backend: str
    model: str
    loaded: tuple[str, ...]
    """Names, as the server was told them."""

    def has(self, backend: str, names: Collection[str]) -> bool:
        """Whether the model of one of these names is loaded, as this recogniser reads it."""
        return self.backend == backend and any(name in names for name in self.loaded)


def ask(url: str) -> Answer | None:
    """None if nothing answers, or something else than a server of ours. Raises ConfigurationError."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"--url must be like http://127.0.0.1:8000, not {url!r}.")
    # Nothing secret is sent and nothing that comes back is acted on; a certificate of --https is known to nobody.
    trusting = ssl._create_unverified_context()
    handlers = [urllib.request.HTTPSHandler(context=trusting), urllib.request.ProxyHandler({})]
    request = urllib.request.Request(f"{scheme}://{parts.netloc}/info", headers={"Accept": "application/json"})
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=PATIENCE_S) as response:
            return _read(json.loads(response.read(MAX_BYTES)))
    except (OSError, HTTPException, ValueError):
        return None


def _read(info: object) -> Answer | None:
    match info:
        case {"backend": str(backend), "model_size": str(model), "models": list(models)}:
            return Answer(backend, model, tuple(name for one in models for name in _loaded(one)))
        case _:
            return None


def _loaded(model: object) -> list[str]:
    match model:
        case {"name": str(name), "state": "loaded"}:
            return [name]
        case _:
            return []
