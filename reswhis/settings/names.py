"""Finds what was meant by a name that does not exist: a flag, a variable, a key or a command."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, names: Iterable[str], otherwise: str) -> str:
    """The end of a refusal: a question, or ``otherwise`` if no name is near."""
    found = get_close_matches(name, list(names))
    if not found:
        return otherwise
    meant = min(found, key=lambda other: sorted(other) != sorted(name))  # two letters swapped is nearer than any
    return f"; did you mean {meant}?"
