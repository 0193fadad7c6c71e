"""Other temperatures for final windows that come out badly, and an end to every loop."""

import numpy as np
import pytest
from ctranslate2.models import Whisper

from reswhis.backends.decoding import Decoding
from reswhis.backends.faster_whisper import FasterWhisper
from reswhis.backends.temperature_fallback import TEMPERATURES, Attempt, best, likeliest
from reswhis.backends.whisper_tokens import WhisperTokens
from reswhis.core.types import DecodeOptions, Window, samples

from nonspeech import make

ENGLISH = DecodeOptions(language="en", encoder_context="dynamic")
PLAIN = Decoding()
MOST_TOKENS = 224  # of Whisper's own decoding


def attempt(likelihood, text="all is well", no_speech=0.0, tokens=5):
    return Attempt(tuple(range(tokens)), text, likelihood, no_speech, tokens + 1)


GOOD, GUESSED = attempt(-0.4), attempt(-1.5)
LOOP = attempt(-0.1, text="thank you. " * 30, tokens=90)


class Samples:
    """One after the other; then the last again and again."""

    def __init__(self, *attempts):
        self.attempts = attempts
        self.temperatures = []

    def __call__(self, temperature):
        self.temperatures.append(temperature)
        return self.attempts[min(len(self.temperatures), len(self.attempts)) - 1]


def test_what_is_good_at_once_is_not_tried_again():
    samples = Samples(GUESSED)
    assert best(GOOD, samples, 60) is GOOD and samples.temperatures == []


def test_silence_is_not_tried_again():
    samples = Samples(GOOD)
    silence = attempt(-1.5, no_speech=0.9)
    assert best(silence, samples, 60) is silence and samples.temperatures == []


@pytest.mark.parametrize("first", [GUESSED, LOOP])
def test_the_first_good_sample_is_taken(first):
    samples = Samples(attempt(-1.2), GOOD, attempt(-0.1))
    assert best(first, samples, 60) is GOOD
    assert samples.temperatures == [0.2, 0.4]


def test_of_bad_ones_the_likeliest_is_taken_that_is_no_loop():
    less_bad = attempt(-1.1)
    samples = Samples(attempt(-1.2), less_bad, LOOP, attempt(-1.3))
    assert best(LOOP, samples, 1000) is less_bad
    assert samples.temperatures == list(TEMPERATURES)


def test_no_sample_is_made_if_there_are_no_other_temperatures():
    samples = Samples(GOOD)
    assert best(LOOP, samples, 60, ()) is LOOP and samples.temperatures == []


def test_of_several_drawn_at_once_a_loop_comes_last():
    assert likeliest([LOOP, GUESSED]) is GUESSED and likeliest([GUESSED, GOOD]) is GOOD


def test_the_samples_together_may_cost_what_one_decoding_may():
    samples = Samples(LOOP)
    best(LOOP, samples, 90)
    assert len(samples.temperatures) == 1
    samples = Samples(attempt(-1.5, tokens=29))
    best(GUESSED, samples, 90)
    assert len(samples.temperatures) == 3


class Recorder:
    """A model that notes what it generates; ``endless``: that never ends a text by itself."""

    def __init__(self, model, end, endless=False):
        self.model = model
        self.end = end
        self.endless = endless
        self.generated = []
        self.temperatures = []
        self.settings = {}

    def generate(self, *args, **settings):
        if self.endless:
            settings["suppress_tokens"] = [*settings["suppress_tokens"], self.end]
        (result,) = self.model.generate(*args, **settings)
        self.generated.append(max(map(len, result.sequences_ids)))
        self.settings = settings
        self.temperatures.append(settings["sampling_temperature"] if settings["sampling_topk"] == 0 else 0.0)
        return [result]

    def __getattr__(self, name):
        return getattr(self.model, name)


@pytest.fixture(scope="module")
def recorder(micro):
    tokens = WhisperTokens(micro, multilingual=True)
    model = Whisper(str(micro), compute_type="int8", intra_threads=2)

    def recorder(decoding=PLAIN, **options):
        recorder = Recorder(model, tokens.end, **options)
        return recorder, FasterWhisper(recorder, tokens, decoding)

    return recorder


RINGING = make("ringing", 2, -20)  # of which the network makes words that it finds unlikely


def decode(backend, audio, is_final, prompt=""):
    return backend.decode(Window(0, 0, audio, ENGLISH, prompt, is_final))


def test_only_a_final_window_is_sampled_and_by_warmer_and_warmer_temperatures(recorder):
    model, backend = recorder()
    greedy = decode(backend, RINGING, is_final=False)
    assert greedy.segments[0].average_log_probability < -1 and model.temperatures == [0.0]
    sampled = decode(backend, RINGING, is_final=True)
    count = len(model.temperatures) - 2
    assert model.temperatures[1:] == [0.0, *TEMPERATURES[:count]] and count > 0
    figures = sampled.segments[0].average_log_probability
    assert figures >= greedy.segments[0].average_log_probability - 1e-6
    assert figures >= -1 or count == len(TEMPERATURES) or sum(model.generated[2:]) + count >= 90


def test_a_final_window_of_clear_speech_costs_one_decoding(recorder, recordings):
    model, backend = recorder()
    decode(backend, recordings[8].audio, is_final=True)
    assert len(model.generated) == 1


@pytest.mark.parametrize(
    ("duration_s", "prompt"), [(0.5, ""), (0.5, "so it was " * 20), (2, "so it was " * 200), (8, "")]
)
def test_no_loop_is_longer_than_anyone_speaks_whatever_the_prompt(recorder, duration_s, prompt):
    model, backend = recorder(endless=True)
    audio = np.resize(RINGING, samples(duration_s))
    decode(backend, audio, is_final=False, prompt=prompt)
    budget = min(MOST_TOKENS, 30 + round(30 * duration_s))
    (count,) = model.generated
    assert count in (budget, budget + 1)


def test_the_samples_of_a_loop_double_its_cost_and_no_more(recorder):
    model, backend = recorder(endless=True)
    decode(backend, np.resize(RINGING, samples(2)), is_final=True)
    assert len(model.generated) <= 2 or sum(model.generated[1:-1]) < 90
    assert max(model.generated) <= 90


@pytest.mark.parametrize(
    ("temperatures", "done"), [((0.0,), [0.0]), ((0.0, 0.9), [0.0, 0.9]), ((0.3,), [0.3]), ((0.3, 0.7), [0.3, 0.7])]
)
def test_the_temperatures_are_those_that_are_set_and_0_alone_switches_the_fallback_off(recorder, temperatures, done):
    model, backend = recorder(Decoding(temperatures))
    decode(backend, RINGING, is_final=True)
    assert model.temperatures == done[: len(model.temperatures)]
    assert len(model.temperatures) >= (min(2, len(done)) if done[0] == 0 else 1)  # what is drawn may be good at once
    model.temperatures.clear()
    decode(backend, RINGING, is_final=False)
    assert model.temperatures == [0.0]  # what is random changes from one partial to the next


def test_of_several_texts_that_are_drawn_the_likeliest_is_taken(recorder, recordings):
    audio = recordings[0].audio

    def likelihood(best_of, times):
        _, backend = recorder(Decoding((1.0,), best_of=best_of))
        heard = [decode(backend, audio, is_final=True).segments[0] for _ in range(times)]
        return np.mean([segment.average_log_probability for segment in heard])

    assert likelihood(10, times=6) > likelihood(1, times=16) + 0.1  # the latter's mean varies by 0.14, and is 0.6 below


def test_how_a_search_goes_reaches_the_model_and_likelihoods_stay_comparable(recorder, recordings):
    audio = recordings[0].audio
    options = DecodeOptions(language="en", encoder_context="dynamic", beam_size=4)
    figures = []
    for decoding in (Decoding(), Decoding(patience=2, length_penalty=0.5)):
        model, backend = recorder(decoding)
        heard = backend.decode(Window(0, 0, audio, options, is_final=True))
        assert model.settings["beam_size"] == 4
        assert (model.settings["patience"], model.settings["length_penalty"]) == (
            decoding.patience,
            decoding.length_penalty,
        )
        figures.append(heard.segments[0].average_log_probability)
    assert figures[0] == pytest.approx(figures[1], abs=0.1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temperatures": ()}, "one at least"),
        ({"temperatures": (0, 1.1)}, "0 to 1"),
        ({"best_of": 0}, "1 to 10"),
        ({"patience": 0.5}, "1 to 10"),
        ({"length_penalty": -1}, "0 to 2"),
    ],
)
def test_a_decoding_that_cannot_be_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        Decoding(**wrong)
