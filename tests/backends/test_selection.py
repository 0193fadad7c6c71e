"""Choosing, downloading and falling back, against hubs on this machine.

huggingface_hub reads its address and its cache when it is imported, so each hub has a process of its own.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from reswhis.backends.base import BackendConfig
from reswhis.backends.selection import check
from reswhis.backends.whisper_choice import KEEPS_UP_S, keeps_up
from reswhis.core.errors import ConfigurationError

from .hub_server import COMMIT, hub

CHOOSE = """
import json, sys, time
from pathlib import Path
import reswhis.backends.faster_whisper_choice  # what is imported is not what is timed
import ctranslate2, huggingface_hub
from reswhis.backends.base import BackendConfig
from reswhis.backends.selection import choose
from reswhis.core.errors import ConfigurationError

for config in json.loads(sys.argv[1]):
    told, began = [], time.monotonic()
    try:
        choice = choose(BackendConfig(**config), lambda message, progress: told.append((message, progress)))
    except ConfigurationError as error:
        answer = {"error": str(error)}
    else:
        info = choice.info
        answer = {"backend": info.backend, "model": info.model, "fallback_reason": choice.fallback_reason}
        answer["languages"] = sorted(info.languages or [])
    print(json.dumps({**answer, "told": told, "took_s": time.monotonic() - began}))
"""


@pytest.fixture
def choices(tmp_path):
    """What is chosen for each configuration, in a process that knows one hub and an empty cache."""

    def choose(endpoint, *configs, **environment):
        known = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        cache = {"HF_HOME": str(tmp_path / "cache"), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1"}
        asked = [{"device": "cpu", "workers": 1, **config} for config in configs]  # without 2 s to find how many
        command = [sys.executable, "-c", CHOOSE, json.dumps(asked)]
        ran = subprocess.run(
            command, env={**known, **cache, **environment}, capture_output=True, text=True, check=True, timeout=60
        )
        return [json.loads(line) for line in ran.stdout.splitlines()]

    return choose


@pytest.fixture
def black_hole():
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def put_in_cache(tmp_path, repository, model):
    """As if the model had been downloaded."""
    folder = tmp_path / "cache" / "hub" / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    shutil.copytree(model, folder / "snapshots" / COMMIT)


def test_a_hub_that_never_answers_costs_five_seconds_and_auto_falls_back(choices, black_hole):
    (fallen,) = choices(black_hole, {})
    assert fallen["backend"] == "pocketsphinx" and "--model" in fallen["fallback_reason"]
    assert "\n" not in fallen["fallback_reason"]
    assert 4 < fallen["took_s"] < 9  # 5 and the imports, on a busy machine


def test_a_name_that_cannot_be_resolved_costs_no_more(choices):
    (fallen,) = choices("http://hub.invalid", {})
    assert fallen["backend"] == "pocketsphinx" and fallen["took_s"] < 9


def test_only_auto_falls_back(choices):
    named, backend, german, translation, directory = choices(
        "http://127.0.0.1:9",
        {"model": "base"},
        {"backend": "faster-whisper"},
        {"language": "de"},
        {"task": "translate"},
        {"model": "someone/some-model"},
        HF_HUB_OFFLINE="1",
    )
    for refused in (named, backend, german, translation, directory):
        assert "cannot be fetched" in refused["error"] and "--backend pocketsphinx" in refused["error"]
        assert refused["took_s"] < 4
    assert "someone/some-model" in directory["error"]


def test_what_is_in_the_cache_needs_no_network(choices, black_hole, micro, tmp_path):
    put_in_cache(tmp_path, "Systran/faster-whisper-base", micro)
    auto, named = choices(black_hole, {"workers": 0}, {"model": "base"})
    assert (auto["backend"], auto["model"], auto["fallback_reason"]) == ("faster-whisper", "base", None)
    assert ["timing the model base", None] in auto["told"] and ["timing the model", None] in auto["told"]
    assert named["model"] == "base" and named["took_s"] < 4.5  # less than the hub is given


def test_a_smaller_model_that_is_cached_is_taken_if_the_larger_one_cannot_be_fetched(choices, micro, tmp_path):
    put_in_cache(tmp_path, "Systran/faster-whisper-tiny", micro)
    (auto,) = choices("http://127.0.0.1:9", {}, HF_HUB_OFFLINE="1")
    assert (auto["backend"], auto["model"], auto["fallback_reason"]) == ("faster-whisper", "tiny", None)


def test_any_cached_whisper_is_better_than_none(choices, micro, tmp_path):
    put_in_cache(tmp_path, "Systran/faster-whisper-small.en", micro)
    put_in_cache(tmp_path, "Systran/faster-whisper-small", micro)
    (auto,) = choices("http://127.0.0.1:9", {}, HF_HUB_OFFLINE="1")
    assert (auto["model"], auto["fallback_reason"]) == ("small", None)


def test_of_what_is_cached_a_model_for_english_alone_is_better_than_pocketsphinx(choices, micro, tmp_path):
    put_in_cache(tmp_path, "Systran/faster-whisper-small.en", micro)
    auto, german, translation = choices(
        "http://127.0.0.1:9", {}, {"language": "de"}, {"task": "translate"}, HF_HUB_OFFLINE="1"
    )
    assert (auto["model"], auto["languages"], auto["fallback_reason"]) == ("small.en", ["en"], None)
    assert "cannot be fetched" in german["error"] and "cannot be fetched" in translation["error"]


def test_a_model_is_downloaded_once_and_its_progress_is_told(choices, micro):
    with hub({"Systran/faster-whisper-tiny": micro}) as (endpoint, asked):
        first, second = choices(endpoint, {"model": "tiny"}, {"model": "tiny"})
    assert first["model"] == second["model"] == "tiny"
    size = sum(file.stat().st_size for file in micro.iterdir()) / 1e6
    told = [progress for message, progress in first["told"] if message == f"downloading the model tiny ({size:.0f} MB)"]
    assert told[0] == 0 and told[-1] == 1 and told == sorted(set(told)) and len(told) > 3
    assert not any("download" in message for message, _ in second["told"])
    assert any(path.endswith("/model.bin") for path in asked)


def test_a_model_the_hub_does_not_have_or_that_is_no_whisper_is_said_to_be_so(choices, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text("{}")
    with hub({"someone/other": other}) as (endpoint, _):
        absent, wrong = choices(endpoint, {"model": "someone/absent"}, {"model": "someone/other"})
    assert "no model someone/absent" in absent["error"]
    assert "model.bin" in wrong["error"] and "tokenizer.json" in wrong["error"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (BackendConfig(backend="faster-wisper"), "faster-whisper"),
        (BackendConfig(model="larg"), "large"),
        (BackendConfig(model="base.en", language="German"), "English only, not German"),
        (BackendConfig(backend="pocketsphinx", language="de"), "English only"),
        (BackendConfig(backend="pocketsphinx", model="base"), "en-us"),
        (BackendConfig(language="Klingon"), "Klingon"),
        (BackendConfig(backend="pocketsphinx", task="translate"), "does not translate"),
        (BackendConfig(model="base.en", task="translate"), "does not translate"),
        (BackendConfig(model="turbo", task="translate"), "does not translate"),
        (BackendConfig(device="gpu"), "cuda"),
        (BackendConfig(device="cpu", compute_type="int3"), "int8"),
        (BackendConfig(model="/no/such/directory"), "/no/such/directory"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_loaded(config, said):
    with pytest.raises(ConfigurationError, match=said) as error:
        check(config)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "config",
    [
        BackendConfig(),
        BackendConfig(backend="faster_whisper", model="base.en", language="en"),
        BackendConfig(model="large-v3", language="german", device="cpu", compute_type="float32"),
        BackendConfig(backend="pocketsphinx", language="English"),
        BackendConfig(backend="fake", model="0.1", language="de"),
    ],
)
def test_what_can_work_passes(config):
    check(config)


class Timed:
    """A model whose windows cost what they are told to, the first one more."""

    def __init__(self, *costs_s):
        self.costs_s = list(costs_s)
        self.closed = False

    def seconds_per_window(self):
        threading.Event().wait(0.5)  # as if decoding
        return self.costs_s.pop(0) if len(self.costs_s) > 1 else self.costs_s[0]

    def close(self):
        self.closed = True


@pytest.mark.parametrize(("costs_s", "enough"), [((3 * KEEPS_UP_S, 0.9 * KEEPS_UP_S), True), ((1.1,), False)])
def test_a_model_keeps_up_if_one_of_its_windows_within_two_seconds_is_quick_enough(costs_s, enough):
    model, told = Timed(*costs_s), []
    assert keeps_up(lambda worker: model, "base", lambda *said: told.append(said)) is enough
    assert model.closed and told == [("timing the model base", None)]


def test_half_a_directory_is_refused(micro, tmp_path):
    shutil.copy(micro / "model.bin", tmp_path)
    with pytest.raises(ConfigurationError, match=r"config\.json and tokenizer\.json and vocabulary"):
        check(BackendConfig(model=str(tmp_path)))
