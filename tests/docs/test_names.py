"""Flags, variables, commands, pages and anchors that the documentation names exist; so do pages that messages name."""

import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import pytest

from reswhis.cli import COMMANDS, completion, doctor, listen, models, simulate, transcribe
from reswhis.cli.arguments import serve_parser
from reswhis.cli.parser import Parser
from reswhis.core.errors import ConfigurationError
from reswhis.settings.catalogue import PREFIX, catalogue
from reswhis.settings.sources import CONFIG_VARIABLE, KUBERNETES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SPEAKING = [
    path
    for pattern in ("reswhis/**/*.py", "clients/*", "*.bat", "run.sh", "CONTRIBUTING.md", "CHANGELOG.md")
    for path in sorted(ROOT.glob(pattern))
]
"""What else sends people to a page."""

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SHELLS = {"sh", "bat", "powershell"}
REFUSED = "# exit code 2"
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)|(?:src|href)=\"([^\"]+)\"")
FLAG = re.compile(r"(?<![\w-])--[a-zA-Z][\w-]*")
VARIABLE = re.compile(rf"\b{PREFIX}[A-Z][A-Z_]*[A-Z]\b")
OTHERS_FLAGS = {
    "--binary": "websocat",
    "--extra": "uv",
    "--gpus": "docker",
    "--insecure": "websocat",
    "--reload": "uvicorn",
}
"""In the text; in a command, a line of another program is known by its first word."""
MIGRATION = "migration.md"
"""Its tables name what there is not, and have a test of their own."""


def parsers():
    found = {"reswhis": serve_parser(), "reswhis serve": serve_parser()}
    shown = {"listen": listen, "transcribe": transcribe, "simulate": simulate, "models": models, "doctor": doctor}
    for name, command in shown.items():
        found[f"reswhis {name}"] = parser = Parser(f"reswhis {name}")
        command.add_arguments(parser)
    found["reswhis completion"] = parser = Parser("reswhis completion")
    completion.add_arguments(parser)
    assert {name.removeprefix("reswhis ") for name in found} == {"reswhis", *COMMANDS}
    return found


PARSERS = parsers()
FLAGS = {flag for parser in PARSERS.values() for flag in parser.flags}


def text_of(page):
    text = page.read_text("utf-8")
    if page.name == MIGRATION:
        text = "\n".join(line for line in text.splitlines() if not line.startswith("|"))
    return text


def prose_of(page):
    return FENCE.sub("", text_of(page))


def commands_of(page):
    """Of reswhis, wherever they stand in code: the words of each, and whether the page says that it is refused."""
    text = text_of(page)
    lines = [
        line
        for _, language, block in FENCE.findall(text)
        if language in SHELLS
        for line in re.sub(r"[\\^]\n\s*", " ", block).splitlines()
    ]
    lines += re.findall(r"^    (\S.*)$", prose_of(page), re.MULTILINE)
    lines += re.findall(r"`([^`\n]+)`", prose_of(page))
    for line in lines:
        for part in re.split(r"\||&&|;|\s#|\s[12]?>", line):
            if (words := reswhis_words(part)) is not None:
                yield words, line.endswith(REFUSED)


def reswhis_words(command):
    try:
        words = shlex.split(command.replace("…", " ").replace("\\", "/"))
    except ValueError:
        return None
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):  # variables before it
        words.pop(0)
    if words[:2] == ["uv", "run"]:
        words = words[2:]
        while words and words[0].startswith("-"):
            words = words[2:] if words[0] in ("--extra", "--project", "--with") else words[1:]
    if words and Path(words[0]).name in ("run.bat", "run.sh"):
        words[0] = "reswhis"
    return words if words[:1] == ["reswhis"] else None


def anchors_of(page):
    """As GitHub makes them of the headings."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        number = sum(found_anchor == anchor or found_anchor.startswith(f"{anchor}-") for found_anchor in found)
        found.add(f"{anchor}-{number}" if anchor in found else anchor)
    return found | set(re.findall(r"<a (?:name|id)=\"([^\"]+)\"", page.read_text("utf-8")))


every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@every_page
def test_flags_in_the_text_exist(page):
    named = {flag.replace("_", "-") for code in re.findall(r"`[^`]+`", prose_of(page)) for flag in FLAG.findall(code)}
    assert named - FLAGS - set(OTHERS_FLAGS) == set()


@every_page
def test_commands_of_reswhis_are_accepted(page):
    """As far as their flags and values go: files and servers are not looked for."""
    for words, is_refused in commands_of(page):
        refusal = refusal_of(words)
        assert refusal is None or is_refused, f"{' '.join(words)}: {refusal}"


def refusal_of(words):
    name = " ".join(words[:2]) if " ".join(words[:2]) in PARSERS else "reswhis"
    arguments = words[len(name.split()) :]
    if {"--help", "--help-all", "--version"} & set(arguments):
        return None
    try:
        PARSERS[name].parse(arguments)
    except ConfigurationError as refusal:
        is_a_mention = not arguments or (arguments[-1] in FLAGS and "expected one argument" in str(refusal))
        return None if is_a_mention else str(refusal)
    return None


@every_page
def test_variables_exist(page):
    known = {name for setting in catalogue().values() for name in setting.variables} | {CONFIG_VARIABLE}
    named = set(VARIABLE.findall(text_of(page)))
    assert {name for name in named - known if not KUBERNETES.fullmatch(name)} == set()


@every_page
def test_links_lead_somewhere(page):
    for target in ("".join(found) for found in LINK.findall(prose_of(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or file.suffix != ".md" or anchor in anchors_of(file), target


@pytest.mark.parametrize("path", [*PAGES, *SPEAKING], ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_that_are_named_exist(path):
    if path.is_file():
        named = set(re.findall(r"\bdocs[/\\][\w-]+\.(?:md|svg|json|py)\b", path.read_text("utf-8", errors="replace")))
        assert [name for name in named if not (ROOT / name.replace("\\", "/")).exists()] == []


def test_the_index_leads_to_every_page():
    """A page that nobody finds is not there."""
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    assert [page.name for page in PAGES if page.name != "README.md" and f"]({page.name}" not in index] == []
