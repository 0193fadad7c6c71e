"""What an OpenAI Realtime session is set to: what its client asks for, applied to the server's own. Pure; no messages.

Called by :mod:`.openai_realtime`, which tells the client the outcome in its own dialect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.core.endpointing import EndpointingConfig
from reswhis.core.errors import ClientError
from reswhis.core.languages import LANGUAGES, language_code
from reswhis.core.online import StreamOptions

from .codec import Defaults
from .openai_realtime_messages import Change, Format, Transcription, TurnDetection

PCM_RATE = 24_000
G711 = {"audio/pcmu": AudioFormat("mulaw", 8_000), "audio/pcma": AudioFormat("alaw", 8_000)}
QUERY_FORMATS = {
    "pcm16": AudioFormat("pcm_s16le", PCM_RATE),
    "g711_ulaw": G711["audio/pcmu"],
    "g711_alaw": G711["audio/pcma"],
    "pcm_s16le_16000": AudioFormat(),
}
"""Clients that send no update say it in the address."""
WITHOUT_TURNS = frozenset({"gpt-realtime-whisper", "gpt-live-transcribe"})
"""Models of OpenAI's that find no turns: whoever names them and says nothing of turns commits by itself."""
OPENAI_MODELS = ("gpt-", "whisper-1")
"""How names begin that clients have from OpenAI: here they mean the server's own model."""
PROMPT_CHARS = 1000
SHORTEST_SILENCE_S, LONGEST_SILENCE_S = 0.05, 10.0
LONGEST_PADDING_S = 2.0
EAGERNESS = {"low": 2.0, "high": 0.5}
"""How many times the server's own silence ends a turn."""


@dataclass(frozen=True, slots=True)
class Session:
    """What is in force. ``options.vad``: the server finds the turns; otherwise the client commits."""

    audio: AudioFormat
    options: StreamOptions
    padding_s: float
    further_model: str = ""
    """Empty: the server's own."""
    says_turns: bool = False
    """Whether the client has said who finds the turns."""


def initial(query: Mapping[str, str], defaults: Defaults) -> Session:
    """What it is before any update. What the address asks for and is not known here is another server's."""
    audio = QUERY_FORMATS.get(query.get("input_audio_format", ""), QUERY_FORMATS["pcm16"])
    session = Session(audio, defaults.options, defaults.config.preroll_s)
    if query.get("model") in defaults.further_models:
        session = replace(session, further_model=query["model"])
    if query.get("turn_detection") == "none":
        return _with_turns(session, None, defaults)
    return _without_turns_of(session, query.get("model"))


def updated(session: Session, change: Change, defaults: Defaults) -> Session:
    """Raises ClientError, with the parameter that is wrong; then nothing has changed."""
    if change.format is not None:
        try:
            session = replace(session, audio=_audio(change.format))
        except ClientError as exc:
            raise ClientError(str(exc), code="unsupported_audio", param=change.path("format")) from exc
    if "transcription" in change.named:
        asked = change.transcription or _NOTHING
        session = _with_transcription(session, asked, defaults, change.path("transcription"))
    if "turn_detection" in change.named:
        session = _with_turns(session, change.turn_detection, defaults)
    return session


def require_language(model: BackendInfo, session: Session, param: str) -> None:
    """Raises ClientError if the model does not know the language."""
    language = session.options.decode.language
    if language is not None and model.languages is not None and language not in model.languages:
        knows = f"only {LANGUAGES['en']}" if model.languages == {"en"} else f"no {LANGUAGES[language]}"
        raise ClientError(f"language: this model knows {knows}", code="unsupported_language", param=param)


_NOTHING = Transcription(model="", language=None, prompt=None, keywords=None)
"""Null: as the server is configured."""


def _audio(asked: Format) -> AudioFormat:
    return G711.get(asked.type) or AudioFormat("pcm_s16le", PCM_RATE if asked.rate is None else asked.rate)


def _with_transcription(session: Session, asked: Transcription, defaults: Defaults, param: str) -> Session:
    decode, prompt = session.options.decode, session.options.prompt
    own = defaults.options
    said = asked.model_fields_set
    if asked.model is not None:
        session = replace(session, further_model=_further_model(asked.model, defaults, f"{param}.model"))
        session = _without_turns_of(session, asked.model)
    if "language" in said or "languages" in said:
        decode = replace(decode, language=_language(asked, own.decode.language, param))
    if "keywords" in said:
        hotwords = own.decode.hotwords if asked.keywords is None else ", ".join(asked.keywords)
        decode = replace(decode, hotwords=hotwords[:PROMPT_CHARS])
    if "prompt" in said:  # Whisper, too, looks at the end of a long one
        prompt = own.prompt if asked.prompt is None else asked.prompt[-PROMPT_CHARS:]
    session = replace(session, options=replace(session.options, decode=decode, prompt=prompt))
    if not session.further_model:
        require_language(defaults.info, session, f"{param}.language")
    return session


def _further_model(name: str, defaults: Defaults, param: str) -> str:
    if name in defaults.further_models:
        return name
    if name in {"", defaults.info.model} or name.startswith(OPENAI_MODELS):
        return ""
    names = ", ".join([defaults.info.model, *defaults.further_models])
    raise ClientError(f"model: this server has {names}", code="model_not_found", param=param)


def _language(asked: Transcription, own: str | None, param: str) -> str | None:
    """Of several one is detected, as of none."""
    if asked.language is None and not asked.languages:
        return own
    several = [asked.language] if asked.language else asked.languages or []
    codes = {_code(name, f"{param}.language") for name in several}
    return codes.pop() if len(codes) == 1 else None


def _code(name: str, param: str) -> str | None:
    if name.strip().lower() in {"", "auto"}:
        return None
    code = language_code(name) or language_code(name.replace("_", "-").partition("-")[0])  # en-US
    if code is None:
        message = "language: not a language that Whisper knows, by code or English name"
        raise ClientError(message, code="unsupported_language", param=param)
    return code


def _without_turns_of(session: Session, model: str | None) -> Session:
    if session.says_turns or model not in WITHOUT_TURNS:
        return session
    return replace(session, options=replace(session.options, vad=False))


def _with_turns(session: Session, asked: TurnDetection | None, defaults: Defaults) -> Session:
    session = replace(session, says_turns=True)
    if asked is None:
        return replace(session, options=replace(session.options, vad=False))
    own, turns = defaults.options.endpointing, session.options.endpointing
    if asked.type == "semantic_vad":
        silence_s = own.min_silence_s * EAGERNESS.get(asked.eagerness or "auto", 1.0)
        turns = replace(turns, min_silence_s=_between(SHORTEST_SILENCE_S, silence_s, LONGEST_SILENCE_S))
    else:
        turns = _turns(turns, asked)
    if asked.prefix_padding_ms is not None:  # never less than the server's: the first sound would be missed
        asked_s = min(asked.prefix_padding_ms / 1000, LONGEST_PADDING_S)
        session = replace(session, padding_s=max(defaults.config.preroll_s, asked_s))
    return replace(session, options=replace(session.options, vad=True, endpointing=turns))


def _turns(turns: EndpointingConfig, asked: TurnDetection) -> EndpointingConfig:
    if asked.threshold is not None:
        turns = replace(turns, threshold=asked.threshold, release=None)
    if asked.silence_duration_ms is not None:
        silence_s = _between(SHORTEST_SILENCE_S, asked.silence_duration_ms / 1000, LONGEST_SILENCE_S)
        turns = replace(turns, min_silence_s=silence_s)
    return turns


def _between(low: float, value: float, high: float) -> float:
    return max(low, min(value, high))
