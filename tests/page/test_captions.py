"""The caption page in Chromium: a real server, somebody who speaks, and people who look."""

import contextlib
import json
import re
import shutil
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright
from websockets.sync.client import connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt install chromium")

FILE = Path(__file__).parents[2] / "clients" / "caption_page.html"
SECOND = 16_000


@pytest.fixture(scope="module")
def server(start):
    """It says a word per second of audio: w0, w1, ..."""
    return start("--backend", "fake", "--endpoint-ms", "200").ready()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def look(browser):
    """Open the page at an address; an error in it fails the test."""
    contexts = []

    def begin(url, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.errors, page.requests = [], []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("request", lambda request: page.requests.append(request))  # noqa: PLW0108 - playwright marks it
        page.goto(url)
        return page

    yield begin
    for context in contexts:
        errors = [error for page in context.pages for error in page.errors]
        context.close()
        assert not errors


class Speaker:
    """A client whose session others may read along; ``text`` is what it has been told is final."""

    def __init__(self, socket, server, sound):
        self._socket, self._sound = socket, sound
        self.text = ""
        self.say("start", captions=True)
        ready = self.until("ready")
        self.link = f"#session={ready['session_id']}&viewer_token={ready['viewer_token']}"
        self.token = ready["viewer_token"]
        self.page = f"{server.url}/captions"

    def say(self, type_, **fields):
        self._socket.send(json.dumps({"type": type_, **fields}))

    def until(self, type_):
        while True:
            message = json.loads(self._socket.recv(timeout=10))
            if message["type"] == "final":
                self.text += message["text"]
            if message["type"] == type_:
                return message

    def speak(self, seconds):
        """And all of it is final."""
        part, self._sound = np.split(self._sound, [seconds * SECOND])
        self._socket.send(part.tobytes())
        self.say("flush")
        self.until("flushed")

    def mumble(self, seconds):
        """And nothing of it is."""
        part, self._sound = np.split(self._sound, [seconds * SECOND])
        self._socket.send(part.tobytes())
        self.until("partial")

    def finish(self):
        self.say("finish")
        self.until("finished")


@pytest.fixture
def speaking(server, recordings):
    sound = np.concatenate([recording.audio for recording in recordings if recording.name.startswith("flite")])

    @contextlib.contextmanager
    def begin():
        with connect(server.ws) as socket:
            yield Speaker(socket, server, sound)

    return begin


def captions(page):
    return page.locator("#captions")


def final(page):
    """What is final, in one line."""
    return " ".join(" ".join(captions(page).locator(".cue > span:not(.tentative)").all_inner_texts()).split())


def state(page):
    return page.locator("#state")


def style(page, selector, name):
    return page.locator(selector).first.evaluate("(element, name) => getComputedStyle(element)[name]", name)


def test_words_appear_while_they_are_said_tentative_ones_apart(look, speaking):
    with speaking() as speaker:
        page = look(speaker.page + speaker.link)
        expect(state(page)).to_have_text("Captions will appear here as soon as somebody speaks.")
        speaker.speak(3)
        expect(captions(page)).to_have_text(speaker.text.strip())
        expect(state(page)).to_be_hidden()
        speaker.mumble(1)
        expect(page.locator(".tentative")).to_have_text(re.compile(r"w\d"))
        assert style(page, ".tentative", "color") != style(page, ".cue", "color")
        assert final(page) == speaker.text.strip()
        speaker.finish()
        expect(state(page)).to_contain_text("The captions have ended.")
        assert final(page) == speaker.text.strip() and not page.locator(".tentative").inner_text()
        assert page.locator("html").get_attribute("lang") == "en"
        with page.expect_download() as download:
            page.get_by_role("link", name="Text").click()
        assert Path(download.value.path()).read_text("utf-8").split() == speaker.text.split()


def test_it_asks_its_own_server_alone_and_its_address_tells_nobody_the_token(look, speaking):
    with speaking() as speaker:
        page = look(speaker.page + speaker.link)
        speaker.speak(2)
        expect(captions(page)).to_have_text(speaker.text.strip())
        origin = speaker.page.removesuffix("/captions")
        assert all(request.url.startswith((origin, "data:")) for request in page.requests)
        assert not [request.url for request in page.requests if speaker.token in request.url.partition("#")[0]]
        policy = page.locator("meta[http-equiv]").get_attribute("content")
        assert policy.startswith("default-src 'none'")


class Cable:
    """A way to the server that can be cut."""

    def __init__(self, url):
        host, port = url.removeprefix("http://").split(":")
        self._server = (host, int(port))
        self._ends = []
        self._port = 0
        self.mend()
        self.url = f"http://{host}:{self._port}"

    def mend(self):
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self):
        for end in [self._listener, *self._ends]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                near, far = listener.accept()[0], socket.create_connection(self._server)
                self._ends += near, far
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    @staticmethod
    def _carry(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def test_after_a_break_it_goes_on_where_it_was_and_says_nothing_twice(look, speaking, server):
    cable = Cable(server.url)
    with speaking() as speaker:
        page = look(f"{cable.url}/captions{speaker.link}")
        speaker.speak(2)
        expect(captions(page)).to_have_text(speaker.text.strip())
        cable.cut()
        expect(state(page)).to_have_text("The server cannot be reached. Trying again …")
        speaker.speak(2)
        cable.mend()
        expect(captions(page)).to_have_text(re.compile(speaker.text.split()[-1]))
        expect(state(page)).to_be_hidden()
        assert final(page).split() == speaker.text.split()
        last = [request for request in page.requests if "/events" in request.url][-1]
        assert int(last.all_headers()["last-event-id"]) >= 2
        cable.cut()


def test_who_comes_late_sees_what_was_said_and_over_a_picture_just_the_newest(look, speaking):
    with speaking() as speaker:
        for _ in range(6):
            speaker.speak(1)
        page = look(speaker.page + speaker.link)
        expect(captions(page)).to_have_text(re.compile(speaker.text.split()[-1]))
        assert final(page).split() == speaker.text.split()
        over = look(f"{speaker.page}?background=transparent{speaker.link}")
        expect(captions(over)).to_have_text(re.compile(speaker.text.split()[-1]))
        assert 0 < len(final(over).split()) < len(speaker.text.split())


@pytest.mark.parametrize("background", ["dark", "transparent"])
def test_a_link_that_leads_nowhere_is_explained(look, server, background):
    wrong = look(f"{server.url}/captions?background={background}#session=x&viewer_token=y")
    expect(state(wrong)).to_contain_text("There are no such captions.")
    without = look(f"{server.url}/captions?background={background}")
    expect(state(without)).to_contain_text("Open this page by the link")


def test_over_a_picture_there_are_words_and_nothing_else(look, speaking):
    with speaking() as speaker:
        page = look(f"{speaker.page}?background=transparent&hide=0.5{speaker.link}")
        expect(state(page)).to_be_hidden()
        clear = "rgba(0, 0, 0, 0)"
        assert style(page, "html", "backgroundColor") == style(page, "body", "backgroundColor") == clear
        speaker.speak(2)
        expect(page.locator("#captions.away")).to_have_count(0)
        expect(captions(page)).to_have_text(speaker.text.strip())
        assert style(page, ".cue", "backgroundColor") not in (clear, style(page, ".cue", "color"))
        expect(page.locator("#captions.away")).to_have_count(1)  # after a silence it goes
        speaker.speak(1)
        expect(page.locator("#captions.away")).to_have_count(0)
        speaker.finish()
        expect(page.locator("#captions.away")).to_have_count(1)
        expect(state(page)).to_be_hidden()


PLACES = """() => [...document.querySelectorAll('.cue > span:not(.tentative)')].flatMap(
    span => [...span.getClientRects()].map(({ left, width }) => [left, width]))"""


def test_size_and_lines_are_as_the_address_says_and_lines_once_broken_stay(look, speaking):
    with speaking() as speaker:
        page = look(f"{speaker.page}?size=10&lines=2{speaker.link}", viewport={"width": 640, "height": 720})
        assert style(page, "#captions", "fontSize") == "48px"  # .75 of 10 per cent of the width
        page.set_viewport_size({"width": 1280, "height": 720})
        assert style(page, "#captions", "fontSize") == "72px"
        for seconds in (1, 3, 3, 3, 3, 3):
            speaker.speak(seconds)
            expect(captions(page)).to_have_text(re.compile(speaker.text.split()[-1]))
            before = page.evaluate(PLACES)
        speaker.speak(8)
        expect(captions(page)).to_have_text(re.compile(speaker.text.split()[-1]))
        assert page.evaluate(PLACES)[: len(before) - 1] == before[:-1] != []
        expect(captions(page)).to_have_text(re.compile(speaker.text.split()[-1]))
        shown = captions(page).bounding_box()
        assert shown["height"] == pytest.approx(2 * 1.35 * 72, abs=1)
        assert 720 * 0.9 < shown["y"] + shown["height"] < 720
        newest = page.locator(".cue > span").last.evaluate("span => span.getBoundingClientRect().bottom")
        assert shown["y"] < newest <= 720


def test_the_example_of_the_documentation_follows_a_session_to_its_end(look, speaking):
    text = (FILE.parents[1] / "docs" / "captions.md").read_text("utf-8")
    example = re.search("```javascript\n(.*?)```", text, re.DOTALL)[1]
    with speaking() as speaker:
        page = look(speaker.page)
        page.add_script_tag(content=example.removeprefix("export "))
        page.evaluate(
            """link => {
                const { session, viewer_token } = Object.fromEntries(new URLSearchParams(link.slice(1)));
                follow(location.origin, session, viewer_token, (...shown) => { window.shown = shown; });
            }""",
            speaker.link,
        )
        speaker.speak(2)
        speaker.finish()
        page.wait_for_function("text => window.shown?.[0] === text", arg=speaker.text)


def test_on_a_phone_a_line_still_has_some_words(look, speaking):
    with speaking() as speaker:
        page = look(speaker.page + speaker.link, viewport={"width": 390, "height": 844})
        speaker.speak(4)
        expect(captions(page)).to_have_text(speaker.text.strip())
        assert 20 < float(style(page, "#captions", "fontSize").removesuffix("px")) < 30
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("background", ["dark", "light"])
def test_everyone_can_read_it(look, speaking, background):
    with speaking() as speaker:
        page = look(f"{speaker.page}?background={background}{speaker.link}")
        speaker.speak(2)
        speaker.mumble(1)
        expect(page.locator(".tentative")).to_have_text(re.compile(r"w\d"))
        assert not Axe().run(page).response["violations"]


def test_it_works_as_a_file_with_the_address_of_a_server(look, speaking, server):
    with speaking() as speaker:
        page = look(f"{FILE.as_uri()}?server={server.url.replace('127.0.0.1', 'localhost')}{speaker.link}")
        speaker.speak(2)
        expect(captions(page)).to_have_text(speaker.text.strip())
