"""pipecat's service for OpenAI's files against a real server: each utterance is a request."""

import asyncio
from pathlib import Path

import pytest
import soundfile

from reswhis.core.types import SAMPLE_RATE

pytestmark = pytest.mark.conformance

RECORDING = Path(__file__).parents[1] / "recordings" / "flite-013.flac"


@pytest.fixture(scope="module")
def server(start):
    return start("--backend", "fake", "--api-key", "sesame").ready()


@pytest.mark.parametrize("model", [None, "whisper-1"])
def test_pipecat_sends_each_utterance_as_a_file(server, model):
    stt = pytest.importorskip("pipecat.services.openai.stt", reason="needs `bash .ci/conformance`")
    from pipecat.frames.frames import (
        ErrorFrame,
        InputAudioRawFrame,
        TranscriptionFrame,
        VADUserStartedSpeakingFrame,
        VADUserStoppedSpeakingFrame,
    )
    from pipecat.pipeline.worker import PipelineParams
    from pipecat.tests.utils import SleepFrame, run_test

    settings = stt.OpenAISTTService.Settings(model=model) if model else None
    service = stt.OpenAISTTService(api_key="sesame", base_url=f"{server.url}/v1", settings=settings)
    audio, _ = soundfile.read(RECORDING, dtype="int16")
    spoken = [InputAudioRawFrame(audio[at : at + 320].tobytes(), SAMPLE_RATE, 1) for at in range(0, len(audio), 320)]
    utterance = [VADUserStartedSpeakingFrame(), *spoken, VADUserStoppedSpeakingFrame(), SleepFrame(2)]
    down, up = asyncio.run(
        run_test(
            service,
            frames_to_send=[SleepFrame(1), *utterance, *utterance],
            pipeline_params=PipelineParams(audio_in_sample_rate=SAMPLE_RATE),
            start_timeout=10,
        )
    )
    assert not [frame for frame in [*down, *up] if isinstance(frame, ErrorFrame)]
    texts = [frame.text for frame in down if isinstance(frame, TranscriptionFrame)]
    assert len(texts) == 2
    assert all(text.split()[:3] == ["w0", "w1", "w2"] for text in texts)
