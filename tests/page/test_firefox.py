"""The page in Firefox: its microphone is a tone, so words come from a recording."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from .bidi import Firefox
from .spoken import FIRST, SECOND, share

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
pytestmark = pytest.mark.skipif(FIREFOX is None, reason="no Firefox: apt install firefox-esr")

FILE = Path(__file__).parents[2] / "clients" / "web_client.html"
STATE = "document.querySelector('#state .words').textContent"
TEXT = "document.querySelector('#lines').innerText"


@pytest.fixture(scope="module")
def loudspeaker(tmp_path_factory):
    """Firefox runs no audio at all on a machine that has no output for it: one that plays to nobody, where possible."""
    pulseaudio = shutil.which("pulseaudio")
    if pulseaudio is None:
        yield {}
        return
    home = tmp_path_factory.mktemp("sound")
    env = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PULSE_RUNTIME_PATH": str(home)}
    modules = ["-L", "module-null-sink", "-L", "module-native-protocol-unix"]
    command = [pulseaudio, "-n", "--daemonize=no", "--exit-idle-time=-1", *modules]
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 10
        while not (home / "native").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        yield {"PULSE_SERVER": f"unix:{home / 'native'}"}
        process.terminate()


@pytest.fixture(scope="module")
def firefox(tmp_path_factory, loudspeaker):
    with Firefox(FIREFOX, tmp_path_factory.mktemp("firefox"), loudspeaker) as firefox:
        yield firefox


def choose(firefox, **settings):
    firefox.evaluate(f"localStorage.setItem('reswhis', {json.dumps(json.dumps(settings))})")


def visit(firefox, server, url):
    """The page knows its server, and has found it."""
    firefox.go(url)
    choose(firefox, address=server.url)
    firefox.go(url)
    firefox.until(f"{STATE} === 'Ready'")
    return firefox


def test_the_microphone_is_heard_and_stop_comes_to_an_end(firefox, server):
    page = visit(firefox, server, FILE.as_uri())
    page.evaluate("document.querySelector('#main').click()")
    page.until("!isOpening && (session || failure)")
    if "does not start its audio" in str(page.evaluate("failure")):
        pytest.skip("no output for sound: apt install pulseaudio")
    page.until(f"{STATE} === 'Listening'")
    page.until("Number(document.querySelector('#meter').getAttribute('aria-valuenow')) > 10")
    page.until("session.source.end > session.source.rate")
    page.evaluate("document.querySelector('#main').click()")
    page.until(f"{STATE} === 'Ready'")
    assert not page.evaluate("document.querySelectorAll('.notice, .mark').length")


def test_a_recording_becomes_text_and_subtitles(firefox, server, talk):
    page = visit(firefox, server, server.url)
    page.set_files("#file", talk)
    page.until("session === null && transcript.utterances.length > 1")
    text = page.evaluate(TEXT)
    assert share(FIRST, text) >= 0.7 and share(SECOND, text) >= 0.7
    assert page.evaluate("FORMATS.srt.make(transcript)").startswith("1\n00:00:00,")


def test_nothing_is_wider_than_a_phone(firefox, server):
    page = visit(firefox, server, server.url)
    page.set_viewport(360, 740)
    assert page.evaluate("innerWidth === 360 && document.documentElement.scrollWidth <= 360")
