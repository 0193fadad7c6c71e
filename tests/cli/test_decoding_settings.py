"""How Whisper decodes, as settings: what is taken, what is refused, and where it arrives."""

from typing import get_args

import pytest

from reswhis.backends.base import BackendConfig
from reswhis.backends.decoding import Decoding
from reswhis.cli.arguments import load
from reswhis.core.errors import ConfigurationError
from reswhis.core.types import ENCODER_CONTEXTS, MAX_BEAM_SIZE
from reswhis.settings import Settings
from reswhis.settings.catalogue import catalogue
from reswhis.settings.layers import backend_config, stream_options


def refusal(*argv):
    with pytest.raises(ConfigurationError) as refused:
        load(argv, {})
    return str(refused.value)


def test_what_is_set_arrives_at_the_recogniser_and_at_the_sessions():
    searching = ["--beam-size", "5", "--patience", "2", "--length-penalty", "0.8", "--encoder-context", "Dynamic"]
    drawing = ["--temperatures", "0,0.5", "--best-of", "3", "--suppress-tokens", "-1,50"]
    running = ["--device-index", "1,3", "--num-workers", "2", "--cpu-threads", "4"]
    settings = load([*searching, *drawing, *running], {})
    config = backend_config(settings)
    assert config.decoding == Decoding((0, 0.5), best_of=3, patience=2, length_penalty=0.8, suppress_tokens=(-1, 50))
    assert (config.device_indices, config.device_index, config.workers, config.cpu_threads) == ((1, 3), 1, 2, 4)
    assert config.beam_size == 5  # for recognisers that have none
    decode = stream_options(settings).decode
    assert (decode.beam_size, decode.encoder_context) == (5, "dynamic") and hash(decode)


def test_the_declared_bounds_are_those_of_the_layers():
    assert catalogue()["beam_size"].span == f"1 to {MAX_BEAM_SIZE}"
    assert get_args(Settings.model_fields["encoder_context"].annotation) == ENCODER_CONTEXTS
    for name in ("patience", "length_penalty", "best_of", "temperatures", "suppress_tokens"):
        for bound in catalogue()[name].span.split(" to "):
            backend_config(Settings(**{name: bound}))


@pytest.mark.parametrize(
    ("argv", "value"),
    [
        (["--suppress-tokens", "-1"], (-1,)),
        (["--suppress-tokens", "-1,50,60"], (-1, 50, 60)),
        (["--suppress-tokens=50", "--suppress-tokens", "-1"], (50, -1)),
        (["--suppress-tokens="], ()),
    ],
)
def test_tokens_come_with_commas_or_one_by_one_also_below_0_and_may_be_none(argv, value):
    assert load(argv, {}).suppress_tokens == value


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("temperatures = 0", "temperatures", (0,)),
        ("temperatures = [0, 0.4]", "temperatures", (0, 0.4)),
        ("device_index = 2", "device_index", (2,)),
        ("suppress_tokens = []", "suppress_tokens", ()),
    ],
)
def test_in_a_file_a_list_of_one_is_also_a_number(tmp_path, line, name, value):
    file = tmp_path / "reswhis.toml"
    file.write_text(line)
    assert getattr(load(["--config", str(file)], {}), name) == value


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--temperatures", "0,1.2", 'must be a list of numbers from 0 to 1, not "0,1.2".'),
        ("--temperatures", "", 'must be a list of numbers from 0 to 1, not "".'),
        ("--temperatures", "0,0.4,0.2", "must rise, each being greater than the one before."),
        ("--temperatures", "warm", 'must be a list of numbers from 0 to 1, not "warm".'),
        ("--suppress-tokens", "-2", 'must be a list of whole numbers from -1 to 51865, not "-2".'),
        ("--suppress-tokens", "70000", "must be a list of whole numbers"),
        ("--suppress-tokens", "the", "must be a list of whole numbers"),
        ("--device-index", "0,256", 'must be a list of whole numbers from 0 to 255, not "0,256".'),
        ("--device-index", "", "must be a list of whole numbers"),
        ("--best-of", "0", 'must be a whole number from 1 to 10, not "0".'),
        ("--best-of", "2.5", "must be a whole number"),
        ("--patience", "0.5", 'must be a number from 1 to 10, not "0.5".'),
        ("--length-penalty", "-0.1", "must be a number from 0 to 2"),
        ("--beam-size", "21", "must be a whole number from 1 to 20"),
        ("--encoder-context", "half", 'must be one of auto, full, dynamic, not "half".'),
        ("--num-workers", "-1", "must be a whole number from 0 to 64"),
        ("--cpu-threads", "-1", "must be a whole number from 0 to 256"),
        ("--compute-type", "float8", "must be one of auto, int8"),
        ("--device", "tpu", "must be one of auto, cpu, cuda"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(flag, value, said):
    assert said in refusal(f"{flag}={value}")


def test_more_gpus_than_workers_are_refused():
    assert refusal("--device-index", "0,1", "--workers", "1") == (
        "workers (1, --workers or --num-workers) must be at least as many as there are in device_index "
        "(0,1, --device-index)."
    )


def test_the_device_of_one_gpu_is_the_first():
    assert BackendConfig(device_indices=(2, 0)).device_index == 2
