"""Runs the checks side by side and gives what they find, in their order, each as soon as it is its turn.

A check that fails, or hangs, becomes a finding and keeps no other from its own. Knows none of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import shorten
from typing import Generic, TypeVar

from .finding import Case, Check, Finding, State

logger = logging.getLogger(__name__)
T = TypeVar("T")

DEADLINE_S = 15.0
"""For what should take a second or two, on a machine that has just been started and has everything still on disk."""


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    """What it is called if it says nothing itself."""
    check: Check


def findings(rows: Sequence[Row], case: Case, deadline_s: float = DEADLINE_S) -> Iterator[Finding]:
    began = time.monotonic()
    tasks = [(row, Task(partial(_all_of, row.check, case))) for row in rows]
    for row, task in tasks:
        try:
            yield from task.result(max(0.0, began + deadline_s - time.monotonic()))
        except TimeoutError:
            yield Finding(row.name, State.UNKNOWN, f"could not be checked: no answer within {deadline_s:g} s")
        except Exception as error:  # noqa: BLE001  # logged where it was raised; must not hide what others find
            yield Finding(row.name, State.UNKNOWN, f"could not be checked: {short(error)}")


def _all_of(check: Check, case: Case) -> list[Finding]:
    return list(check(case))


def short(error: Exception) -> str:
    """Its kind and the beginning of what it says, in one line."""
    said = shorten(str(error), 100, placeholder=" ...")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


class Task(Generic[T]):
    """A call in a thread that keeps nobody from ending the process, whatever it hangs in."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._values: list[T] = []
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self, timeout_s: float) -> T:
        """Raises TimeoutError, or whatever the call has raised."""
        self._thread.join(timeout_s)
        if self._error is not None:
            raise self._error
        if not self._values:
            raise TimeoutError
        return self._values[0]

    def _run(self) -> None:
        try:
            self._values.append(self._call())
        except Exception as error:  # top of the thread; raised again for whoever waits
            logger.debug("a check fails", exc_info=True)
            self._error = error
