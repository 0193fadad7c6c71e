"""Wyoming's own client, as Home Assistant uses it, against a real server."""

import asyncio
import re

import httpx
import numpy as np
import pytest
import soxr

from native_client import connect as connect_native
from native_client import play

pytest.importorskip("wyoming", reason="the wyoming package is not here: uv sync --group conformance")

from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.info import Describe, Info, SelectProgram
from wyoming.ping import Ping, Pong

pytestmark = pytest.mark.conformance

LIMIT_S = 30
FORMAT = {"rate": 16_000, "width": 2, "channels": 1}


@pytest.fixture(scope="module")
def server(start):
    return start("--backend", "fake", "--wyoming", "--wyoming-port", "0", "--max-sessions", "3").ready()


@pytest.fixture(scope="module")
def whisper(start, micro):
    return start("--model", micro, "--wyoming", "--wyoming-port", "0").ready()


def client(server):
    port = int(re.search(r"tcp://127\.0\.0\.1:(\d+)", server.text)[1])
    return AsyncTcpClient("127.0.0.1", port, connect_timeout=LIMIT_S, read_timeout=LIMIT_S)


async def rest(connection):
    """What comes until the server closes."""
    events = []
    while (event := await connection.read_event()) is not None:
        events.append(event)
    return events


async def speak(connection, audio, *, format=FORMAT, samples=1024):
    """As Home Assistant does: pieces, then the stop."""
    step = samples * format["width"] * format["channels"]
    await connection.write_event(AudioStart(**format).event())
    for at in range(0, len(audio), step):
        await connection.write_event(AudioChunk(**format, audio=audio[at : at + step]).event())
    await connection.write_event(AudioStop().event())


async def transcript(server, audio, *, format=FORMAT, **asked):
    """All that is said of this audio."""
    async with client(server) as connection:
        await connection.write_event(Transcribe(**asked).event())
        await speak(connection, audio, format=format)
        return await rest(connection)


def text_of(events):
    (whole,) = [Transcript.from_event(event) for event in events if Transcript.is_type(event.type)]
    return whole.text


async def natively(server, audio, rate=16_000):
    async with connect_native(server.ws, f"sample_rate={rate}") as native:
        await native.stream(audio)
        await native.send(b"")
        await native.rest()
        return native.text.strip()


def test_home_assistant_s_way_of_setting_up_finds_a_recogniser_and_its_languages(server):
    async def scenario():
        async with client(server) as connection:
            await connection.write_event(SelectProgram("reswhis").event())
            await connection.write_event(Describe().event())
            return Info.from_event(await connection.read_event())

    info = play(scenario())
    (program,) = info.asr
    assert (program.name, program.installed, program.supports_transcript_streaming) == ("reswhis", True, True)
    assert {"en", "de", "ja"} <= {code for model in program.models if model.installed for code in model.languages}
    assert not (info.tts or info.wake or info.intent or info.handle or info.mic or info.snd or info.satellite)


def test_a_command_is_transcribed_in_order_and_as_by_the_native_protocol(server, recordings):
    async def scenario():
        events = await transcript(server, recordings[0].audio.tobytes(), language="en")
        return events, await natively(server, recordings[0].audio)

    events, native = play(scenario())
    first, *chunks, whole, last = events
    assert TranscriptStart.is_type(first.type) and TranscriptStart.from_event(first).language == "en"
    assert len(chunks) > 1 and all(TranscriptChunk.is_type(event.type) for event in chunks)
    assert Transcript.from_event(whole) == Transcript(native, language="en")
    assert "".join(TranscriptChunk.from_event(event).text for event in chunks) == native != ""
    assert TranscriptStop.is_type(last.type)


def test_words_come_while_a_client_is_still_speaking(server, recordings):
    async def scenario():
        async with client(server) as connection:
            audio = np.concatenate([recording.audio for recording in recordings[:2]])
            await connection.write_event(AudioChunk(**FORMAT, audio=audio.tobytes()[: 2 * 80_000]).event())
            await connection.read_event()
            heard = await connection.read_event()
            await connection.write_event(Ping("still there").event())
            while not Pong.is_type((event := await connection.read_event()).type):
                pass
            await connection.write_event(AudioStop().event())
            return heard, Pong.from_event(event).text, await rest(connection)

    heard, pong, events = play(scenario())
    assert TranscriptChunk.is_type(heard.type)
    assert pong == "still there"
    assert TranscriptStop.is_type(events[-1].type)


FORMATS = [
    {"rate": 48_000, "width": 2, "channels": 2},
    {"rate": 22_050, "width": 4, "channels": 1},
    {"rate": 8_000, "width": 3, "channels": 1},
]


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_audio_of_any_kind_is_heard_as_by_the_native_protocol(whisper, recordings, format):
    recording = recordings[0]
    audio = soxr.resample(recording.audio, 16_000, format["rate"])
    wide = np.repeat(audio.astype("<i4") << 16, format["channels"]).view("u1").reshape(-1, 4)
    data = wide[:, 4 - format["width"] :].tobytes()

    async def scenario():
        events = await transcript(whisper, data, format=format, language="en")
        return events, await natively(whisper, audio, format["rate"])

    events, native = play(scenario())
    said, known = text_of(events).split(), native.split()
    assert len(set(said) & set(known)) >= 0.8 * len(set(known)) > 0


def test_several_clients_are_served_side_by_side_and_one_more_is_told_to_come_back(server, recordings):
    async def scenario():
        alone = [await transcript(server, recording.audio.tobytes()) for recording in recordings[:3]]
        together = await asyncio.gather(
            *[transcript(server, recording.audio.tobytes()) for recording in recordings[:3]]
        )
        begun = [client(server) for _ in range(3)]
        for connection in begun:
            await connection.connect()
            await connection.write_event(AudioStart(**FORMAT).event())
            await connection.write_event(Ping().event())
            await connection.read_event()  # whoever has a place is answered behind what it has begun
        refused = await transcript(server, b"")
        for connection in begun:
            await connection.disconnect()
        async with httpx.AsyncClient() as http:
            while (await http.get(f"{server.url}/info")).json()["sessions"]:
                await asyncio.sleep(0.02)
        return together, refused, alone

    together, refused, alone = play(scenario())
    assert [text_of(events) for events in together] == [text_of(events) for events in alone]
    (event,) = refused
    assert Error.from_event(event).code == "overloaded"


@pytest.mark.parametrize(
    ("asked", "code"), [({"language": "tlh"}, "unsupported_language"), ({"name": "other"}, "unknown_model")]
)
def test_what_cannot_be_had_is_said_in_an_error(server, asked, code):
    (event,) = play(transcript(server, bytes(3200), **asked))
    assert Error.from_event(event).code == code
