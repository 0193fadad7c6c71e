"""The environment variables of reswhis 0.1, whose users change nothing."""

import logging

import pytest

from reswhis.cli.arguments import load
from reswhis.core.errors import ConfigurationError
from reswhis.settings import Settings


@pytest.mark.parametrize(
    ("variable", "written", "field", "value"),
    [
        ("BACKEND", "faster-whisper", "backend", "faster-whisper"),
        ("BACKEND", "faster_whisper", "backend", "faster_whisper"),
        ("BACKEND", "batched", "backend", "faster-whisper"),
        ("USE_BATCHED_INFERENCE", "True", "backend", "faster-whisper"),
        ("USE_BATCHED_INFERENCE", "no", "backend", "faster-whisper"),
        ("MODEL_SIZE", "large-v3-turbo", "model", "large-v3-turbo"),
        ("LANGUAGE", "en", "language", "en"),
        ("LANGUAGE", "auto", "language", "auto"),
        ("LANGUAGE", "German", "language", "de"),
        ("MINIMUM_CHUNK_SIZE", "0.5", "minimum_chunk_size", 0.5),
        ("USE_VOICE_ACTIVITY_CONTROLLER", "False", "use_voice_activity_controller", False),
        ("USE_VOICE_ACTIVITY_CONTROLLER", "True", "use_voice_activity_controller", True),
        ("USE_VOICE_ACTIVITY_DETECTION", "True", "use_voice_activity_detection", True),
        ("USE_VOICE_ACTIVITY_DETECTION", "0", "use_voice_activity_detection", False),
    ],
)
@pytest.mark.parametrize("blanks", ["", "  "])  # as its run.bat sets them
def test_each_means_what_it_meant(variable, written, field, value, blanks):
    assert getattr(load([], {variable: written + blanks}), field) == value


def test_our_own_variable_wins_and_the_flag_over_both():
    environ = {"LANGUAGE": "en", "RESWHIS_LANGUAGE": "de"}
    assert load([], environ).language == "de"
    assert load(["--language", "fr"], environ).language == "fr"
    assert load([], {"LANGUAGE": "en", "RESWHIS_LANGUAGE": ""}).language == "en"


def test_a_backend_that_is_named_wins_over_how_it_was_to_decode():
    environ = {"USE_BATCHED_INFERENCE": "1", "BACKEND": "pocketsphinx"}
    assert load([], environ).backend == "pocketsphinx"
    assert load(["--backend", "plain"], environ).backend == "faster-whisper"


def test_one_wins_over_the_file(tmp_path):
    file = tmp_path / "reswhis.toml"
    file.write_text("model = 'base'")
    assert load(["--config", str(file)], {"MODEL_SIZE": "tiny"}).model == "tiny"


@pytest.mark.parametrize("value", ["en_US:en", "de_DE", "de:en", "en_US.UTF-8", "C", "sr@latin", " en_GB:en "])
def test_what_gettext_says_in_LANGUAGE_is_ignored_with_a_warning(value, caplog):
    with caplog.at_level(logging.WARNING):
        assert load([], {"LANGUAGE": value}) == Settings()
    assert "RESWHIS_LANGUAGE" in caplog.text and value.strip() in caplog.text


def test_our_own_variable_is_never_taken_for_that_of_gettext():
    with pytest.raises(ConfigurationError, match=r"variable RESWHIS_LANGUAGE.*en_US:en"):
        load([], {"RESWHIS_LANGUAGE": "en_US:en"})


@pytest.mark.parametrize("value", ["", "16000", "16000   "])
def test_the_sampling_rate_may_be_repeated(value):
    assert load([], {"SAMPLING_RATE": value}) == Settings()


def test_another_sampling_rate_is_refused_with_where_to_say_it():
    with pytest.raises(ConfigurationError, match=r"SAMPLING_RATE.*16000.*sample_rate="):
        load([], {"SAMPLING_RATE": "44100"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LANGUAGE", "klingon"),
        ("MINIMUM_CHUNK_SIZE", "often"),
        ("USE_VOICE_ACTIVITY_CONTROLLER", "perhaps"),
        ("USE_BATCHED_INFERENCE", "perhaps"),
    ],
)
def test_a_value_that_is_wrong_is_refused_under_the_name_it_was_given(variable, value):
    with pytest.raises(ConfigurationError, match=f"variable {variable}"):
        load([], {variable: value})


def test_one_that_is_set_to_nothing_is_not_set():
    assert load([], {"BACKEND": "", "MODEL_SIZE": " ", "LANGUAGE": "", "MINIMUM_CHUNK_SIZE": ""}) == Settings()
