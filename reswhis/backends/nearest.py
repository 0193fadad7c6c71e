"""What to say about a name that is not known: the nearest right one, and all of them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def no_such(kind: str, name: str, names: Iterable[str]) -> str:
    """One sentence, for a ConfigurationError."""
    known = list(names)
    near = get_close_matches(name.casefold(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? There" if near else "there"
    return f"There is no {kind} {name!r}; {hint} are: {', '.join(known)}."
