"""Sharing captions from the page in Chromium: whoever is given the link reads along, and nobody before that."""

import json
import re
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt install chromium")

KEY = "sesame"
SETTINGS = {"echo": False, "gain": False, "key": KEY, "rememberKey": True}
LONG_MS = 30_000


@pytest.fixture(scope="module")
def server(start):
    """A word per second of audio, for one client at a time."""
    return start("--backend", "fake", "--api-key", KEY, "--max-sessions", "1").ready()


@pytest.fixture(scope="module")
def browser(talk):
    arguments = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={talk}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    contexts = []

    def begin(url, settings=None, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        if settings:
            context.add_init_script(f"localStorage.setItem('reswhis', {json.dumps(json.dumps(settings))})")
        page = context.new_page()
        page.errors, page.sent, page.requests = [], [], []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("request", lambda request: page.requests.append(request))  # noqa: PLW0108 - playwright marks it
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: page.sent.append(frame)))  # noqa: PLW0108
        page.goto(url)
        return page

    yield begin
    errors = [error for context in contexts for page in context.pages for error in page.errors]
    for context in contexts:
        context.close()
    assert not errors


def state(page):
    return page.locator("#state .words")


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def starts(page):
    """What the page asked for at the beginning of each connection."""
    said = [json.loads(frame) for frame in page.sent if isinstance(frame, str)]
    return [message for message in said if message["type"] == "start"]


def serious(page):
    found = Axe().run(page).response["violations"]
    return [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in {"serious", "critical"}]


def test_whoever_gets_the_link_reads_along_from_then_on_and_after_the_end(visit, server):
    page = visit(server.url, SETTINGS, permissions=["microphone", "clipboard-read", "clipboard-write"])
    expect(state(page)).to_have_text("Ready")
    expect(page.locator("#open-share")).to_be_hidden()
    button(page, "Start").click()
    expect(page.locator(".line .final").first).to_be_visible(timeout=LONG_MS)
    button(page, "Share captions").click()
    assert ["captions" in start for start in starts(page)] == [False]

    page.locator("#share-begin").click()
    expect(page.locator("#share-link")).to_have_value(re.compile("captions#session="), timeout=LONG_MS)
    assert [start.get("captions") for start in starts(page)] == [None, True]
    button(page, "Copy the link").click()
    expect(page.locator("#share-said")).to_have_text("Copied")
    link = page.evaluate("() => navigator.clipboard.readText()")
    assert link == page.input_value("#share-link") and link.startswith(f"{server.url}/captions#") and KEY not in link
    page.keyboard.press("Escape")

    viewer = visit(link)
    captions = viewer.locator("#captions")
    expect(captions).to_have_text(re.compile(r"w\d"), timeout=LONG_MS)
    button(page, "Stop").click()
    expect(state(page)).to_have_text("Ready", timeout=LONG_MS)
    expect(viewer.locator("#state")).to_contain_text("The captions have ended.")
    read = captions.inner_text().split()
    said = " ".join(page.locator(".line p").all_inner_texts()).split()
    assert said[-len(read) :] == read and said[: -len(read)]
    assert not page.locator(".mark").count()
    assert not [request.url for request in viewer.requests if KEY in request.url + str(request.all_headers())]

    button(page, "Viewers’ link").click()
    assert page.input_value("#share-link") == link
    again = visit(link)
    expect(again.locator("#state")).to_contain_text("The captions have ended.")
    assert again.locator("#captions").inner_text().split() == read


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_control_is_for_everyone(visit, server, scheme):
    page = visit(
        server.url,
        SETTINGS,
        permissions=["microphone"],
        color_scheme=scheme,
        reduced_motion="reduce",
        viewport={"width": 360, "height": 740},
    )
    expect(state(page)).to_have_text("Ready")
    button(page, "Start").click()
    button(page, "Share captions").focus()
    page.keyboard.press("Enter")
    assert not serious(page)
    page.keyboard.press("Tab")
    expect(button(page, "Close")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#share-begin")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#share-link")).to_have_value(re.compile("captions#session="), timeout=LONG_MS)
    expect(page.locator("#share-link")).to_be_focused()
    expect(page.locator("#share-said")).to_have_text("The link is ready")
    assert not serious(page)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    box = page.locator("#share").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 360
    page.keyboard.press("Escape")
    expect(page.locator("#share")).to_be_hidden()
    expect(button(page, "Captions are shared")).to_be_focused()
