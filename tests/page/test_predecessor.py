"""A page that does what reswhis 0.1's does, opened from disk, on the path that it knows."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from .spoken import FIRST, SECOND, share

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt install chromium")

PAGE = (Path(__file__).parent / "predecessor.html").as_uri()
LONG_MS = 30_000


def test_the_old_page_shows_all_that_is_said_and_nothing_else(server, talk):
    arguments = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={talk}%noloop",
    ]
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments).new_page()
        page.goto(f"{PAGE}?address={server.url.replace('http', 'ws', 1)}/transcribe")
        page.get_by_text("Start").click()
        page.wait_for_function("document.getElementById('text').value.trimEnd().endsWith('.')", timeout=LONG_MS)
        last = SECOND.split()[-1]
        page.wait_for_function(f"document.getElementById('text').value.includes({last!r})", timeout=LONG_MS)
        page.get_by_text("Stop").click()
        expect(page.locator("#text")).not_to_have_value("undefined")
        text = page.locator("#text").input_value()
    assert share(FIRST, text) >= 0.7 and share(SECOND, text) >= 0.7
    assert "undefined" not in text and "-" not in text
