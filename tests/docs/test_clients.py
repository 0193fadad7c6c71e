"""Every example of docs/clients.md runs against a real server, with no other change than its address."""

import importlib.util
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from docs.snippets import ROOT, Running, environment, snippets

from server_process import Process

pytestmark = pytest.mark.examples

PAGE = snippets("docs/clients.md")
EXAMPLES = [snippet for snippet in PAGE if snippet.is_run]
WORD = re.compile(r"\bw\d+\b")
REWRITTEN = re.compile(r"^.*\r\x1b\[K", re.MULTILINE)
"""What a terminal no longer shows of a line."""
AT_ONCE = 4
NODE_HAS_WEBSOCKET, NODE_HAS_IT_ON_REQUEST = 22, 20
BROWSER_S = 20_000


def chromium():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def node():
    """Node's command, or None."""
    if (program := shutil.which("node")) is None:
        return None
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    major = int(version.strip().removeprefix("v").partition(".")[0])
    if major >= NODE_HAS_WEBSOCKET:
        return [program]
    return [program, "--experimental-websocket"] if major >= NODE_HAS_IT_ON_REQUEST else None


def has_portaudio():
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def has(*packages):
    return all(importlib.util.find_spec(package) is not None for package in packages)


def lacking(name, microphone):
    """Why what an example needs is not here, or None."""
    match name:
        case "bash" if sys.platform == "win32":
            return "the bash of Windows may be another system's"
        case "microphone" if microphone is None:
            return "apt install pulseaudio libasound2-plugins ffmpeg: together they make a microphone that speaks"
        case "PortAudio" if not has_portaudio():
            return "PortAudio is not here: uv sync --extra mic, and apt install libportaudio2"
        case "chromium" if chromium() is None:
            return "chromium is not installed"
        case "node" if node() is None:
            return "Node.js is not installed, or is older than 20"
        case "grpcio" if not has("grpc", "grpc_health", "grpc_reflection"):
            return "gRPC is not installed: uv sync --extra grpc"
        case "grpcio-tools" if not has("grpc", "grpc_health", "grpc_reflection", "grpc_tools"):
            return "gRPC or its tools are not installed: uv sync --extra grpc"
        case "microphone" | "PortAudio" | "chromium" | "node" | "grpcio" | "grpcio-tools":
            return None
    if shutil.which(name, path=environment()["PATH"]) is None:
        return f"{name} is not installed" + (": uv tool install websocat" if name == "websocat" else "")
    return None


def said(text):
    """The words, in their order."""
    return WORD.findall(REWRITTEN.sub("", text))


def command(snippet, text, folder):
    """What runs it, of a file of its own."""
    name = f"line-{snippet.line}"
    match snippet.language:
        case "sh":
            return ["bash", "-o", "pipefail", "-c", text]
        case "python":
            (folder / f"{name}.py").write_text(text, "utf-8")
            return [sys.executable, f"{name}.py"]
        case "js":
            (folder / f"{name}.mjs").write_text(text, "utf-8")
            return [*node(), f"{name}.mjs"]
        case language:
            raise AssertionError(f"nothing here runs {language}")


def run(snippet, text, folder, env, words):
    """Its output, and what went wrong where it ends by itself."""
    running = Running(command(snippet, text, folder), cwd=folder, env=env)
    if snippet.ends_by_ctrl_c:
        running.until(lambda running: len(said(running.out)) >= words).ctrl_c().end()
        return running.out, 0
    code = running.end()
    return running.out, running.err if code else code


def visit(text, folder):
    """Open the page, press Start, wait for words, press Stop; the text on it when the server has closed."""
    from playwright.sync_api import sync_playwright

    page = folder / "page.html"
    page.write_text(text, "utf-8")
    flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--no-sandbox"]
    flags.append(f"--use-file-for-fake-audio-capture={folder / 'recording.wav'}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
        opened = browser.new_page()
        opened.set_default_timeout(BROWSER_S)
        opened.goto(page.as_uri())
        with opened.expect_websocket() as connected:
            opened.click("#start")
        opened.wait_for_function("document.getElementById('partial').textContent.includes('w')")
        opened.wait_for_function("document.getElementById('final').textContent.includes('w1')")
        with connected.value.expect_event("close"):
            opened.click("#stop")
        assert not opened.text_content("#partial")
        return opened.text_content("#final"), 0


@pytest.fixture(scope="module")
def results(folder, microphone, words):
    """What each example that can run here prints, and its exit code: they run side by side."""
    with_grpc = ("--grpc", "--ports", "0") if lacking("grpcio", microphone) is None else ()
    server = Process("--backend", "fake", "--wyoming", "--wyoming-port", "0", *with_grpc).ready()
    host = server.url.removeprefix("http://")
    port = host.rpartition(":")[2]
    wyoming_port = re.search(r"tcp://127\.0\.0\.1:(\d+)", server.text)[1]
    grpc = re.search(r"grpc://(\S+)|$", server.text)[1] or ""
    shutil.copy(ROOT / "proto" / "speech.proto", folder)
    env = environment(RESWHIS_API_KEY="correct-horse", **(microphone or {}))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {}
        for snippet in EXAMPLES:
            if any(lacking(name, microphone) for name in snippet.needs):
                continue
            text = snippet.text.replace("localhost:8000", host).replace(
                '"localhost", 10300', f'"localhost", {wyoming_port}'
            )
            text = text.replace("localhost:50051", grpc).replace("--protocol grpc", f"--url grpc://{grpc}")
            text = text.replace("reswhis listen", f"reswhis listen --port {port}")
            if snippet.language == "html":
                futures[snippet] = pool.submit(visit, text, folder)
            else:
                futures[snippet] = pool.submit(run, snippet, text, folder, env, len(words))
        yield futures
    server.stop()


def test_every_block_is_run_or_says_why_it_is_not():
    unmarked = [str(snippet) for snippet in PAGE if not (snippet.is_run or snippet.is_not_run or snippet.is_shown)]
    assert unmarked == []
    assert len(EXAMPLES) > len([snippet for snippet in PAGE if snippet.is_not_run])


@pytest.mark.parametrize("snippet", EXAMPLES, ids=str)
def test_an_example_of_the_page_runs(snippet, results, microphone, words):
    if reasons := [reason for name in snippet.needs if (reason := lacking(name, microphone))]:
        pytest.skip("; ".join(reasons))
    out, failure = results[snippet].result()
    assert not failure
    if "curl" in snippet.needs and "/v1/" not in snippet.text:
        assert '"backend":"fake"' in out or '"status":"ready"' in out
    elif "microphone" in snippet.needs or snippet.language == "html":
        heard = [int(word.removeprefix("w")) for word in said(out)]
        assert len(heard) > 1
        assert heard == sorted(set(heard))
    else:
        assert said(out) == words
