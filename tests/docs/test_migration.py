"""Every row of the tables of docs/migration.md is what the program does: the page is parsed, there is no other list."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import pytest

from reswhis.app import make_app, make_service
from reswhis.backends import registry, selection
from reswhis.cli import listen, simulate
from reswhis.cli.arguments import serve_parser, settings_from
from reswhis.cli.parser import Parser
from reswhis.core.errors import ConfigurationError
from reswhis.settings import Settings, from_sources
from reswhis.settings.layers import backend_config

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "migration.md"
HEADER = "| what you had | | default | there | here |"
STATUSES = {"same", "changed", "replaced", "no effect", "**not yet**", ""}
ROUTE = re.compile(r"(GET|WS) /")
FOREIGN = {"python", "python3", "uv", "pip", "websocat"}
"""Programs that are not ours to check; what they are told of ours is."""
ANY = "7"
"""A value that every variable of ours takes as something else than its default, or refuses."""


@dataclass(frozen=True)
class Row:
    number: int
    command: str
    """Whose flags they are."""
    had: str
    there: str
    here: str
    defaults: tuple[str, ...]
    """There and here; one if they are equal."""
    status: str

    def __str__(self):
        return f"{self.number}: {' '.join(spans(self.had)) or spans(self.here)[0]}"


def spans(cell):
    return re.findall(r"`([^`]+)`", cell)


def rows():
    found, command, inside = [], "reswhis", False
    for number, line in enumerate(PAGE.read_text("utf-8").splitlines(), 1):
        inside = line == HEADER or (inside and line.startswith("|"))
        if not inside or line == HEADER or set(line) <= set("|-"):
            continue
        had, status, default, there, here = (cell.strip() for cell in line.strip("|").split("|"))
        if had.startswith("**"):
            commands = [" ".join(span.split()[:2]) for span in spans(had) if span.startswith("reswhis")]
            command = commands[-1] if commands else "reswhis"
            continue
        found.append(Row(number, command, had, there, here, tuple(spans(default)), status))
    return found


ROWS = rows()


# What there is.


@cache
def parser_of(command):
    match command.split():
        case ["reswhis"]:
            return serve_parser()
        case ["reswhis", ("listen" | "simulate") as name]:
            parser = Parser(command)
            {"listen": listen, "simulate": simulate}[name].add_arguments(parser)
            return parser
    raise AssertionError(f"no such command: {command}")


def parsed(command, arguments):
    """What the command makes of its arguments: the settings in force, and what else it knows."""
    operands = ["recording.wav"] if command == "reswhis simulate" else []
    namespace = parser_of(command).parse([*arguments, *operands])
    rest = {name: value for name, value in vars(namespace).items() if name not in Settings.model_fields}
    settings = settings_from(namespace, {}) if "config" in rest else None
    return settings, rest


def knows_flag(command, flag):
    """In both spellings."""
    spellings = {"--" + flag[2:].replace("-", "_"), "--" + flag[2:].replace("_", "-")} if flag[:2] == "--" else {flag}
    for spelling in spellings:
        try:
            parsed(command, [spelling])
        except ConfigurationError as refusal:
            if "unknown flag" in str(refusal):
                return False
    return True


def takes_value(command, flag, value):
    if flag == "--backend":
        return has_backend(value)
    try:
        settings, _ = parsed(command, [flag, value])
        if settings is not None:
            selection.check(backend_config(settings))
    except ConfigurationError:
        return False
    return True


def knows_variable(name):
    try:
        return from_sources({name: ANY}) != from_sources({})
    except ConfigurationError:
        return True


def takes_variable(name, value):
    try:
        selection.check(backend_config(from_sources({name: value})))
    except ConfigurationError:
        return False
    return knows_variable(name)


def has_backend(name):
    """Apart from whether its packages are installed."""
    try:
        registry.row(from_sources({"BACKEND": name}).backend)
    except ConfigurationError:
        return False
    return True


def takes_command(line):
    words = line.split()
    name = " ".join(words[:2]) if words[1:] and not words[1].startswith("-") else words[0]
    try:
        parsed(name, words[len(name.split()) :])
    except ConfigurationError:
        return False
    return True


@pytest.fixture(scope="module")
def answers():
    """By route, the keys of the JSON object that it answers with; no key for another kind of answer."""
    named = [name for row in ROWS for name in spans(row.had) + spans(row.here)]
    return asyncio.run(ask_all([name for name in named if ROUTE.match(name)]))


async def ask_all(routes):
    settings = Settings(backend="fake")
    service = make_service(settings)
    app = make_app(settings, service)
    async with app.router.lifespan_context(app):
        await service.settled.wait()
        asked = {route: await (ask if route.startswith("GET") else stream)(app, route.split()[1]) for route in routes}
    return {route: keys for route, keys in asked.items() if keys is not None}


async def ask(app, path):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        response = await client.get(path)
    if response.status_code == 404:
        return None
    return set(response.json()) if response.headers["content-type"] == "application/json" else set()


async def stream(app, path):
    """A second of audio, and the end as either path knows it: a second empty frame ends the old one."""
    path, _, query = path.partition("?")
    scope = {"type": "websocket", "path": path, "query_string": query.encode(), "headers": [], "subprotocols": []}
    said = [{"type": "websocket.connect"}]
    said += [{"type": "websocket.receive", "bytes": frame} for frame in (bytes(32_000), b"", b"")]
    sent = []
    closed = asyncio.Event()

    async def receive():
        if said:
            return said.pop(0)
        await closed.wait()
        return {"type": "websocket.disconnect"}

    async def send(message):
        sent.append(message)
        if message["type"] == "websocket.close":
            closed.set()

    await app(scope, receive, send)
    if not any(message["type"] == "websocket.accept" for message in sent):
        return None
    texts = [message["text"] for message in sent if "text" in message]
    return set(json.loads(texts[0])) if texts else set()


def exists(answers, row, name):
    """Whether what is named in code is there. What it is is told by its shape."""
    if name.startswith("-"):
        flag, _, value = name.partition(" ")
        return knows_flag(row.command, flag) and (not value or takes_value(row.command, flag, value))
    if match := re.fullmatch(r"([A-Z][A-Z_]+)(?:=(.+))?", name):
        variable, value = match.groups()
        if variable == "BACKEND" and value is not None:
            return has_backend(value)
        return knows_variable(variable) if value is None else takes_variable(variable, value)
    if ROUTE.match(name):
        return name in answers
    if name.split()[0] == "reswhis":
        return takes_command(name)
    if name.split()[0] in FOREIGN:
        module = re.search(r"(\S+):app$", name)
        return module is None or importlib.util.find_spec(module[1]) is not None
    assert re.fullmatch(r"[\w./-]+", name), f"what is {name}?"
    return (ROOT / name).exists()


def values(row):
    """Of a variable or a flag, as they were there; for a path, the keys of its answer, before the colon."""
    if ROUTE.match("".join(spans(row.had)[:1])):
        return spans(row.here.partition(":")[0])
    return spans(row.there)


# The page against it.


def test_the_page_has_a_table_for_each_of_the_two():
    assert PAGE.read_text("utf-8").count(HEADER) == 2
    assert len(ROWS) > 70
    assert {row.status for row in ROWS} == STATUSES


@pytest.mark.parametrize("row", [row for row in ROWS if row.status in ("same", "changed", "no effect")], ids=str)
def test_what_works_is_accepted_under_its_old_name(row, answers):
    names = spans(row.had)
    assert names or row.had
    assert [name for name in names if not exists(answers, row, name)] == []


@pytest.mark.parametrize("row", [row for row in ROWS if row.status == "**not yet**"], ids=str)
def test_what_is_not_there_yet_is_refused(row, answers):
    """If it is there now: the row is out of date."""
    names = [name for name in spans(row.had) if name.split()[0] not in FOREIGN]
    names += [name for name in spans(row.here) if name.startswith("reswhis ")]
    assert names
    assert [name for name in names if exists(answers, row, name)] == []


@pytest.mark.parametrize("row", [row for row in ROWS if spans(row.here) and row.status != "**not yet**"], ids=str)
def test_what_is_named_here_exists(row, answers):
    named = [name for name in spans(row.here) if not (ROUTE.match(row.had[1:]) and name in values(row))]
    assert [name for name in named if not exists(answers, row, name)] == []


@pytest.mark.parametrize("row", [row for row in ROWS if values(row) and row.status in ("same", "changed")], ids=str)
def test_the_values_of_then_are_taken_now(row, answers):
    for name in spans(row.had):
        if ROUTE.match(name):
            assert set(values(row)) <= answers[name]
        elif name.startswith("--"):
            assert [value for value in values(row) if not takes_value(row.command, name, value)] == []
        elif re.fullmatch(r"[A-Z_]+", name):
            assert [value for value in values(row) if not takes_variable(name, value)] == []
            assert [value for value in values(row) if not takes_variable(name, f" {value}  ")] == []


@pytest.mark.parametrize("row", [row for row in ROWS if row.defaults and row.status != "**not yet**"], ids=str)
def test_the_default_is_the_stated_one(row):
    for name in spans(row.had):
        assert has_default(row, name, row.defaults[-1])


def has_default(row, name, default):
    if not name.startswith("-"):
        return from_sources({name: default}) == from_sources({})
    if name.startswith("--no-"):
        return True  # said of the flag beside it
    without = parsed(row.command, [])
    if default in ("on", "off"):
        changes = parsed(row.command, [name]) != without
        return changes == (default == "off")
    return parsed(row.command, [name, default]) == without


@pytest.mark.parametrize("row", [row for row in ROWS if row.defaults], ids=str)
def test_a_default_that_differs_is_said(row):
    assert (len(set(row.defaults)) > 1) == (row.status == "changed")
