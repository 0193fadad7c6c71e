"""LiveKit's OpenAI plug-in against the Realtime protocol: turns that the server finds, and commits of its own."""

import asyncio

import numpy as np
import pytest

from native_client import play

pytestmark = pytest.mark.conformance
NEEDED = "needs an environment with livekit-agents and livekit-plugins-openai"
openai = pytest.importorskip("livekit.plugins.openai", reason=NEEDED)
rtc = pytest.importorskip("livekit.rtc", reason=NEEDED)
http_context = pytest.importorskip("livekit.agents.utils.http_context", reason=NEEDED)

FRAME = 800
LIMIT_S = 40


@pytest.fixture(scope="module")
def server(start):
    return start("--backend", "fake").ready()


@pytest.mark.parametrize("model", ["gpt-4o-mini-transcribe", "gpt-realtime-whisper"])
def test_it_hears_each_turn_once(server, recordings, model):
    """The second model is known to find no turns: then the client commits at a flush."""
    spoken = next(each.audio for each in recordings if each.name == "flite-013.flac")
    audio = np.concatenate([spoken, np.zeros(16_000, np.int16)])

    async def speak(stream):
        for _ in range(2):
            for at in range(0, len(audio), FRAME):
                part = audio[at : at + FRAME]
                stream.push_frame(rtc.AudioFrame(part.tobytes(), 16_000, 1, len(part)))
                await asyncio.sleep(0.005)
            stream.flush()
        stream.end_input()

    async def scenario():
        async with http_context.open():
            stt = openai.STT(model=model, use_realtime=True, base_url=f"{server.url}/v1", api_key="x", language="en")
            stream, events = stt.stream(), []
            speaking = asyncio.create_task(speak(stream))
            async for event in stream:
                events.append((event.type.name, event.alternatives[0].text if event.alternatives else None))
                if sum(name == "FINAL_TRANSCRIPT" for name, _ in events) == 2:
                    break
            await speaking
            await stream.aclose()
            return events

    events = play(scenario(), LIMIT_S)
    assert [text for name, text in events if name == "FINAL_TRANSCRIPT"] == ["w0 w1 w2", "w4 w5 w6"]
    assert [name for name, _ in events if name.endswith("OF_SPEECH")] == ["START_OF_SPEECH", "END_OF_SPEECH"] * 2
    assert any(name == "INTERIM_TRANSCRIPT" for name, _ in events)
