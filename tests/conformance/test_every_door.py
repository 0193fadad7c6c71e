"""The same speech through every door, with a real network: who is sent other bytes is heard as well as who is not.

The reference is the native path with 16 kHz PCM. A door that takes the same samples gives the same texts; one that
takes another rate or a file has at most two points of word errors more or less.

whisper-micro cannot follow a telephone: 27 % of its words are wrong at 16 kHz, 62 % without what is above 4 kHz, and
67 % of that in G.711. So G.711 is compared with the native path given the same bytes, and that with the native path
given 16 kHz PCM which libsndfile has made of them (65 and 66 %).

Each recording is said four times, 5 ms later each time: that alone gives two in three another text, and from 26 to
29 % wrong.
``TEST_RECORDINGS`` names another folder with a ``references.jsonl``, whose recordings are said once. ``-s`` shows a
table.
"""

import asyncio
import io
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
import jiwer
import numpy as np
import pytest
import soundfile
import soxr
from whisper_normalizer.english import EnglishTextNormalizer

import doors
from native_client import play

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(600)]

RATE, TELEPHONE = 16_000, 8_000
LATER_MS = (0, 5, 10, 15)
POINTS = 2.0
AT_ONCE = 2
LIMIT_S = 300
STEADY = ("--policy", "endpoint", "--temperatures", "0", "--max-batch", "1")
"""So that no text depends on when its audio comes, on chance, or on what else is decoded."""
FILES = {
    "wav": ("wav", "pcm_s16le", 48_000, {}),
    "flac": ("flac", "flac", 16_000, {}),
    "mp3": ("mp3", "libmp3lame", 48_000, {}),
    "ogg": ("ogg", "libopus", 48_000, {}),
    "webm": ("webm", "libopus", 48_000, {}),
    "m4a": ("ipod", "aac", 48_000, {}),
    "mp4": ("mp4", "aac", 48_000, {"movflags": "frag_keyframe+empty_moov"}),
}
BITS = 96_000
"""A second, of what loses some."""


def at(samples, rate):
    return soxr.resample(samples, RATE, rate)


def pcm(samples, rate=RATE):
    return (samples if rate == RATE else at(samples, rate)).astype("<i2").tobytes()


def g711(samples, subtype):
    file = io.BytesIO()
    soundfile.write(file, at(samples, TELEPHONE), TELEPHONE, subtype=subtype, format="RAW")
    return file.getvalue()


def of_g711(data, subtype):
    samples, _ = soundfile.read(
        io.BytesIO(data), samplerate=TELEPHONE, channels=1, subtype=subtype, format="RAW", dtype="int16"
    )
    return soxr.resample(samples, TELEPHONE, RATE)


def file(samples, kind):
    form, codec, rate, options = FILES[kind]
    file = io.BytesIO()
    with av.open(file, "w", format=form, options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        if codec not in ("pcm_s16le", "flac"):
            stream.bit_rate = BITS
        whole = av.AudioFrame.from_ndarray(samples[None] if rate == RATE else at(samples, rate)[None], "s16", "mono")
        whole.sample_rate, whole.pts = rate, 0
        packed = av.AudioResampler(stream.format, "mono", rate, frame_size=stream.codec_context.frame_size or None)
        for frame in [*packed.resample(whole), *packed.resample(None), None]:
            container.mux(stream.encode(frame))
    return file.getvalue()


class Way(NamedTuple):
    hear: Callable
    """Of a server and samples."""
    like: str = "native"
    """Which way it is compared with."""
    same: bool = False
    """Whether the texts must be the same."""


def native(server, samples, encode, **audio):
    return doors.native(server, encode(samples), **audio)


def deepgram(server, samples, encode, query=""):
    return doors.deepgram(server, encode(samples), query)


def realtime(server, samples, encode, **format):
    return doors.realtime(server, encode(samples), format)


def openai_file(server, samples, kind):
    return doors.openai_file(server, file(samples, kind), f"a.{kind}")


def sends(door):
    return lambda server, samples: door(server, pcm(samples))


def ways_of_g711(name, subtype, encoding, format):
    """A door each, and what somebody else makes of the same bytes."""
    encode, like = partial(g711, subtype=subtype), f"native, {name}"
    audio = {"encoding": encoding, "sample_rate": TELEPHONE}
    query = f"encoding={encoding}&sample_rate={TELEPHONE}"
    return {
        like: Way(partial(native, encode=encode, **audio), like),
        f"native, {name} by libsndfile": Way(
            partial(native, encode=lambda samples: pcm(of_g711(encode(samples), subtype))), like
        ),
        f"openai-realtime, {name}": Way(partial(realtime, encode=encode, type=format), like, same=True),
        f"deepgram, {name}": Way(partial(deepgram, encode=encode, query=query), like, same=True),
    }


def pcm_at(rate):
    return partial(pcm, rate=rate)


WAYS = {
    "native": Way(sends(doors.native)),
    "native, plain": Way(sends(doors.native_plain), same=True),
    "reswhis-0.1": Way(sends(doors.legacy), same=True),
    "swim": Way(sends(doors.swim), same=True),
    "wyoming": Way(sends(doors.wyoming), same=True),
    "openai-realtime": Way(partial(realtime, encode=pcm, type="audio/pcm", rate=RATE), same=True),
    "openai-realtime, 24 kHz": Way(partial(realtime, encode=pcm_at(24_000), type="audio/pcm", rate=24_000)),
    "deepgram": Way(sends(doors.deepgram), same=True),
    **{
        f"deepgram, {rate // 1000} kHz": Way(
            partial(deepgram, encode=pcm_at(rate), query=f"encoding=linear16&sample_rate={rate}")
        )
        for rate in (24_000, 48_000)
    },
    **{
        f"deepgram, {kind}": Way(partial(deepgram, encode=partial(file, kind=kind)), same=kind == "flac")
        for kind in ("wav", "flac", "mp3", "ogg", "webm", "mp4")
    },
    **{
        f"openai, {kind}": Way(partial(openai_file, kind=kind)) for kind in ("wav", "flac", "mp3", "ogg", "webm", "m4a")
    },
    **ways_of_g711("mu-law", "ULAW", "mulaw", "audio/pcmu"),
    **ways_of_g711("A-law", "ALAW", "alaw", "audio/pcma"),
}
NARROW = "native, nothing above 4 kHz"


class Corpus(NamedTuple):
    samples: list[np.ndarray]
    texts: list[str]


@pytest.fixture(scope="module")
def corpus(recordings):
    if named := os.environ.get("TEST_RECORDINGS"):
        folder = Path(named)
        rows = [json.loads(line) for line in (folder / "references.jsonl").read_text("utf-8").splitlines()]
        samples = [soundfile.read(folder / row["file"], dtype="int16")[0] for row in rows]
        return Corpus(samples, [row["text"] for row in rows])
    said = [(later, each) for later in LATER_MS for each in recordings]
    return Corpus(
        [np.concatenate([np.zeros(later * RATE // 1000, np.int16), each.audio]) for later, each in said],
        [each.text for _, each in said],
    )


class Heard:
    """What came of the corpus, by way: each is taken once, when it is first asked for."""

    def __init__(self, server, corpus):
        self._server, self._corpus = server, corpus
        self._normal = EnglishTextNormalizer()
        self._references = [self._normal(text) for text in corpus.texts]
        self.counted = {}

    def texts(self, name, hear):
        if name not in self.counted:
            texts = [self._normal(text) for text in play(self._all(hear), LIMIT_S)]
            self.counted[name] = texts, jiwer.process_words(self._references, texts)
        return self.counted[name][0]

    def rate(self, name):
        """In percent."""
        return 100 * self.counted[name][1].wer

    async def _all(self, hear):
        places = asyncio.Semaphore(AT_ONCE)

        async def one(samples):
            async with places:
                return doors.text_of(await hear(self._server, samples))

        return await asyncio.gather(*map(one, self._corpus.samples))

    def table(self):
        rows = ["", "| door | words | WER | texts unlike those of `native` |", "|---|---|---|---|"]
        for name, (texts, counted) in self.counted.items():
            words = counted.hits + counted.substitutions + counted.deletions
            unlike = sum(a != b for a, b in zip(texts, self.counted["native"][0], strict=True))
            rows.append(f"| {name} | {words} | {100 * counted.wer:.1f} % | {unlike} of {len(texts)} |")
        return "\n".join(rows)


@pytest.fixture(scope="module")
def heard(start, micro, corpus):
    server = start(
        "--model-dir", str(micro), "--language", "en", "--device", "cpu", *STEADY, "--wyoming", "--wyoming-port", "0"
    ).ready()
    heard = Heard(server, corpus)
    yield heard
    print(heard.table())


@pytest.mark.parametrize("name", [name for name in WAYS if name != "native"])
def test_speech_is_heard_as_well_through_every_door(heard, name):
    way = WAYS[name]
    reference, texts = heard.texts(way.like, WAYS[way.like].hear), heard.texts(name, way.hear)
    assert not way.same or texts == reference
    assert heard.rate(name) == pytest.approx(heard.rate(way.like), abs=POINTS)


def test_what_a_telephone_leaves_out_is_what_this_network_hears_by(heard):
    """Why there is another reference for G.711, and how much of what is wrong there is not G.711's."""

    def narrow(server, samples):
        return doors.native(server, pcm(soxr.resample(at(samples, TELEPHONE), TELEPHONE, RATE)))

    heard.texts("native", WAYS["native"].hear)
    heard.texts(NARROW, narrow)
    assert heard.rate(NARROW) > heard.rate("native") + 20
