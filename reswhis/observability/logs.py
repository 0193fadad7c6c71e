"""Where the log goes and how its lines look. Called once, by the command that serves."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler

FILE_BYTES, FILES = 10_000_000, 5
TRANSCRIPTS = "reswhis.transcripts"
"""The logger of what is said. Nothing is logged there unless the user asks for it."""
PLAIN = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def set_up_logs(level: str, file: Path | None = None) -> None:
    """Raises OSError if the file cannot be opened. Colours only on a terminal."""
    console = Console(stderr=True)
    handler: logging.Handler
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False, rich_tracebacks=False, markup=False)
        handler.setFormatter(logging.Formatter("%(message)s", datefmt="%H:%M:%S"))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(PLAIN))
    handlers: list[logging.Handler] = [handler]
    if file is not None:
        rotating = RotatingFileHandler(file, maxBytes=FILE_BYTES, backupCount=FILES, encoding="utf-8")
        rotating.setFormatter(logging.Formatter(PLAIN))
        handlers.append(rotating)
    logging.basicConfig(level=logging.WARNING, handlers=handlers, force=True)
    logging.getLogger("reswhis").setLevel(level.upper())
    logging.getLogger(TRANSCRIPTS).setLevel(logging.INFO)  # who asks for them gets them, whatever else is logged
    # Below this it logs every frame, transcripts and all, and addresses with the keys in their queries.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
