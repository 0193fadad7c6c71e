"""Every link between pages of the repository leads somewhere, and the drawing is what its generator makes."""

import re
import runpy

import pytest
from docs.snippets import ROOT

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "tests/*/README.md")
    for path in ROOT.glob(pattern)
)
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(page):
    """Of its headings, as GitHub makes them."""
    headings = HEADING.findall(FENCED.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page):
    here = ROOT / page
    broken = []
    for link in LINK.findall(FENCED.sub("", here.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = here.parent / name if name else here
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_index_of_the_documentation_names_every_page():
    index = (ROOT / "docs/README.md").read_text("utf-8")
    assert [
        name
        for page in PAGES
        if page.startswith("docs/") and (name := page[5:]) != "README.md" and f"]({name})" not in index
    ] == []


def test_the_drawing_of_the_architecture_is_what_its_generator_makes():
    made = runpy.run_path(str(ROOT / "docs/make_drawing.py"))["drawing"]()
    assert made == (ROOT / "docs/architecture.svg").read_text("utf-8")
