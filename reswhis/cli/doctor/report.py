"""Prints findings: a line each for people, with what mends it, or all as JSON. Checks nothing."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from reswhis import __version__

from .finding import Finding, State

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {
    State.OK: "green",
    State.WARNING: "yellow",
    State.PROBLEM: "bold red",
    State.SKIPPED: "dim",
    State.UNKNOWN: "magenta",
}
MARK, NAME = 9, 20
"""Columns of the state and of the name."""
MIN_WIDTH, MAX_WIDTH = 60, 100


def show(findings: Iterable[Finding]) -> list[Finding]:
    """Print each as it comes, then how it stands; returns them."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    shown = []
    for finding in findings:
        shown.append(finding)
        with console.capture() as written:  # rich itself would end the process where nobody reads
            _print(console, finding)
        print(written.get(), end="", flush=True)
    print(f"\n{summary(shown)}")
    return shown


def _print(console: Console, finding: Finding) -> None:
    from rich.text import Text

    # Whoever reads a pipe wants a finding in a line.
    width = min(console.width, MAX_WIDTH) if console.is_terminal else None
    first, *others = lines(finding, width)
    style = "dim" if finding.state is State.SKIPPED else ""
    text = Text(first, style)
    text.stylize(STYLES[finding.state], 0, MARK)
    console.print(text)
    command = None if finding.remedy is None else finding.remedy.command
    for line in others:
        console.print(Text(line, "bold" if line.strip() == command else style))


def lines(finding: Finding, width: int | None) -> Iterator[str]:
    """What is printed of it; commands in one piece, however long, so that they can be copied."""
    yield from _wrapped(f"{finding.state.value:<{MARK}}{finding.name:<{NAME}}", finding.what, width)
    if (remedy := finding.remedy) is not None:
        margin = " " * (MARK + NAME)
        yield from _wrapped(margin, f"{remedy.sentence}:", width)
        yield f"{margin}    {remedy.command}"


def _wrapped(head: str, text: str, width: int | None) -> list[str]:
    if width is None:
        return [head + text]
    margin = " " * (MARK + NAME)
    return textwrap.wrap(
        text,
        max(width, MIN_WIDTH),
        initial_indent=head,
        subsequent_indent=margin,
        break_long_words=False,  # paths are copied too
        break_on_hyphens=False,
    )


def summary(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.state for finding in findings)
    problems = [finding.name for finding in findings if finding.state is State.PROBLEM]
    more = [
        _counted(counts[state], noun)
        for state, noun in ((State.WARNING, "warning"), (State.UNKNOWN, "thing could not be checked"))
        if counts[state]
    ]
    beside = f" ({', '.join(more)})" if more else ""
    if problems:
        keeps = "keeps" if len(problems) == 1 else "keep"
        return f"{_counted(len(problems), 'problem')} {keeps} the server from starting: {', '.join(problems)}{beside}."
    return f"Nothing keeps the server from starting{beside}."


def _counted(count: int, noun: str) -> str:
    word, blank, rest = noun.partition(" ")
    return f"{count} {word}{'s' if count > 1 else ''}{blank}{rest}"


def as_json(findings: Sequence[Finding]) -> str:
    content = {
        "version": __version__,
        "starts": starts(findings),
        "findings": [
            {
                "name": finding.name,
                "state": finding.state.value,
                "what": finding.what,
                "remedy": finding.remedy
                and {"sentence": f"{finding.remedy.sentence}.", "command": finding.remedy.command},
            }
            for finding in findings
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def starts(findings: Iterable[Finding]) -> bool:
    """Whether nothing that was found keeps the server from starting."""
    return all(finding.state is not State.PROBLEM for finding in findings)
