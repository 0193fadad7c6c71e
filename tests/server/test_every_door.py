"""The same 16 kHz PCM through every door at once: the same words, in the same order, at the same times."""

import asyncio

import httpx
import numpy as np
import pytest

import doors
from native_client import play

pytest.importorskip("grpc", reason="grpcio is not installed: uv sync --extra grpc")

SECOND_AT = 7
"""The recording is said again from here on, in seconds: what stands between two utterances must not be lost either."""
WORDS = [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]
"""Of the fake backend's script: one a second, for 0.8 s, where there is speech in the middle of it."""
PCM_16 = {"type": "audio/pcm", "rate": 16_000}
DOORS = {
    "native": doors.native,
    "native, float32": lambda server, data: doors.native(server, doors.floats(data), encoding="pcm_f32le"),
    "native, plain": doors.native_plain,
    "captions": doors.captions,
    "reswhis-0.1": doors.legacy,
    "swim": doors.swim,
    "swim, float32": lambda server, data: doors.swim(server, doors.floats(data), encoding="pcm_f32le"),
    "openai": lambda server, data: doors.openai_file(server, doors.wav(data)),
    "openai-realtime": lambda server, data: doors.realtime(server, data, PCM_16),
    "deepgram": doors.deepgram,
    "deepgram, WAV": lambda server, data: doors.deepgram(server, doors.wav(data), ""),
    "wyoming": doors.wyoming,
}
GRPC = ("grpc, v0.1", "grpc, v0.1 with hypothesis", "grpc, v0.2", "grpc, v0.3")
WITHOUT_TIMES = {"openai-realtime", "wyoming"}


@pytest.fixture(scope="module")
def server(start):
    return start("--backend", "fake", "--grpc", "--ports", "0", "--wyoming", "--wyoming-port", "0").ready()


@pytest.fixture(scope="module")
def recording(recordings):
    return next(each.audio for each in recordings if each.name == "flite-022.flac")


@pytest.fixture(scope="module")
def heard(server, recording):
    """By door. All speak to the server at once, the clients of gRPC in turn."""
    pause = np.zeros(SECOND_AT * 16_000 - len(recording), np.int16)
    data = np.concatenate([recording, pause, recording]).tobytes()

    async def scenario():
        others = [door(server, data) for door in DOORS.values()]
        of_grpc, *said = await asyncio.gather(asyncio.to_thread(doors.grpc_interleaved, server, data), *others)
        return of_grpc | dict(zip(DOORS, said, strict=True))

    return play(scenario())


def test_no_door_is_left_out(server):
    names = {name.partition(",")[0] for name in (*DOORS, *GRPC)}
    assert names == set(httpx.get(f"{server.url}/info").json()["doors"])


@pytest.mark.parametrize("door", [*DOORS, *GRPC])
def test_every_door_gives_the_words_of_the_script(heard, door):
    assert doors.text_of(heard[door]) == " ".join(f"w{n}" for n in WORDS)


@pytest.mark.parametrize("door", [door for door in (*DOORS, *GRPC) if door not in WITHOUT_TIMES])
def test_every_door_that_has_times_gives_those_of_the_script(heard, recording, door):
    """To the millisecond, whatever the chunks. The last word is cut off by the end of the audio."""
    over, left = SECOND_AT + len(recording) / 16_000, list(WORDS)
    for text, start, end in heard[door]:
        said, left = left[: len(text.split())], left[len(text.split()) :]
        assert (start, end) == pytest.approx((said[0], min(said[-1] + 0.8, over)), abs=0.001)
    assert not left
