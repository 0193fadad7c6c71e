"""The page in Chromium with a server that says what it is told to: what happens at the wrong moment loses no sound."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from .scripted_server import ScriptedServer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt install chromium")

FILE = Path(__file__).parents[2] / "clients" / "web_client.html"
LONG_MS = 30_000


@pytest.fixture(scope="module")
def browser():
    arguments = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]  # beeps
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def server():
    with ScriptedServer(FILE) as server:
        yield server


@pytest.fixture
def page(browser, server):
    """Listening, and of a second of sound."""
    context = browser.new_context(permissions=["microphone"])
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url)
    page.get_by_role("button", name="Start", exact=True).click()
    until(page, "session && session.source && session.source.end > session.source.rate")
    yield page
    context.close()
    assert not errors


def until(page, condition):
    """Without eval, which the page's policy forbids."""
    look = f"""() => new Promise((done, fail) => {{
        const end = Date.now() + {LONG_MS};
        const look = () => ({condition}) ? done() : Date.now() > end ? fail(new Error("never")) : setTimeout(look, 20);
        look();
    }})"""
    page.evaluate(look)


def break_off(page, server):
    server.is_up = False
    server.connections[-1].break_off()
    until(page, "session.link === 'broken'")


def comes_back(page, server):
    """The page has connected anew, and streams."""
    server.is_up = True
    page.evaluate("session.wake()")
    until(page, "session.link === 'live' && session.cursor > session.settled")


def commit(connection):
    connection.say("final", id=1, start_ms=100, end_ms=500, text=" hello", words=[], utterance=1, reason="agreement")
    connection.say("utterance", utterance=1, start_ms=0, end_ms=500, text="hello", language="en")


def test_a_transcript_that_is_cleared_during_a_break_does_not_hinder_the_return(page, server):
    commit(server.connections[-1])
    expect(page.locator(".line .final")).to_be_visible(timeout=LONG_MS)
    break_off(page, server)
    page.get_by_role("button", name="Clear", exact=True).click()
    comes_back(page, server)
    assert len(server.connections) == 2


def test_an_address_that_is_wrong_while_it_is_edited_does_not_hinder_the_return(page, server):
    break_off(page, server)
    page.evaluate("openSettings()")
    page.locator("#address").fill("my server")
    page.keyboard.press("Tab")
    page.evaluate("session.wake()")
    page.locator("#address").fill(server.url)
    page.keyboard.press("Tab")
    comes_back(page, server)


def test_sound_of_a_second_utterance_is_kept_while_the_first_is_still_decoded(page, server):
    connection = server.connections[-1]
    connection.say("speech_start", at_ms=0)
    connection.say("speech_end", utterance=1, at_ms=400)
    connection.say("speech_start", at_ms=600)
    commit(connection)
    until(page, "session.settled > 0")
    connection.samples += 30 * connection.rate  # as if so much had come, and nothing of it had been decoded
    connection.say("pong", id=None)
    connection.say("partial", start_ms=600, end_ms=900, text=" how")
    expect(page.locator(".tentative", has_text="how")).to_be_visible(timeout=LONG_MS)
    assert page.evaluate("session.settled / session.source.rate") <= 0.5


def test_going_on_at_once_after_a_pause_leaves_the_microphone_open(page):
    page.evaluate("() => { session.setPaused(true); session.setPaused(false); }")
    page.evaluate("window.before = source.end")
    until(page, "source.end > window.before + source.rate")
    assert page.evaluate("[session.isPaused, source.isPaused, source.track.enabled]") == [False, False, True]


def share(page):
    page.get_by_role("button", name="Share captions", exact=True).click()
    page.locator("#share-begin").click()
    expect(page.locator("#share-link")).to_have_value(re.compile("token"))


def test_captions_are_shared_from_the_press_on_and_until_the_next(page, server):
    share(page)
    assert page.input_value("#share-link") == f"{server.url}/captions#session=session2&viewer_token=token2"
    assert server.connections[0].samples >= page.evaluate("session.sharedFrom")
    assert page.evaluate("session.clock[0].source >= session.sharedFrom")  # where the shared one begins
    page.get_by_role("button", name="Stop sharing").click()
    until(page, "session.link === 'live' && !session.isShared")
    expect(page.locator("#share-begin")).to_be_focused()
    assert [connection.start.get("captions") for connection in server.connections] == [None, True, None]
    assert not page.locator(".mark").count()


def test_what_was_said_during_a_break_is_not_shared_by_a_press_in_it(page, server):
    break_off(page, server)
    page.evaluate("session.setShared(true)")
    comes_back(page, server)
    until(page, "session.captions")
    assert [connection.start.get("captions") for connection in server.connections] == [None, None, True]
    assert server.connections[1].samples > 0 and page.evaluate("session.clock[0].source >= session.sharedFrom")


def test_after_a_break_viewers_need_another_link_and_the_page_says_so(page, server):
    share(page)
    break_off(page, server)
    server.is_up = True
    page.evaluate("session.wake()")
    expect(page.locator("#toast")).to_contain_text("The link for viewers is another one now.", timeout=LONG_MS)
    assert page.input_value("#share-link").endswith("#session=session3&viewer_token=token3")


def test_where_a_server_has_no_captions_there_is_no_button_and_a_refusal_costs_nothing(page, server):
    connection = server.connections[-1]
    page.evaluate("() => { session.isShared = true; }")
    connection.say("error", code="unsupported", message="none", param="captions", fatal=True)
    connection.socket.close(1008, "unsupported")
    until(page, "session.link === 'live' && !session.isShared")
    expect(page.locator("#toast")).to_have_text("This server does not share captions.")
    page.evaluate("() => { idle.info.endpoints = []; draw(); }")
    expect(page.locator("#open-share")).to_be_hidden()


def test_an_error_without_words_ends_the_session_as_any_other(page, server):
    connection = server.connections[-1]
    server.is_up = False
    connection.say("error", code="x", message="", fatal=True)
    connection.socket.close(1008, "x")
    until(page, "!session || session.link !== 'live'")
