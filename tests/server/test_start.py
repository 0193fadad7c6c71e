"""How a server starts when something is missing: at once, or with one sentence and exit code 2."""

import shutil
import socket
import time

import httpx
import pytest
import websockets
from backends.hub_server import hub

from native_client import play
from server_process import Process


@pytest.fixture
def black_hole():
    """A model hub that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def without_models(tmp_path, hub):
    return {"HF_HOME": str(tmp_path), "HF_ENDPOINT": hub, "HF_HUB_OFFLINE": "0"}


def refused(*arguments, env=None, within_s=60):
    """What a server says that cannot start."""
    process = Process(*arguments, env=env)
    try:
        assert process.wait(within_s) == 2, process.text
        assert "Traceback" not in process.text
        return process.text
    finally:
        process.stop()


def test_a_port_that_is_taken_is_told_in_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused("--backend", "fake", "--port", str(port))
    assert f"port {port}" in said and "--port" in said


def test_a_model_that_does_not_exist_is_refused_with_the_nearest_one():
    assert "large-v3" in refused("--model", "lage-v3")


def test_half_a_model_directory_is_refused_by_what_is_missing(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert "model.bin" in refused("--backend", "faster-whisper", "--model", str(tmp_path))


def test_a_damaged_model_ends_the_start_by_one_sentence(tmp_path, micro):
    damaged = tmp_path / "model"
    shutil.copytree(micro, damaged)
    (damaged / "tokenizer.json").write_text("{")
    said = refused("--backend", "faster-whisper", "--model", str(damaged), "--workers", "1")
    assert said.count(str(damaged)) == 1 and "damaged" in said


def test_a_log_file_that_cannot_be_written_is_told_in_a_sentence(tmp_path):
    assert "log file" in refused("--backend", "fake", "--log-file", str(tmp_path / "no" / "where" / "a.log"))


def test_a_named_model_that_cannot_be_fetched_ends_the_start(tmp_path, black_hole):
    process = Process("--model", "small", env=without_models(tmp_path, black_hole)).listening()
    try:
        ready = httpx.get(f"{process.url}/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "loading")
        assert play(refusal_while_loading(process)) == 503
        assert process.wait(30) == 2
        assert "small" in process.text and "Traceback" not in process.text
    finally:
        process.stop()


async def refusal_while_loading(process):
    try:
        async with websockets.connect(process.ws):
            return None
    except websockets.InvalidStatus as refused:
        assert int(refused.response.headers["Retry-After"]) > 0
        return refused.response.status_code


def test_without_a_hub_and_without_weights_a_small_recogniser_takes_over_and_says_so(tmp_path, black_hole):
    begun = time.monotonic()
    process = Process(env=without_models(tmp_path, black_hole)).listening()
    try:
        info = httpx.get(f"{process.url}/info").json()
        assert time.monotonic() - begun < 30 and info["state"] == "loading"
        info = httpx.get(f"{process.ready().url}/info").json()
        assert info["backend"] == "pocketsphinx" and "--model" in info["fallback_reason"]
        assert process.text.count(info["fallback_reason"]) == 1
    finally:
        process.stop()


def test_a_model_is_fetched_from_the_hub_with_its_progress_and_from_the_cache_the_next_time(tmp_path, micro):
    with hub({"Systran/faster-whisper-tiny": micro}) as (endpoint, asked):
        first = Process("--model", "tiny", "--workers", "1", env=without_models(tmp_path, endpoint)).listening()
        try:
            assert httpx.get(f"{first.ready().url}/info").json()["model_size"] == "tiny"
            assert first.says("downloading the model tiny") and first.says("100%"), first.text
        finally:
            first.stop()
        asked.clear()
        second = Process("--model", "tiny", "--workers", "1", env=without_models(tmp_path, endpoint)).listening()
        try:
            second.ready()
            assert not asked
        finally:
            second.stop()
