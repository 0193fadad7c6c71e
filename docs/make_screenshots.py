"""Makes images/page-*.png: the page with a real server and recordings of speech. From the repository's root:

uv run python docs/make_screenshots.py

It needs chromium; fonts-inter makes its text look as on most desktops.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from playwright.sync_api import Browser, Page, Playwright, ViewportSize, expect, sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = Path(__file__).with_name("images")
RECORDINGS = ("flite-013", "espeak-005", "flite-000", "espeak-002", "espeak-011")
MODEL = "whisper-micro"
PORT = "8000"
PLAIN = {"echo": False, "gain": False}
DESKTOP: ViewportSize = {"width": 1120, "height": 640}
PHONE: ViewportSize = {"width": 390, "height": 780}
ColorScheme = Literal["light", "dark"]
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<include>/etc/fonts/fonts.conf</include>{}</fontconfig>""".format(
    "".join(
        f'<match><test name="family"><string>{family}</string></test>'
        '<edit name="family" mode="prepend" binding="strong"><string>Inter</string></edit></match>'
        for family in ("system-ui", "sans-serif", "sans", "DejaVu Sans")
    )
)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        place = Path(folder)
        write_talk(place / "talk.wav")
        model = place / MODEL
        subprocess.run([sys.executable, ROOT / "tests" / "models" / MODEL / "build.py", model], check=True)
        browser = launch(playwright, place)
        with serving("--backend", "faster-whisper", "--model", str(model), "--language", "en", "--beam-size", "5"):
            take_talk(browser)
            take_phone(browser)
        take_error(browser)
        browser.close()


def write_talk(path: Path) -> None:
    pause = np.zeros(16_000, np.int16)
    parts = [soundfile.read(ROOT / "tests" / "recordings" / f"{name}.flac", dtype="int16")[0] for name in RECORDINGS]
    soundfile.write(path, np.concatenate([piece for part in parts for piece in (pause, part)]), 16_000)


def launch(playwright: Playwright, place: Path) -> Browser:
    fonts = place / "fonts.conf"
    fonts.write_text(FONTS)
    arguments = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={place / 'talk.wav'}%noloop"]
    env: dict[str, str | float | bool] = {**os.environ, "FONTCONFIG_FILE": str(fonts)}
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    return playwright.chromium.launch(executable_path=chromium, args=arguments, env=env)


@contextmanager
def serving(*arguments: str) -> Iterator[None]:
    command = [sys.executable, "-m", "reswhis", "--port", PORT, *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if " ready:" in line:
                break
        yield
        server.terminate()


@contextmanager
def page(browser: Browser, viewport: ViewportSize, *, scale: float = 1.5, is_mobile: bool = False) -> Iterator[Page]:
    context = browser.new_context(
        viewport=viewport, device_scale_factor=scale, is_mobile=is_mobile, permissions=["microphone"]
    )
    context.add_init_script(f"localStorage.setItem('reswhis', {json.dumps(json.dumps(PLAIN))})")
    yield context.new_page()
    context.close()


def listen(shown: Page, lines: int, *schemes: tuple[ColorScheme, str]) -> None:
    """Pictures of a last line that has begun to be final, and goes on."""
    shown.goto(f"http://localhost:{PORT}/")
    expect(shown.locator("#state .words")).to_have_text("Ready")
    shown.locator("#main").click()
    shown.mouse.move(0, 0)
    expect(shown.locator(".line")).to_have_count(lines, timeout=60_000)
    last = shown.locator(".line").last
    expect(last.locator(".final")).not_to_have_count(0, timeout=20_000)
    expect(last.locator(".tentative")).to_contain_text(" ", timeout=20_000)
    for scheme, name in schemes:
        shown.emulate_media(color_scheme=scheme)
        shown.screenshot(path=IMAGES / name, animations="disabled")  # what has become final does not fade in


def take_talk(browser: Browser) -> None:
    with page(browser, DESKTOP) as shown:
        listen(shown, len(RECORDINGS), ("light", "page-light.png"), ("dark", "page-dark.png"))


def take_phone(browser: Browser) -> None:
    with page(browser, PHONE, is_mobile=True) as shown:
        listen(shown, 4, ("light", "page-phone.png"))


def take_error(browser: Browser) -> None:
    with page(browser, DESKTOP) as shown:
        shown.goto((ROOT / "clients" / "web_client.html").as_uri())
        shown.locator("#main").click()
        shown.mouse.move(0, 0)
        expect(shown.get_by_role("alert")).to_be_visible()
        expect(shown.locator("#state .time")).to_contain_text("again in")
        shown.screenshot(path=IMAGES / "page-error.png", animations="disabled")


if __name__ == "__main__":
    main()
