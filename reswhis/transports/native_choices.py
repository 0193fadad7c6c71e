"""What a client of the native protocol may choose, measured against what the server has: fields in, an ``Open`` out.

Keeps nothing; :mod:`.native` asks, and keeps what has been chosen in :class:`Terms`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.core.errors import ClientError
from reswhis.core.languages import LANGUAGES, language_code
from reswhis.core.online import StreamOptions
from reswhis.core.types import DecodeOptions
from reswhis.server.sharing import Sharing

from .codec import Defaults, Open
from .native_messages import Configure, Start


@dataclass(slots=True)
class Terms:
    """What client and server are agreed on by now: :mod:`.native` writes it, :mod:`.native_encoding` reads it."""

    asked: Start
    open: Open
    model: BackendInfo | None
    """None as long as nobody knows."""
    options: StreamOptions
    partials: bool = True
    full: bool = False
    speaks_json: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """What clients may choose from. Every method raises ClientError for what is not in it."""

    defaults: Defaults
    sharing: Sharing | None
    """With those who read along, if the client asks for that; None: nobody can."""

    def model(self, name: str) -> BackendInfo | None:
        """None: one that is loaded only when it is used, and is not known before."""
        own, further = self.defaults.info, self.defaults.further_models
        if name in {"", own.model}:
            return own
        if name in further:
            return None
        raise ClientError(
            f"model: this server has {', '.join([own.model, *further])}", code="unknown_model", param="model"
        )

    def opening(self, asked: Start, model: BackendInfo | None) -> Open:
        config = self.defaults.config
        if asked.policy is not None:
            config = replace(config, policy=replace(config.policy, name=asked.policy))
        if asked.multilingual is not None:
            config = replace(config, multilingual=asked.multilingual)
        audio = AudioFormat(asked.audio.encoding, asked.audio.sample_rate, asked.audio.channels)
        options = self.changed(self.defaults.options, asked, model)
        return Open(audio, config, options, self._shared() if asked.captions else None)

    def changed(self, options: StreamOptions, change: Start | Configure, model: BackendInfo | None) -> StreamOptions:
        decode, endpointing = options.decode, options.endpointing
        if change.language is not None:
            decode = replace(decode, language=_language(change.language))
        if change.task is not None:
            decode = replace(decode, task=change.task)
        if change.hotwords is not None:
            decode = replace(decode, hotwords=change.hotwords)
        if change.beam_size is not None:
            decode = replace(decode, beam_size=change.beam_size)
        if change.encoder_context is not None:
            decode = replace(decode, encoder_context=change.encoder_context)
        self.check(decode, model)
        if change.vad_threshold is not None:
            endpointing = replace(endpointing, threshold=change.vad_threshold)
        if change.endpoint_ms is not None:
            endpointing = replace(endpointing, min_silence_s=change.endpoint_ms / 1000)
        return replace(
            options,
            decode=decode,
            endpointing=endpointing,
            prompt=options.prompt if change.prompt is None else change.prompt,
            vad=options.vad if change.vad is None else change.vad,
        )

    def check(self, decode: DecodeOptions, model: BackendInfo | None) -> None:
        """What the model cannot do, and what costs more than the server is set to, is not in the offer."""
        own = self.defaults.options.decode
        if model is not None:
            _require_able(model, decode)
        if decode.beam_size > own.beam_size:
            message = f"beam_size: this server has {own.beam_size} at most"
            raise ClientError(message, code="unsupported", param="beam_size")
        if own.encoder_context == "dynamic" != decode.encoder_context:
            message = f"encoder_context: this server has {own.encoder_context} alone"
            raise ClientError(message, code="unsupported", param="encoder_context")

    def _shared(self) -> Sharing:
        if self.sharing is None:
            raise ClientError("captions: this server has none", code="unsupported", param="captions")
        return self.sharing


def _language(asked: str) -> str | None:
    if asked.strip().lower() in {"", "auto"}:
        return None
    code = language_code(asked)
    if code is None:
        raise ClientError(
            "language: not a language that Whisper knows, by code or English name",
            code="unsupported_language",
            param="language",
        )
    return code


def _require_able(model: BackendInfo, decode: DecodeOptions) -> None:
    languages = model.languages
    if decode.language is not None and languages is not None and decode.language not in languages:
        known = f"only {LANGUAGES['en']}" if languages == {"en"} else f"no {LANGUAGES[decode.language]}"
        raise ClientError(f"language: this model knows {known}", code="unsupported_language", param="language")
    if decode.task == "translate" and not model.translates:
        raise ClientError("task: this model does not translate", code="unsupported", param="task")
