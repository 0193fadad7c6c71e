"""Whisper in the cloud, or on any server of OpenAI's API: each window is one request with its audio.

The official client of the API sends; :mod:`.openai_answers` reads what comes back. What is heard leaves this machine,
so the start says whereto. Nothing is asked of the server before there is a window: requests cost money. Beam size and
encoder context are hints that the API has no use for; a device and a number type of this machine are refused.
"""

from __future__ import annotations

import io
import json
import logging
import re
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from reswhis.core.errors import BackendError, ConfigurationError
from reswhis.core.languages import LANGUAGES
from reswhis.core.types import SAMPLE_RATE, Hypothesis, Samples, Window, samples

from .base import BackendConfig, BackendInfo, Choice
from .model_formats import CTRANSLATE2
from .openai_answers import hypothesis
from .registry import Report

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI, OpenAIError

logger = logging.getLogger(__name__)

WHISPER = "whisper-1"
OF_OPENAI = "openai.com"
NO_KEY = "none"
"""What is sent where no key is needed: the client wants some."""

DEADLINE_S = 30.0
"""For a window, with all that is tried again."""
CONNECT_S = 5.0
ATTEMPTS = 4
PAUSE_S = 0.5
"""Before the second attempt; then twice as long each time, unless the server says how long."""

SHORTEST = samples(0.2)
"""The API refuses less than 0.1 s."""
PROMPT_CHARS = 400
"""The model looks at the last 224 tokens of a prompt. Of what was said before, so that hotwords are among them."""

_KEY = re.compile(r"[!-~]+")


def check(config: BackendConfig) -> None:
    host = _host(config.openai_base_url)
    key = config.openai_api_key
    if not key and _is_openai(host):
        raise ConfigurationError(
            "openai-whisper needs a key of OpenAI's API: set OPENAI_API_KEY, "
            "or OPENAI_BASE_URL to the address of another server."
        )
    if key and not _KEY.fullmatch(key):
        raise ConfigurationError("OPENAI_API_KEY is not a key: it has blanks or letters beyond ASCII.")
    if config.device != "auto" or config.compute_type != "auto":
        raise ConfigurationError("openai-whisper decodes on a server; leave --device and --compute-type away.")
    if Path(config.model).is_absolute():
        raise ConfigurationError(f"openai-whisper takes the name of a model of the server, not {config.model}.")
    if config.task == "translate" and not _translates(_model(config), host):
        raise ConfigurationError(f"The model {config.model} of OpenAI does not translate; choose {WHISPER}.")


def choose(config: BackendConfig, report: Report) -> Choice:
    check(config)
    host, model = _host(config.openai_base_url), _model(config)
    logger.info("what is heard is sent to %s", host)
    info = BackendInfo("openai-whisper", model, "remote", "none", translates=_translates(model, host))
    return Choice(info, MakeOpenaiWhisper(model, config.openai_base_url, config.openai_api_key or NO_KEY))


def _model(config: BackendConfig) -> str:
    """Sizes are those of models on this machine: the API has one Whisper, under one name."""
    return WHISPER if config.model == "auto" or config.model in CTRANSLATE2.sizes else config.model


def _host(base_url: str) -> str:
    """Raises ConfigurationError, which does not repeat the address: there may be a password in it."""
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError("OPENAI_BASE_URL must be an address such as http://localhost:8001/v1.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return host if port is None else f"{host}:{port}"


def _is_openai(host: str) -> bool:
    name = host.partition(":")[0]
    return name == OF_OPENAI or name.endswith(f".{OF_OPENAI}")


def _translates(model: str, host: str) -> bool:
    """Of other servers nothing is known."""
    return model == WHISPER or not _is_openai(host)


@dataclass(frozen=True, slots=True)
class MakeOpenaiWhisper:
    model: str
    base_url: str
    key: str = field(repr=False)
    deadline_s: float = DEADLINE_S

    def __call__(self, worker: int) -> OpenaiWhisper:
        from openai import OpenAI

        client = OpenAI(api_key=self.key, base_url=self.base_url, max_retries=0)
        _ = client.audio.transcriptions  # else the first words would wait for its import
        return OpenaiWhisper(client, self.model, _host(self.base_url), self.deadline_s)


class OpenaiWhisper:
    max_batch = 1

    def __init__(self, client: OpenAI, model: str, host: str, deadline_s: float) -> None:
        self._client = client
        self._model = model
        self._host = host
        self._deadline_s = deadline_s
        self._has_times = True
        """False once the server has said that this model answers with text alone."""

    def batch_key(self, window: Window) -> Hashable:
        return window.options

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis | BackendError]:
        return [self._attempt(window) for window in windows]

    def close(self) -> None:
        self._client.close()

    def _attempt(self, window: Window) -> Hypothesis | BackendError:
        language = window.options.language
        if language is not None and language not in LANGUAGES:
            return BackendError(f"no such language: {language!r}")
        if len(window.audio) == 0:
            return Hypothesis()
        try:
            return hypothesis(self._ask(window), window)
        except BackendError as error:
            return error

    def _ask(self, window: Window) -> object:
        """The server's answer, also after it was busy or gone for a while."""
        from openai import APIStatusError, OpenAIError

        upload = _flac(window.audio)
        deadline = time.monotonic() + self._deadline_s
        attempt = 1
        while True:
            try:
                return self._request(window, upload, deadline - time.monotonic())
            except OpenAIError as error:
                if self._has_times and isinstance(error, APIStatusError) and _is_about_times(error):
                    self._has_times = False
                    continue
                pause = _pause_s(error, attempt)
                if pause is None or attempt == ATTEMPTS or time.monotonic() + pause >= deadline:
                    # Without its cause: what a server says can have parts of the key, and of what was said.
                    raise BackendError(self._sentence(error)) from None
                time.sleep(pause)
                attempt += 1

    def _request(self, window: Window, upload: bytes, within_s: float) -> object:
        from openai import Timeout

        asked: dict[str, Any] = {
            "file": ("audio.flac", upload, "audio/flac"),
            "model": self._model,
            "response_format": "verbose_json" if self._has_times else "json",
            "temperature": window.options.temperature or 0,
            "timeout": Timeout(within_s, connect=min(CONNECT_S, within_s)),
        }
        if prompt := f"{window.options.hotwords} {window.prompt[-PROMPT_CHARS:]}".strip():
            asked["prompt"] = prompt
        if window.options.task == "translate":
            response = self._client.audio.translations.with_raw_response.create(**asked)
        else:
            if window.options.language is not None:
                asked["language"] = window.options.language
            if self._has_times:
                asked["timestamp_granularities"] = ["word", "segment"] if window.options.word_times else ["segment"]
            response = self._client.audio.transcriptions.with_raw_response.create(**asked)
        try:
            return json.loads(response.http_response.content)
        except ValueError:
            raise BackendError(f"{self._host} answers with something else than JSON: is it OpenAI's API?") from None

    def _sentence(self, error: OpenAIError) -> str:
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        host = self._host
        match error:
            case APITimeoutError():
                return f"{host} does not answer in time"
            case APIConnectionError():
                return f"{host} cannot be reached"
            case APIStatusError(status_code=401):
                return f"{host} refuses the key: check OPENAI_API_KEY"
            case APIStatusError(status_code=403):
                return f"{host} does not let this key use the model {self._model}"
            case APIStatusError(status_code=404):
                return f"{host} has no model {self._model}, or OPENAI_BASE_URL lacks its end, which mostly is /v1"
            case APIStatusError(code="insufficient_quota"):
                return f"{host} says that the account has no credit left"
            case APIStatusError(code="unsupported_language"):
                return f"{host} does not know the language of the window"
            case APIStatusError(status_code=429):
                return f"{host} has had too many requests: a larger --minimum-chunk-size makes fewer"
            case APIStatusError(status_code=status):
                return f"{host} answers with the error {status}"
        return f"the request to {host} failed"


def _flac(audio: Samples) -> bytes:
    """Half of what a WAV file has to carry, and as exact."""
    import soundfile

    if len(audio) < SHORTEST:
        audio = np.concatenate((audio, np.zeros(SHORTEST - len(audio), audio.dtype)))
    file = io.BytesIO()
    soundfile.write(file, audio, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _is_about_times(error: APIStatusError) -> bool:
    asked = ("response_format", "timestamp_granularities", "timestamp_granularities[]")
    return error.status_code in (400, 422) and error.param in asked


def _pause_s(error: OpenAIError, attempt: int) -> float | None:
    """How long to wait before asking again; None if that is of no use."""
    from openai import APIConnectionError, APIStatusError

    pause: float = PAUSE_S * 2 ** (attempt - 1)
    if isinstance(error, APIConnectionError):
        return pause
    if not isinstance(error, APIStatusError) or error.code == "insufficient_quota":
        return None
    if error.response.headers.get("x-should-retry") == "false":
        return None
    if error.status_code not in (408, 409, 429) and error.status_code < 500:
        return None
    try:
        return max(0.0, float(error.response.headers["retry-after"]))
    except (KeyError, ValueError):  # it may also be a date
        return pause
