"""How much each frame of a stream sounds like speech, by Silero VAD v6. Finds no boundaries: that is endpointing.

Source: https://github.com/snakers4/silero-vad. The model file comes with faster-whisper, which is not imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from reswhis.core.endpointing import FRAME
from reswhis.core.errors import ConfigurationError
from reswhis.core.types import Samples

CONTEXT = 64
"""Samples of the frame before that the model sees again with each."""
STATE_SHAPE = (1, 1, 128)
FRAMES_AT_ONCE = 32
"""1 s. More at once costs memory, and is no faster."""


Tensor = npt.NDArray[np.float32]


class _Session(Protocol):
    """onnxruntime's session, as far as it is used here."""

    def run(self, outputs: None, inputs: Mapping[str, Tensor], /) -> Sequence[Tensor]: ...


class SileroVAD:
    """The model, shared by all streams and by any number of threads. Raises ConfigurationError if it is not there."""

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False  # it would keep what the longest call ever needed
        options.log_severity_level = 3
        self._session: _Session = onnxruntime.InferenceSession(
            str(_model_path()), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def stream(self) -> VadStream:
        return VadStream(self._session)


class VadStream:
    """The state of one stream. Blocking, 1 to 3 ms per second of audio: for a worker thread, one call at a time."""

    def __init__(self, session: _Session) -> None:
        self._session = session
        self._audio: Samples = np.zeros(CONTEXT, np.int16)  # context, and what does not fill a frame yet
        self._h = np.zeros(STATE_SHAPE, np.float32)
        self._c = np.zeros(STATE_SHAPE, np.float32)

    def score(self, samples: Samples) -> list[float]:
        """The probability of speech, 0 to 1, of every frame of 512 samples that ``samples`` completes."""
        audio = np.concatenate((self._audio, samples))
        count = (len(audio) - CONTEXT) // FRAME
        self._audio = audio[count * FRAME :].copy()
        probabilities: list[float] = []
        for first in range(0, count, FRAMES_AT_ONCE):
            last = min(first + FRAMES_AT_ONCE, count)
            part = audio[first * FRAME : last * FRAME + CONTEXT].astype(np.float32) / np.float32(32768)
            # Not sliding_window_view, which takes long for so few frames, and holds the interpreter lock meanwhile.
            frames = np.empty((last - first, CONTEXT + FRAME), np.float32)
            frames[:, :CONTEXT] = part[:-CONTEXT].reshape(-1, FRAME)[:, :CONTEXT]
            frames[:, CONTEXT:] = part[CONTEXT:].reshape(-1, FRAME)
            inputs = {"input": frames, "h": self._h, "c": self._c}
            speech, self._h, self._c = self._session.run(None, inputs)
            probabilities += speech.tolist()
        return probabilities


def _model_path() -> Path:
    package = importlib.util.find_spec("faster_whisper")  # finding a top-level package does not import it
    for folder in (package and package.submodule_search_locations) or ():
        if (path := Path(folder, "assets", "silero_vad_v6.onnx")).is_file():
            return path
    raise ConfigurationError("The voice detector's model is missing: install faster-whisper 1.2.1 or later.")
