import time

import numpy as np
import pytest

from reswhis.backends.base import BackendConfig
from reswhis.backends.fake import MakeFake
from reswhis.backends.selection import check, choose
from reswhis.core.errors import ConfigurationError
from reswhis.core.types import Window


@pytest.mark.parametrize(("model", "slowness"), [("auto", 0), ("fake", 0), ("0.1", 0.1), ("fake:0.25", 0.25)])
def test_the_model_says_how_slow_it_is(model, slowness):
    choice = choose(BackendConfig(backend="fake", model=model), lambda message, progress: None)
    assert choice.make == MakeFake(slowness)


def test_the_model_says_what_goes_wrong():
    choice = choose(BackendConfig(backend="fake", model="0.1,fail:3,load:2"), lambda message, progress: None)
    assert choice.make == MakeFake(0.1, fail=3, load_s=2)
    assert choice.info.model == "fake:0.1,fail:3,load:2"


def test_every_third_window_fails_however_often_it_is_tried():
    backend = MakeFake(fail=3)(0)
    failed = []
    for n in range(6):
        for _ in range(2):
            try:
                backend.transcribe([Window(n, 0, np.zeros(16_000, np.int16))])
            except RuntimeError:
                failed.append(n)
    assert failed == [2, 2, 5, 5]


@pytest.mark.parametrize("model", ["tiny", "-1", "nan", "inf", "faker", "fail:0.5", "fail:", "fial:3", "0.1,"])
def test_another_model_is_refused(model):
    with pytest.raises(ConfigurationError, match="seconds"):
        check(BackendConfig(backend="fake", model=model))


def test_it_takes_its_time_for_the_audio_of_the_whole_batch():
    backend = MakeFake(0.01)(0)
    began = time.perf_counter()
    backend.transcribe([Window(n, 0, np.zeros(16_000 * 4, np.int16)) for n in range(2)])
    assert time.perf_counter() - began >= 0.08


def test_a_word_is_where_it_is_wherever_the_window_begins():
    backend = MakeFake()(0)
    heard = backend.transcribe([Window(0, start, np.zeros(160_000, np.int16)) for start in (0, 5_000, 37_000)])
    absolute = [
        {word.text: round(word.start + start / 16_000, 6) for word in hypothesis.words}
        for start, hypothesis in zip((0, 5_000, 37_000), heard, strict=True)
    ]
    for text in (" w3", " w7"):
        assert len({times[text] for times in absolute}) == 1
