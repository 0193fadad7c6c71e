"""What ``reswhis models list`` and ``info`` print: a table or a page for people, JSON for programs.

Called by :mod:`.models`; asks no network but the server that may have a model loaded.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reswhis.backends import model_cache, model_shelf
from reswhis.backends.model_cache import Kept, bytes_in_words
from reswhis.backends.model_facts import Facts, facts
from reswhis.backends.model_formats import Format, of_backends
from reswhis.backends.models import LocalModel, Model

from .process import FAILED
from .running_server import Answer, ask

if TYPE_CHECKING:
    from reswhis.backends.model_shelf import Other, Shelved

COLOURS = {"whole": "green", "incomplete": "yellow", "damaged": "red", "absent": "dim"}
UNBOUNDED = 1000
"""Columns of a pipe: what is cut there is lost."""
UNKNOWN = "-"


def print_list(backend: str, format: Format, cache: Path | None, *, as_json: bool) -> int:
    shelved, others = model_shelf.known(format, cache), model_shelf.others(format, cache)
    home = model_cache.home(cache)
    free = model_cache.free_at(home)
    if as_json:
        models = [_model(one.model.name, one.names, one.model.repo, one.facts, one.kept) for one in shelved]
        beside = [{"repo": other.repo, "backend": other.backend, **_kept(other.kept)} for other in others]
        _print_json({"backend": backend, "cache": str(home), "free_bytes": free, "models": models, "others": beside})
        return 0
    console = _console()
    _show(console, _table(shelved))
    also = [f"{other} is {one.names[0]}" for one in shelved for other in one.names[1:]]
    if also:
        _say(console, "; ".join(also))
    if ours := [other for other in others if other.backend is not None]:
        _say(console, "")
        _show(console, _other_table(ours))
    _say(console, "")
    for line in _summary(shelved, others, home, free):
        _say(console, line)
    return 0


def print_info(model: Model, cache: Path | None, url: str, *, verify: bool, as_json: bool) -> int:
    """Return the exit code: 1 if something is wrong with the model."""
    if isinstance(model, LocalModel):
        size = sum(file.stat().st_size for file in model.path.iterdir() if file.is_file())
        kept, names, repo = Kept(model.path, model.path, size), [model.name], None
    else:
        kept, names, repo = model_cache.look(model, cache, verify=verify), model.sizes or [model.name], model.repo
    known = facts(model, None if kept.missing else kept.path)
    backend = next(name for name, format in of_backends().items() if format is model.format)
    answer = ask(url)
    is_loaded = answer is not None and answer.has(backend, [*names, str(repo)])
    if as_json:
        server = {"url": url, "answers": answer is not None, "loaded": is_loaded}
        about = _model(names[0], names, repo, known, kept)
        _print_json({"backend": backend, **about, "verified": kept.verified, "server": server})
    else:
        page = _page(names, repo, backend, known, kept)
        _print_page([*page, ("loaded", _loaded(answer, url, is_loaded=is_loaded))])
    return FAILED if kept.state in ("incomplete", "damaged") else 0


def _table(shelved: Iterable[Shelved]) -> Table:
    table = _columns("NAME", "PARAMS>", "DOWNLOAD>", "LANGUAGES>", "TRANSLATES", "HERE")
    for one in shelved:
        table.add_row(
            Text(one.names[0], "bold" if one.kept.state == "whole" else ""),
            f"{one.facts.parameters_m} M",
            _about(one.facts.download),
            _languages(one.facts),
            _yes(one.facts.translates),
            _here(one.kept),
        )
    return table


def _other_table(others: Iterable[Other]) -> Table:
    table = _columns("ALSO IN THE CACHE", "BACKEND", "HERE")
    for other in others:
        table.add_row(other.repo, other.backend or UNKNOWN, _here(other.kept))
    return table


def _summary(shelved: Sequence[Shelved], others: Sequence[Other], home: Path, free: int) -> Iterable[str]:
    used = sum(one.kept.size for one in shelved) + sum(other.kept.size for other in others if other.backend)
    foreign = [other.kept.size for other in others if other.backend is None]
    yield f"cache: {_short(home)}"
    yield f"Whisper models: {bytes_in_words(used) if used else 'none yet'}; free: {bytes_in_words(free)}"
    if foreign:
        yield f"other models: {len(foreign)}, {bytes_in_words(sum(foreign))}"
    yield "`reswhis models pull NAME` fetches one; downloads (~) are approximate"


def _page(names: Sequence[str], repo: str | None, backend: str, known: Facts, kept: Kept) -> list[tuple[str, Text]]:
    size = [] if known.parameters_m is None else [f"{known.parameters_m} M parameters"]
    if known.download is not None:
        size.append(f"to fetch {_about(known.download)}")
    rows = [("model", Text(", ".join(names)))]
    if repo is not None:
        rows.append(("hub", Text(repo)))
    rows += [
        ("backend", Text(backend)),
        ("size", Text(", ".join(size) or UNKNOWN)),
        ("languages", Text(_languages(known))),
        ("translates", Text(_yes(known.translates))),
        ("mel bins", Text(str(known.mel_bins or UNKNOWN))),
        ("here", _here(kept)),
    ]
    if kept.trouble:
        rows.append(("wrong", Text(kept.trouble, COLOURS[kept.state])))
        rows.append(("mend by", Text(f"reswhis models pull {names[0]}")))
    if kept.size:
        rows.append(("path", Text(str(kept.path or kept.folder))))
    return rows


def _loaded(answer: Answer | None, url: str, *, is_loaded: bool) -> Text:
    if answer is None:
        return Text(f"no server answers at {url}")
    if is_loaded:
        return Text(f"yes, by the server at {url}", "green")
    return Text(f"no, the server at {url} has {answer.model} ({answer.backend})")


def _here(kept: Kept) -> Text:
    match kept.state:
        case "absent":
            return Text(UNKNOWN, COLOURS["absent"])
        case "whole":
            whole = bytes_in_words(kept.size)
            return Text(f"{whole}, every byte as on the hub" if kept.verified else whole, COLOURS["whole"])
        case state:
            return Text(f"{state}, {bytes_in_words(kept.size)}", COLOURS[state])


def _languages(known: Facts) -> str:
    match known.languages:
        case None:
            return UNKNOWN
        case 1:
            return "English"
        case count:
            return str(count)


def _yes(value: bool | None) -> str:
    return UNKNOWN if value is None else "yes" if value else "no"


def _about(count: int | None) -> str:
    """Two digits are all that is known of it."""
    if count is None:
        return UNKNOWN
    rounded = round(count, 1 - (len(str(count)) - 1))
    return f"~{rounded / 1e9:.1f} GB" if rounded >= 1e9 else f"~{rounded / 1e6:.0f} MB"


def _model(name: str, names: Sequence[str], repo: str | None, known: Facts, kept: Kept) -> dict[str, object]:
    return {
        "name": name,
        "names": list(names),
        "repo": repo,
        "parameters": None if known.parameters_m is None else known.parameters_m * 1_000_000,
        "download_bytes_approximate": known.download,
        "languages": known.languages,
        "translates": known.translates,
        "mel_bins": known.mel_bins,
        **_kept(kept),
    }


def _kept(kept: Kept) -> dict[str, object]:
    return {
        "state": kept.state,
        "bytes": kept.size,
        "path": None if kept.path is None else str(kept.path),
        "trouble": kept.trouble or None,
    }


def _columns(*names: str) -> Table:
    """A ``>`` at the end of a name: its column stands at the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(name.rstrip(">"), justify="right" if name.endswith(">") else "left", no_wrap=True)
    return table


def _print_page(rows: Sequence[tuple[str, Text]]) -> None:
    """Long lines are the terminal's to break: a path that is copied must not have a break in it."""
    console = _console()
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        console.print(Text.assemble((label.ljust(width), "bold"), "  ", value), soft_wrap=True)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=UNBOUNDED)


def _show(console: Console, table: Table) -> None:
    """In a pipe without the blanks that a table ends its lines with."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())


def _say(console: Console, text: str) -> None:
    console.print(Text(text, "dim"), soft_wrap=True)


def _short(path: Path) -> str:
    try:
        return f"~/{path.relative_to(Path.home()).as_posix()}"
    except (ValueError, RuntimeError):
        return str(path)


def _print_json(content: object) -> None:
    json.dump(content, sys.stdout, indent=2, ensure_ascii=False)
    print()
