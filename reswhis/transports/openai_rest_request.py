"""What a request for a transcription asks for, from the fields of its form. Pure: reads no body and no file.

Source: OpenAI's API reference, and what its clients send: lists as ``name[]``, objects as ``name[key]``, numbers and
truth values as text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reswhis.backends.base import BackendInfo
from reswhis.core.config import StreamOptions
from reswhis.core.errors import ClientError
from reswhis.core.languages import LANGUAGES, language_code
from reswhis.core.types import DecodeOptions

from .openai_realtime_session import OPENAI_MODELS

WHISPER = "whisper-1"
"""Of OpenAI's names the one that a list of models shows, since programs look there for one that they know."""
FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
GRANULARITIES = ("word", "segment")
TRUTHS = {"true": True, "1": True, "false": False, "0": False, "": False}
MAX_PROMPT = 1000
"""Characters; of a longer one the end counts, as with Whisper itself."""
MAX_HOTWORDS = 1000

Fields = Mapping[str, list[str]]
"""By their names without ``[]``."""


@dataclass(frozen=True, slots=True)
class Asked:
    model: str
    """A name that is not the server's own model's, or empty for that."""
    options: StreamOptions
    form: str = "json"
    granularities: frozenset[str] = frozenset({"segment"})
    streams: bool = False
    logprobs: bool = False

    @property
    def task(self) -> str:
        return self.options.decode.task


def fields_of(pairs: Iterable[tuple[str, str]]) -> Fields:
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name.removesuffix("[]"), []).append(value)
    return fields


def parse(fields: Fields, task: str, defaults: StreamOptions, own: str, further: tuple[str, ...]) -> Asked:
    """Raises ClientError.

    Args:
        defaults: what the server has without being asked.
        own: name of the server's own model; ``further``: of those that may be asked for as well.
    """
    if not (model := _last(fields, "model")):
        raise _missing("model")
    return Asked(
        model=known_model(model, own, further),
        options=_options(fields, task, defaults),
        form=_form(_last(fields, "response_format") or "json"),
        granularities=_granularities(fields.get("timestamp_granularities", [])),
        streams=task == "transcribe" and _truth(fields, "stream"),
        logprobs="logprobs" in fields.get("include", []),
    )


def require_able(model: BackendInfo, decode: DecodeOptions) -> None:
    """Raises ClientError for what the model cannot do."""
    if decode.language is not None and model.languages is not None and decode.language not in model.languages:
        known = ", ".join(sorted(model.languages))
        message = f"The model '{model.model}' does not know {LANGUAGES[decode.language]}; it knows: {known}."
        raise ClientError(message, code="unsupported_language", param="language")
    if decode.task == "translate" and not model.translates:
        raise ClientError(f"The model '{model.model}' does not translate.", code="unsupported_model", param="model")


def _last(fields: Fields, name: str) -> str:
    return fields.get(name, [""])[-1].strip()


def known_model(name: str, own: str, further: tuple[str, ...]) -> str:
    """The same, or nothing for the server's own, which all of OpenAI's names mean too. Raises ClientError."""
    if name in further:
        return name
    if name == own or name.startswith(OPENAI_MODELS):
        return ""
    there_are = ", ".join(model_names(own, further))
    raise ClientError(
        f"The model '{name[:100]}' does not exist: this server has {there_are}.", code="model_not_found", param="model"
    )


def model_names(own: str, further: tuple[str, ...]) -> list[str]:
    """Those that a list of models shows."""
    return list(dict.fromkeys([own, WHISPER, *further]))


def _options(fields: Fields, task: str, defaults: StreamOptions) -> StreamOptions:
    decode = replace(defaults.decode, task=task, temperature=_number(fields, "temperature", 0, 1, 0.0))
    languages = [*fields.get("language", [])[-1:], *fields.get("languages", [])]
    if len(languages) == 1:
        decode = replace(decode, language=_language(languages[0]))
    elif languages:  # one of several: which, is heard
        decode = replace(decode, language=None)
    terms = [*fields.get("hotwords", []), *fields.get("keywords", [])]
    if terms:
        decode = replace(decode, hotwords=", ".join(terms)[:MAX_HOTWORDS])
    prompt = fields.get("prompt", [defaults.prompt])[-1]
    # A file has nobody who could end its utterances instead.
    return replace(_endpointing(fields, defaults), decode=decode, prompt=prompt[-MAX_PROMPT:], vad=True)


def _endpointing(fields: Fields, defaults: StreamOptions) -> StreamOptions:
    name = "chunking_strategy"
    if (kind := _last(fields, name) or _last(fields, f"{name}[type]")) not in ("", "auto", "server_vad"):
        raise _not_one_of(name, kind, ("auto", "server_vad"))
    endpointing = defaults.endpointing
    threshold = _number(fields, f"{name}[threshold]", 0.01, 0.99, endpointing.threshold)
    silence = _number(fields, f"{name}[silence_duration_ms]", 100, 10_000, endpointing.min_silence_s * 1000)
    return replace(defaults, endpointing=replace(endpointing, threshold=threshold, min_silence_s=silence / 1000))


def _language(text: str) -> str | None:
    text = text.strip()
    if text.lower() in ("", "auto"):
        return None
    code = language_code(text) or language_code(text.replace("_", "-").partition("-")[0])  # also en-US
    if code is None:
        message = f"Language '{text}' is not supported: it is to be a code such as 'en', or an English name."
        raise ClientError(message, code="unsupported_language", param="language")
    return code


def _form(name: str) -> str:
    if name not in FORMATS:
        raise _not_one_of("response_format", name, FORMATS)
    return name


def _granularities(names: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(part.strip() for name in names for part in name.split(",")) - {""}
    if wrong := wanted - frozenset(GRANULARITIES):
        raise _not_one_of("timestamp_granularities", min(wrong), GRANULARITIES)
    return wanted or frozenset({"segment"})


def _truth(fields: Fields, name: str) -> bool:
    text = _last(fields, name).lower()
    if text not in TRUTHS:
        raise _not_one_of(name, text, ("true", "false"))
    return TRUTHS[text]


def _number(fields: Fields, name: str, low: float, high: float, otherwise: float) -> float:
    if not (text := _last(fields, name)):
        return otherwise
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise ClientError(f"'{name}' must be a number from {low:g} to {high:g}.", code="invalid_value", param=name)
    return number


def _missing(name: str) -> ClientError:
    return ClientError(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)


def _not_one_of(name: str, value: str, allowed: Iterable[str]) -> ClientError:
    names = ", ".join(f"'{each}'" for each in allowed)
    return ClientError(
        f"Invalid value: '{value[:100]}'. Supported values are: {names}.", code="invalid_value", param=name
    )
