"""What every command's process has: exit codes, a log, and an end that waits for nothing."""

from __future__ import annotations

import logging
import os
from typing import NoReturn

from reswhis.core.errors import ConfigurationError
from reswhis.settings import Settings

FAILED, WRONG_REQUEST, INTERRUPTED, NOBODY_READS = 1, 2, 130, 141
"""Exit codes, as shells know them."""


def set_up_log(settings: Settings) -> None:
    """Raises ConfigurationError."""
    from reswhis.observability.logs import set_up_logs

    try:
        set_up_logs(settings.log_level, settings.log_file)
    except OSError as error:
        raise ConfigurationError(f"The log file {settings.log_file} cannot be written: {error.strerror}.") from error


def end_at_once(code: int) -> NoReturn:
    """Not through the end of the interpreter, which waits for what is being read or fetched, or crashes in a decode."""
    logging.shutdown()
    os._exit(code)
