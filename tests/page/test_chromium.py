"""The page in Chromium, with a recording as its microphone and a real server."""

import base64
import json
import re
import shutil
import signal
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright
from websockets.sync.client import connect

from .spoken import FIRST, SECOND, share, words

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt install chromium")

FILE = Path(__file__).parents[2] / "clients" / "web_client.html"
PLAIN = {"echo": False, "gain": False}  # the browser's own processing would change the recording
LONG_MS = 30_000


@pytest.fixture(scope="module")
def browser(talk):
    arguments = [
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={talk}%noloop",
        "--host-resolver-rules=MAP page.test 127.0.0.1",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Open the page at an address, with settings as if they had been made before."""
    contexts = []

    def begin(url, settings=None, permissions=("microphone",), **options):
        context = browser.new_context(permissions=permissions, **options)
        contexts.append(context)
        kept = json.dumps({**PLAIN, **(settings or {})})
        context.add_init_script(f"localStorage.setItem('reswhis', {json.dumps(kept)})")
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(url)
        return page

    yield begin
    for context in contexts:
        errors = [error for page in context.pages for error in page.errors]
        context.close()
        assert not errors


@pytest.fixture(scope="module")
def talked(browser, server):
    """A page with a transcript: started, stopped in the middle of the second sentence."""
    context = browser.new_context(permissions=["microphone"])
    context.add_init_script(f"localStorage.setItem('reswhis', {json.dumps(json.dumps(PLAIN))})")
    page = context.new_page()
    page.requests = []
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto(server.url)
    expect(state(page)).to_have_text("Ready")
    button(page, "Start").click()
    expect(state(page)).to_have_text("Listening")
    page.evaluate(WATCH_TENTATIVE)
    spoken(page, 5.5)
    page.committed_at_stop = committed(page)
    button(page, "Stop").click()
    expect(state(page)).to_have_text("Ready", timeout=LONG_MS)
    yield page
    context.close()


WATCH_TENTATIVE = """() => {
    window.tentative = [];
    new MutationObserver(() => document.querySelectorAll('.tentative').forEach(
        ({ textContent }) => textContent && window.tentative.push(textContent)
    )).observe(document.querySelector('#lines'), { childList: true, subtree: true, characterData: true });
}"""


def spoken(page, seconds):
    """Wait until the page has heard so much; the server may be behind."""
    page.evaluate(
        """seconds => new Promise(done => {
            const look = () => (session.source.end > seconds * session.source.rate ? done() : setTimeout(look, 20));
            look();
        })""",
        seconds,
    )


def state(page):
    return page.locator("#state .words")


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def tentative(page):
    return page.locator(".line:last-child .tentative")


def committed(page):
    return "".join(page.locator(".line .final").all_inner_texts())


def lines(page):
    return page.locator(".line p").all_inner_texts()


def drop(page, name, content):
    page.evaluate(
        """([name, content]) => {
            const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name));
            const say = type => document.body.dispatchEvent(
                new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
            say('dragenter'); say('dragover'); say('drop');
        }""",
        [name, base64.b64encode(content).decode()],
    )


def saved(page, kind):
    page.locator("#save summary").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=f".{kind}").click()
    assert download.value.suggested_filename.endswith(f".{kind}")
    return Path(download.value.path()).read_text("utf-8")


# Speaking.


def test_words_are_tentative_and_then_committed_line_by_line(talked):
    assert share(FIRST, lines(talked)[0]) >= 0.7
    assert share(FIRST + SECOND, " ".join(talked.evaluate("() => window.tentative"))) >= 0.1  # most are final at once
    assert talked.locator(".line time").first.inner_text() == "0:00"
    assert not tentative(talked).inner_text()


def test_stop_keeps_the_tail_that_was_not_committed_yet(talked):
    late = set(words(lines(talked)[-1])) - set(words(talked.committed_at_stop))
    assert late & {"find", "seat", "by"}


def test_the_page_talks_to_nobody_but_its_server(talked, server):
    origins = {re.match(r"\w+:(//[^/]*)?", url)[0] for url in talked.requests}
    assert origins <= {server.url, "blob:", "data:"}


def test_saved_subtitles_are_valid_and_have_all_words(talked):
    cues = re.findall(r"(\d+)\n(\S+) --> (\S+)\n(.+)\n(?:\n|$)", srt := saved(talked, "srt"))
    assert [int(cue[0]) for cue in cues] == list(range(1, len(cues) + 1))
    times = [time for cue in cues for time in cue[1:3]]
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d,\d\d\d", time) for time in times) and times == sorted(times)
    assert "".join(f"{n}\n{a} --> {b}\n{text}\n\n" for n, a, b, text in cues).rstrip() == srt.rstrip()
    assert words(" ".join(cue[3] for cue in cues)) == words(" ".join(lines(talked)))
    assert words(saved(talked, "txt")) == words(" ".join(lines(talked)))


def test_saved_json_has_every_word_with_its_time(talked):
    utterances = json.loads(saved(talked, "json"))["utterances"]
    assert ["".join(word["word"] for word in said["words"]).strip() for said in utterances] == lines(talked)
    starts = [word["start"] for said in utterances for word in said["words"]]
    assert starts == sorted(starts) and utterances[1]["start"] > 3


def test_copy_gives_the_text(talked):
    talked.context.grant_permissions(["clipboard-read", "clipboard-write", "microphone"])
    button(talked, "Copy all").click()
    expect(talked.locator("#toast")).to_have_text("Copied")
    assert talked.evaluate("() => navigator.clipboard.readText()").splitlines() == lines(talked)


def test_a_screen_reader_hears_what_is_final_once(talked):
    said = talked.locator("#said")
    assert said.get_attribute("aria-live") == "polite"
    assert words(said.inner_text()) == words(" ".join(lines(talked)))


def test_pause_makes_final_what_was_said_and_goes_on(visit, server):
    page = visit(server.url)
    page.keyboard.press("r")
    expect(state(page)).to_have_text("Listening")
    spoken(page, 2)
    page.keyboard.press("p")
    expect(state(page)).to_have_text("Paused")
    expect(page.locator(".line .final").first).to_contain_text(re.compile(r"\w"), timeout=LONG_MS)
    expect(tentative(page)).to_be_empty(timeout=LONG_MS)
    button(page, "Go on").click()
    expect(state(page)).to_have_text("Listening")
    button(page, "Stop").click()
    expect(state(page)).to_have_text("Ready", timeout=LONG_MS)
    assert not page.locator(".mark").count()


# Recordings.


def test_a_recording_dropped_on_the_page_from_disk_becomes_text(visit, server, talk):
    page = visit(FILE.as_uri(), {"address": server.url})
    drop(page, "talk.wav", talk.read_bytes())
    expect(state(page)).to_have_text("Ready", timeout=LONG_MS)
    text = " ".join(lines(page))
    assert share(FIRST, text) >= 0.7 and share(SECOND, text) >= 0.7


def test_a_file_that_is_no_recording_gets_a_sentence(visit, server):
    page = visit(server.url)
    page.set_input_files("#file", {"name": "notes.wav", "mimeType": "audio/wav", "buffer": b"not sound at all"})
    expect(page.get_by_role("alert")).to_contain_text("This browser cannot decode “notes.wav”.")
    assert not lines(page)


# What can be wrong.


def test_a_refused_microphone_is_said_with_the_way_out(visit, server):
    page = visit(server.url, permissions=())
    button(page, "Start").click()
    expect(page.get_by_role("alert")).to_contain_text("The browser does not let this page use the microphone.")
    expect(button(page.get_by_role("alert"), "Open a recording")).to_be_visible()


def test_an_insecure_page_says_how_to_become_secure(visit, server):
    port = server.url.rpartition(":")[2]
    page = visit(f"http://page.test:{port}/")
    button(page, "Start").click()
    expect(page.get_by_role("alert")).to_contain_text("Browsers give the microphone to secure pages only.")
    expect(page.get_by_role("alert")).to_contain_text(f"https://page.test:{port}")
    expect(page.get_by_role("alert")).to_contain_text(f"http://localhost:{port}")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("NotFoundError", "No microphone was found."),
        ("NotReadableError", "Another program may be using it."),
        ("NotAllowedError", "Allow the microphone for this page"),
    ],
)
def test_each_error_of_a_microphone_has_its_words(talked, name, sentence):
    explain = "name => Object.values(microphoneProblem(new DOMException('', name))).join(' ')"
    assert sentence in talked.evaluate(explain, name)


def test_what_a_browser_hides_of_a_refusal_is_found_out(visit, start):
    server = start("--backend", "fake", "--api-key", "open sesame", "--max-sessions", "1").ready()
    page = visit(server.url)
    notice = page.locator(".notice")
    expect(notice).to_contain_text("This server wants an API key.")
    button(page, "Enter the key").click()
    page.keyboard.type("guess")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    button(page, "Start").click()
    expect(notice).to_contain_text("The server does not take this API key.")
    button(page, "Enter the key").click()
    page.locator("#key").fill("open sesame")  # with its space no subprotocol, so it goes in the address
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    with connect(f"{server.ws}?api_key=open%20sesame"):
        button(page, "Start").click()
        expect(state(page)).to_have_text("The server is full")
        expect(notice).to_contain_text("All of its 1 sessions are taken.")
    button(page, "Try now").click()
    expect(state(page)).to_have_text("Listening")
    assert "sesame" not in page.evaluate("() => localStorage.getItem('reswhis')")


def test_a_page_of_a_foreign_origin_is_told_the_option(visit, server):
    port = server.url.rpartition(":")[2]
    page = visit(f"http://page.test:{port}/", {"address": f"http://127.0.0.1:{port}"})
    expect(page.locator(".notice")).to_contain_text(f"--allowed-origins http://page.test:{port}")


# Reading.


def test_scrolling_stays_with_a_reader_who_has_scrolled_up(visit, server):
    page = visit(server.url)
    say = "n => { for (; n; n--) { transcript.commit(' A line.', [], 0, 1000); transcript.end('en'); } }"
    at_end = "() => distanceToEnd() < 2"
    page.evaluate(say, 40)
    assert page.evaluate(at_end)
    page.mouse.wheel(0, -600)
    expect(button(page, "Newest")).to_be_visible()
    before = page.evaluate("() => scrollY")
    page.evaluate(say, 5)
    assert page.evaluate("() => scrollY") == before
    button(page, "Newest").click()
    assert page.evaluate(at_end)
    expect(button(page, "Newest")).to_be_hidden()


def test_keys_do_nothing_while_something_is_written(visit, server):
    page = visit(server.url)
    page.keyboard.press("?")
    page.locator("#address").focus()
    page.keyboard.type("rpc.example")
    expect(page.locator("#address")).to_have_value("rpc.example")
    assert page.evaluate("() => session === null && !isOpening")


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("localhost:8000", "ws://localhost:8000"),
        ("server", "ws://server:8000"),
        ("http://server", "ws://server"),
        ("wss://example.org/asr/", "wss://example.org/asr"),
        ("https://example.org:9/ws/transcribe", "wss://example.org:9"),
        ("[::1]:8000", "ws://[::1]:8000"),
        ("two words", None),
        ("ftp://example.org", None),
        ("localhost:port", None),
        ("", None),
    ],
)
def test_an_address_is_taken_in_many_forms_or_refused(talked, written, url):
    found = talked.evaluate("text => { try { return parseAddress(text).ws } catch { return null } }", written)
    assert found == url


def test_long_utterances_become_several_cues_split_at_words(talked):
    cues = talked.evaluate(
        """() => ['long words ', '長い言葉'].map(word => cuesOf([{ words: Array.from({ length: 40 }, (_, i) => (
            { text: word.endsWith(' ') ? ` ${word.trim()}` : word, start: i * 300, end: i * 300 + 300 })) }]))"""
    )
    for some in cues:
        assert len(some) > 2
        assert all(cue["end"] - cue["start"] <= 7300 and len(cue["text"]) <= 84 for cue in some)
    assert "".join(cue["text"] for cue in cues[1]) == "長い言葉" * 40


def serious(page):
    """What axe-core finds that would keep somebody out."""
    found = Axe().run(page).response["violations"]
    return [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in {"serious", "critical"}]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(talked, visit, server, scheme):
    idle = visit(server.url, color_scheme=scheme, viewport={"width": 360, "height": 740})
    expect(state(idle)).to_have_text("Ready")
    talked.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    talked.set_viewport_size({"width": 360, "height": 740})
    talked.evaluate("() => transcript.suppose(' This may change.', 9000)")
    for page in (idle, talked):
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        assert not serious(page)
    button(idle, "Settings").click()
    assert not serious(idle)
    talked.evaluate("() => transcript.end()")


# The last test: it ends the server.


def test_a_server_that_is_killed_and_started_again_costs_no_words(visit, server, start, real):
    page = visit(server.url)
    button(page, "Start").click()
    expect(state(page)).to_have_text("Listening")
    spoken(page, 2)
    server.process.send_signal(signal.SIGKILL)
    expect(page.locator(".mark")).to_have_text("Connection lost")
    expect(page.get_by_role("alert")).to_contain_text("No server answers")
    expect(page.get_by_role("alert")).to_contain_text("What you say meanwhile is kept")
    server.wait()
    start(*real, "--port", server.url.rpartition(":")[2])
    expect(page.locator(".mark")).to_contain_text("nothing of what was said is lost", timeout=LONG_MS)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator(".line").last).to_contain_text(re.compile("her|sit"), timeout=LONG_MS)
    button(page, "Stop").click()
    expect(page.locator("#main")).to_contain_text("Start", timeout=LONG_MS)
    text = " ".join(lines(page))
    assert share(FIRST, text) >= 0.7 and share(SECOND, text) >= 0.7
    assert re.fullmatch(r"Connection lost for [\d.]+ s: nothing .*", page.locator(".mark").inner_text())
