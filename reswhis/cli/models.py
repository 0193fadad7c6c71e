"""``reswhis models``: which models there are and which of them are here; fetches, removes and checks them.

What is printed is made in :mod:`.models_text`, the download shown in :mod:`.models_pull`. Called by the dispatcher.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reswhis.core.errors import ConfigurationError
from reswhis.settings import Group, Settings

from .arguments import add_settings, settings_from
from .parser import Parser
from .process import FAILED, set_up_log

if TYPE_CHECKING:
    from reswhis.backends.model_cache import Kept
    from reswhis.backends.model_formats import Format
    from reswhis.backends.models import HubModel, Model

ACTIONS = {
    "list": "which models there are, what each can, and what of it is here",
    "pull": "fetch a model, or what is missing or damaged of it",
    "rm": "remove a model from the cache",
    "info": "what a model is, where it is, and whether it is whole and loaded",
}
SETTINGS = {"backend", "model_cache_dir"}
CODES = {
    "list": "0 printed; 2 a wrong request, or a recogniser without models to fetch.",
    "pull": (
        "0 it is here, and whole; 1 the disk is too small; 2 a wrong request, or no model hub; 130 stopped, to be gone "
        "on with by the next pull."
    ),
    "rm": "0 removed; 1 it is not here, or was not to be removed after all; 2 a wrong request.",
    "info": "0 it is whole, or not here; 1 it is incomplete or damaged; 2 a wrong request.",
}
NAME = "a size (tiny, base.en, large-v3, turbo, distil-large-v3 ...), a hub id"


def add_arguments(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    for action, meaning in ACTIONS.items():
        below = actions.add_parser(action, help=meaning, description=meaning)
        if action != "list":
            below.add_argument("name", metavar="NAME", help=f"{NAME} or a directory" if action == "info" else NAME)
        if action == "rm":
            below.add_argument("-y", "--yes", action="store_true", help="do not ask, on a terminal")
        if action == "info":
            below.add_argument("--verify", action="store_true", help="read all of it and compare with the hub's hashes")
            below.add_argument(
                "--url", metavar="URL", help="the server that may have it loaded, such as http://pc:8000"
            )
        if action in ("list", "info"):
            below.add_argument("--json", action="store_true", help="for programs")
        add_settings(below, (Group.MODEL,), common=SETTINGS, only=SETTINGS)
        below.epilog = f"Exit codes: {CODES[action]}"
    parser.epilog = (
        "reswhis models ACTION --help says more.\n\nExit codes: 0 done, or nothing wrong; 1 not done, or something "
        "wrong with a model; 2 a wrong request, or no model hub; 130 interrupted."
    )


def run(arguments: argparse.Namespace) -> int:
    """Return the exit code. Raises ConfigurationError."""
    settings = settings_from(arguments, os.environ)
    set_up_log(settings)
    try:
        return _run(arguments, settings, Shelf.of(settings))
    except (PermissionError, NotADirectoryError) as error:
        raise ConfigurationError(f"The cache cannot be used: {error.filename}: {error.strerror}.") from error


def _run(arguments: argparse.Namespace, settings: Settings, shelf: Shelf) -> int:
    match arguments.action:
        case "list":
            from .models_text import print_list

            return print_list(shelf.backend, shelf.format, shelf.cache, as_json=arguments.json)
        case "pull":
            from .models_pull import pull

            return pull(shelf.fetched(arguments.name), shelf.cache)
        case "rm":
            return _remove(shelf.fetched(arguments.name), shelf.cache, ask=not arguments.yes and sys.stdin.isatty())
        case _:
            from .models_text import print_info

            url = arguments.url or _url(settings)
            model = shelf.find(arguments.name)
            return print_info(model, shelf.cache, url, verify=arguments.verify, as_json=arguments.json)


@dataclass(frozen=True, slots=True)
class Shelf:
    """Whose models are meant, and where they are kept."""

    backend: str
    format: Format
    cache: Path | None

    @classmethod
    def of(cls, settings: Settings) -> Shelf:
        """Raises ConfigurationError where the recogniser has no models to choose from."""
        from reswhis.backends.model_formats import of_backends
        from reswhis.backends.registry import row
        from reswhis.backends.selection import AUTO

        backend = AUTO if settings.backend == "auto" else row(settings.backend).name
        formats = of_backends()
        if backend not in formats:
            raise ConfigurationError(
                f"The backend {backend} has no models to be fetched: add --backend with one of {', '.join(formats)}."
            )
        return cls(backend, formats[backend], settings.model_cache_dir)

    def find(self, name: str) -> Model:
        """Raises ConfigurationError."""
        from reswhis.backends import models
        from reswhis.backends.model_formats import of_backends
        from reswhis.backends.model_shelf import backend_of

        if name == "auto":
            raise ConfigurationError("auto is what a server chooses; name a model: `reswhis models list` shows them.")
        whose = None if name in self.format.sizes.values() else backend_of(name)
        return models.find(name, self.format if whose is None else of_backends()[whose])

    def fetched(self, name: str) -> HubModel:
        """Raises ConfigurationError of a directory, too: it is the user's own."""
        from reswhis.backends.models import LocalModel

        model = self.find(name)
        if isinstance(model, LocalModel):
            raise ConfigurationError(f"{name} is a directory of your own: it is neither fetched nor removed here.")
        return model


def _remove(model: HubModel, cache: Path | None, *, ask: bool) -> int:
    from reswhis.backends import model_cache
    from reswhis.backends.model_cache import bytes_in_words

    kept = model_cache.look(model, cache)
    if not kept.folder.is_dir():
        print(f"{model.name} is not in {model_cache.home(cache)}.", file=sys.stderr)
        return FAILED
    if ask and not _is_confirmed(model, kept):
        print("Nothing was removed.", file=sys.stderr)
        return FAILED
    freed = model_cache.remove(kept.folder)
    if kept.folder.exists():
        print(f"{kept.folder} could not be removed: a server may have it open, or it is not yours.", file=sys.stderr)
        return FAILED
    print(f"removed {model.name}: {bytes_in_words(freed)} freed")
    return 0


def _is_confirmed(model: HubModel, kept: Kept) -> bool:
    from reswhis.backends.model_cache import bytes_in_words

    print(
        f"Remove {model.name}, {bytes_in_words(kept.size)}, {kept.folder}? [y/N] ", end="", file=sys.stderr, flush=True
    )
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _url(settings: Settings) -> str:
    """Where a server with these settings answers to its own machine."""
    is_secure = settings.https or settings.ssl_certfile is not None
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    return f"{'https' if is_secure else 'http'}://{host}:{settings.port}"
