"""OpenAI's Realtime protocol as clients speak it that nobody here wrote: the official `openai` SDK, and pipecat."""

import asyncio
import base64
import io
import re
from functools import partial

import numpy as np
import pytest
import soundfile
import soxr

from native_client import connect as connect_native
from native_client import play

pytestmark = pytest.mark.conformance
NEEDED = "needs the clients of others: uv sync --group conformance"
openai = pytest.importorskip("openai", reason=NEEDED)

PAUSE = np.zeros(16_000, np.int16)
FRAME_S = 0.1
SPEED = 20
"""How many times faster than it was spoken: the model is small."""
TURNS = 12
"""At least, in all recordings: each is followed by a pause."""
LIMIT_S = 50
EMPTY = "input_audio_buffer_commit_empty"


@pytest.fixture(scope="module")
def server(start, micro):
    return start("--model-dir", str(micro), "--language", "en", "--device", "cpu").ready()


@pytest.fixture(scope="module")
def fake(start):
    return start("--backend", "fake", "--api-key", "sesame").ready()


@pytest.fixture(scope="module")
def steady(start, micro):
    """What it hears does not depend on when the audio comes."""
    return start("--model-dir", str(micro), "--language", "en", "--device", "cpu", "--policy", "endpoint").ready()


@pytest.fixture(scope="module")
def spoken(recordings):
    """Two utterances with a pause after each, and their texts."""
    return joined([each for each in recordings if each.name in ("flite-013.flac", "espeak-005.flac")])


@pytest.fixture(scope="module")
def everything(recordings):
    return joined(recordings)


def joined(recordings):
    audio = np.concatenate([part for each in recordings for part in (each.audio, PAUSE)])
    return audio, [each.text for each in recordings]


def pcm(audio, rate=24_000):
    return soxr.resample(audio, 16_000, rate).astype("<i2").tobytes()


def plain(text):
    return re.sub(r"[^a-z0-9' ]", "", text.lower()).split()


def errors(reference, hypothesis):
    """Words that are wrong, missing or too many."""
    costs = list(range(len(hypothesis) + 1))
    for row, word in enumerate(reference, 1):
        before, costs[0] = costs[0], row
        for column, other in enumerate(hypothesis, 1):
            before, costs[column] = (
                costs[column],
                min(costs[column] + 1, costs[column - 1] + 1, before + (word != other)),
            )
    return costs[-1]


def error_rate(texts, reference):
    wanted = plain(" ".join(reference))
    return errors(wanted, plain(" ".join(texts))) / len(wanted)


def is_heard(texts, reference):
    """Whether it is the same speech: the model of the tests is small and errs, most of all when it must be quick."""
    return error_rate(texts, reference) <= 0.35


async def speak(connection, audio, *, speed=SPEED):
    size = round(24_000 * FRAME_S) * 2
    for at in range(0, len(audio), size):
        await connection.input_audio_buffer.append(audio=base64.b64encode(audio[at : at + size]).decode())
        await asyncio.sleep(FRAME_S / speed)


async def hear(connection, completed):
    """All events up to so many transcripts."""
    events = []
    async with asyncio.timeout(LIMIT_S):
        while sum(event.type.endswith("completed") for event in events) < completed:
            events.append(await connection.recv())
            assert events[-1].type != "error", events[-1]
    return events


def transcripts(events):
    """By item, in the order of the items; what is append-only must join."""
    order = [event.item_id for event in events if event.type == "input_audio_buffer.committed"]
    found = {event.item_id: event.transcript for event in events if event.type.endswith("completed")}
    for item, transcript in found.items():
        deltas = [event.delta for event in events if event.type.endswith("delta") and event.item_id == item]
        assert "".join(deltas) == transcript
    return [found[item] for item in order]


def client_of(server, key="x", **options):
    return openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, **options)


# The official SDK.


def ga(turn_detection, **transcription):
    return {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "whisper-1", "language": "en", **transcription},
                "turn_detection": turn_detection,
            }
        },
    }


def test_the_sdk_with_turns_that_the_server_finds(server, spoken):
    async def scenario():
        async with client_of(server).realtime.connect(extra_query={"intent": "transcription"}) as connection:
            await connection.session.update(session=ga({"type": "server_vad", "silence_duration_ms": 500}))
            speaking = asyncio.create_task(speak(connection, pcm(spoken[0])))
            events = await hear(connection, 2)
            await speaking
        return events

    events = play(scenario())
    assert is_heard(transcripts(events), spoken[1])
    types = [event.type for event in events if not event.type.endswith("delta")]
    assert types[:2] == ["session.created", "session.updated"]
    first = [event for event in events if getattr(event, "item_id", None) == events[2].item_id]
    assert [event.type.rpartition(".")[2] for event in first if not event.type.endswith("delta")] == [
        "speech_started", "speech_stopped", "committed", "completed"
    ]  # fmt: skip
    assert sum(event.type.endswith("delta") for event in events) >= 2
    assert first[-1].usage.type == "duration"
    chain = [event for event in events if event.type == "input_audio_buffer.committed"]
    assert [event.previous_item_id for event in chain] == [None, chain[0].item_id]


def test_the_sdk_with_commits(server, spoken):
    async def scenario():
        async with client_of(server).realtime.connect(extra_query={"intent": "transcription"}) as connection:
            await connection.session.update(session=ga(None))
            await speak(connection, pcm(spoken[0]))
            await connection.input_audio_buffer.commit()
            events = await hear(connection, 1)
            await connection.input_audio_buffer.commit(event_id="mine")
            return events, await connection.recv()

    events, error = play(scenario())
    assert is_heard(transcripts(events), spoken[1])
    assert not any("speech" in event.type for event in events)
    assert (error.type, error.error.code, error.error.event_id) == ("error", EMPTY, "mine")


@pytest.mark.parametrize("turn_detection", [{"type": "server_vad"}, None], ids=["server VAD", "commit"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_sdk_in_the_beta_dialect(server, spoken, turn_detection):
    async def scenario():
        client = client_of(server, websocket_base_url=f"{server.url.replace('http', 'ws', 1)}/v1")
        connecting = client.beta.realtime.connect(model="m", extra_query={"intent": "transcription"})
        async with connecting as connection:
            session = {
                "input_audio_format": "pcm16",
                "input_audio_transcription": {"model": "whisper-1", "language": "en"},
                "turn_detection": turn_detection,
            }
            await connection.transcription_session.update(session=session)
            await speak(connection, pcm(spoken[0]))
            if turn_detection is None:
                await connection.input_audio_buffer.commit()
            return await hear(connection, 1 if turn_detection is None else 2)

    events = play(scenario())
    assert is_heard(transcripts(events), spoken[1])
    types = {event.type for event in events}
    assert {"transcription_session.created", "transcription_session.updated", "conversation.item.created"} <= types
    assert "conversation.item.added" not in types


def raw(audio, subtype):
    """At 8 kHz."""
    file = io.BytesIO()
    soundfile.write(file, soxr.resample(audio, 16_000, 8_000), 8_000, subtype=subtype, format="RAW", endian="LITTLE")
    return file.getvalue()


FORMATS = {
    "pcm": ({"type": "audio/pcm", "rate": 24000}, pcm, "pcm_s16le", 16_000),
    "mu-law": ({"type": "audio/pcmu"}, partial(raw, subtype="ULAW"), "mulaw", 8_000),
    "A-law": ({"type": "audio/pcma"}, partial(raw, subtype="ALAW"), "alaw", 8_000),
}
"""How it is said, how it is made; and what the native protocol is to be sent for comparison."""


@pytest.mark.parametrize("name", FORMATS)
def test_the_sdk_is_heard_as_well_in_every_format_as_a_native_client(steady, everything, name):
    format_, encode, encoding, rate = FORMATS[name]
    audio = encode(everything[0])
    native = everything[0] if rate == 16_000 else np.frombuffer(audio, np.uint8)

    async def ours():
        async with client_of(steady).realtime.connect(extra_query={"intent": "transcription"}) as connection:
            session = ga({"type": "server_vad"})
            session["audio"]["input"]["format"] = format_
            await connection.session.update(session=session)
            speaking = asyncio.create_task(speak(connection, audio, speed=1000))
            events = await hear(connection, TURNS)
            await speaking
            return transcripts(events)

    async def theirs():
        async with connect_native(steady.ws, f"encoding={encoding}&sample_rate={rate}") as client:
            await client.stream(native)
            await client.send(b"")
            await client.rest()
            return [client.text]

    reference = everything[1]
    assert error_rate(play(ours()), reference) <= error_rate(play(theirs()), reference) + 0.02


def test_the_sdk_is_told_of_a_wrong_key(fake):
    async def scenario():
        with pytest.raises(Exception, match="401"):
            async with client_of(fake, "other").realtime.connect(extra_query={"intent": "transcription"}):
                pass
        async with client_of(fake, "sesame").realtime.connect(extra_query={"intent": "transcription"}) as connection:
            return (await connection.recv()).type

    assert play(scenario()) == "session.created"


# pipecat.


def frames(audio, *, vad):
    from pipecat.frames.frames import InputAudioRawFrame, VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame
    from pipecat.tests.utils import SleepFrame

    spoken = []
    for at in range(0, len(audio), 1600):
        spoken += [InputAudioRawFrame(audio[at : at + 1600].tobytes(), 16_000, 1), SleepFrame(FRAME_S / SPEED)]
    if not vad:
        return [SleepFrame(1), *spoken, SleepFrame(4)]
    return [
        SleepFrame(1), VADUserStartedSpeakingFrame(), *spoken, SleepFrame(0.5), VADUserStoppedSpeakingFrame(),
        SleepFrame(4),
    ]  # fmt: skip


async def run_pipecat(service, frames_to_send):
    from pipecat.pipeline.worker import PipelineParams
    from pipecat.tests.utils import run_test

    connected = []
    service.add_event_handler("on_connected", lambda _: connected.append(True))
    params = PipelineParams(audio_in_sample_rate=16_000)
    down, up = await run_test(service, frames_to_send=frames_to_send, pipeline_params=params, start_timeout=10)
    return [*down, *up], connected


def of(kind, frames):
    return [frame for frame in frames if type(frame).__name__ == kind]


def check_pipecat(service, spoken, *, vad, interim=True):
    everything, connected = play(run_pipecat(service, frames(spoken[0], vad=vad)))
    assert of("ErrorFrame", everything) == [] and connected == [True]
    assert is_heard([frame.text for frame in of("TranscriptionFrame", everything)], spoken[1])
    assert bool(of("InterimTranscriptionFrame", everything)) or not interim
    return everything


@pytest.mark.parametrize("model", ["whisper-1", "gpt-realtime-whisper"])
def test_pipecat_that_commits(server, spoken, model):
    stt = pytest.importorskip("pipecat.services.openai.stt", reason=NEEDED)
    url = f"{server.url.replace('http', 'ws', 1)}/v1/realtime"
    settings = stt.OpenAIRealtimeSTTService.Settings(model=model)
    check_pipecat(stt.OpenAIRealtimeSTTService(api_key="x", base_url=url, settings=settings), spoken, vad=True)


def test_pipecat_with_turns_that_the_server_finds(server, spoken):
    stt = pytest.importorskip("pipecat.services.openai.stt", reason=NEEDED)
    service = stt.OpenAIRealtimeSTTService(
        api_key="x",
        base_url=f"{server.url.replace('http', 'ws', 1)}/v1/realtime",
        settings=stt.OpenAIRealtimeSTTService.Settings(model="whisper-1"),
        turn_detection={"type": "server_vad"},
    )
    everything = check_pipecat(service, spoken, vad=False)
    assert len(of("TranscriptionFrame", everything)) == 2


def test_pipecat_for_together_which_says_all_in_the_address(server, spoken):
    stt = pytest.importorskip("pipecat.services.together.stt", reason=NEEDED)
    url = f"{server.url.replace('http', 'ws', 1)}/v1"
    check_pipecat(stt.TogetherSTTService(api_key="x", base_url=url), spoken, vad=True, interim=False)
