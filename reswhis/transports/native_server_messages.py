"""What the server says in the native protocol, field by field.

No behaviour: :mod:`.native_encoding` builds these dicts, which the type checker compares with what stands here, so that
nothing is checked while streams wait. :mod:`.native_schema` makes the protocol's schema of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from reswhis.audio.pcm import HIGHEST_RATE, LOWEST_RATE, SAMPLE_BYTES
from reswhis.core.commit import POLICIES
from reswhis.core.events import Reason
from reswhis.core.guard import Doubt
from reswhis.core.types import ENCODER_CONTEXTS, TASKS

ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "bad_json": "the text is not JSON",
        "unknown_type": "the text is JSON, but none of the client's messages",
        "invalid_request": "a field is unknown, missing or has a value that is not allowed",
        "unsupported_audio": "an encoding, a sample rate or a number of channels that the server does not take",
        "unsupported_language": "not a language, or none that this model knows",
        "unsupported": "a task that this model cannot do, or a decoding that costs more than the server's own",
        "unknown_model": "a model that the server does not have, nor loads for its clients",
        "model_unavailable": "the model that was asked for cannot be had; the server's own can",
        "overloaded": "there is no room for that model now, or it takes long to load: try again after `retry_after_s`",
        "already_started": "a second `start`",
        "start_after_audio": "a `start` after the first audio",
        "already_finished": "a message after `finish`",
        "audio_after_finish": "audio after `finish`",
        "frame_too_large": "a binary frame or a text that is longer than allowed",
        "decode_failed": "the recogniser failed on a stretch of audio, from `start_ms` to `end_ms`",
        "idle_timeout": "the client has sent nothing for `idle_timeout_s`",
        "session_limit": "the session has lasted `max_session_s`, or has had 500000 messages other than partials",
        "server_restart": "the server stops before all was decoded",
        "engine_stopped": "the recogniser has failed for good",
        "internal_error": "a fault of the server",
    }
)
"""Code → meaning."""
NEVER_FATAL = frozenset({"unknown_type", "already_started", "start_after_audio", "already_finished", "decode_failed"})
REASONS: Mapping[str, str] = MappingProxyType(
    {
        Reason.AGREEMENT.value: "decodes in a row agree on them",
        Reason.ATTENTION.value: "the model heard them well before the end of the audio so far",
        Reason.ENDPOINT.value: "the speaker has paused",
        Reason.FLUSH.value: "the client has said `flush`",
        Reason.FINISH.value: "the client has said `finish`, or its connection ends by an error",
        Reason.IDLE.value: "the client has sent nothing for `idle_flush_s`, two seconds unless configured",
        Reason.CUT.value: "the utterance is as long as it may be, 28 s",
        Reason.FORCED.value: "nothing better will come: a decode failed or was empty, or decodes go on disagreeing",
        Reason.DRAIN.value: "the server is being stopped",
        Reason.DISCONNECT.value: "the client has gone without `finish`; said to whoever reads on",
    }
)
"""Why words are final → meaning."""

DOUBTS = tuple(doubt.value for doubt in Doubt)
WHY_DOUBTED = (
    "Why. `no_speech`: the recogniser itself says that nobody spoke. `silence`: the voice detector heard nobody there. "
    "`uncertain`: neither of them was sure. `loop`: the same again and again, faster than anyone can speak. "
    "`crowded`: more words than anyone can say in the time. `bunched`: several words at one time, or that take none."
)

Count = Annotated[int, Field(ge=0)]
Number = Annotated[int, Field(ge=1)]
Ms = Annotated[int, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Numbering(TypedDict):
    """What every message has beside its type."""

    seq: Annotated[Number, Field(description="Number of the message: 1, then one more each time, without a gap.")]
    audio_ms: Annotated[Ms, Field(description="Milliseconds of audio that had been received when it was said.")]


class Audio(TypedDict):
    """What the server takes the binary frames for."""

    encoding: Annotated[Literal[tuple(SAMPLE_BYTES)], Field(description="How a sample is written.")]  # type: ignore[valid-type]
    sample_rate: Annotated[int, Field(ge=LOWEST_RATE, le=HIGHEST_RATE, description="In Hz.")]
    channels: Annotated[int, Field(ge=1, le=2, description="2 are mixed down.")]


class Limits(TypedDict):
    """Beyond which a connection ends."""

    max_frame_bytes: Annotated[int, Field(ge=1, description="Bytes of the longest binary frame.")]
    idle_timeout_s: Annotated[float, Field(gt=0, description="Seconds without any frame.")]
    max_session_s: Annotated[float, Field(gt=0, description="Seconds that it lasts.")]


class InForce(TypedDict):
    """The settings that a client can choose, as they are now."""

    language: Annotated[str, Field(description="Code of the language that is spoken, or `auto`: it is detected.")]
    task: Annotated[Literal[TASKS], Field(description="`translate`: into English.")]  # type: ignore[valid-type]
    prompt: Annotated[str, Field(description="Text that the recogniser takes for what was said before.")]
    hotwords: Annotated[str, Field(description="Words to be expected.")]
    beam_size: Annotated[Number, Field(description="Alternatives that are followed.")]
    encoder_context: Annotated[
        Literal[ENCODER_CONTEXTS],  # type: ignore[valid-type]
        Field(description="What is encoded: 30 s, or no more than the audio."),
    ]
    vad: Annotated[bool, Field(description="Whether silence ends an utterance.")]
    vad_threshold: Annotated[Probability, Field(description="Probability of speech from which audio is speech.")]
    endpoint_ms: Annotated[Ms, Field(description="Milliseconds of silence that end an utterance.")]
    partials: Annotated[bool, Field(description="Whether `partial` is sent.")]


class Ready(Numbering, InForce):
    """Answer to `start`: the stream may begin. The first message, but for answers to what came before `start`."""

    type: Literal["ready"]
    session_id: Annotated[str, Field(description="Unlike that of any other session.")]
    viewer_token: NotRequired[Annotated[str, Field(description="Lets others read along, if `start` said `captions`.")]]
    version: Annotated[Literal[1], Field(description="Of the protocol.")]
    model: Annotated[str, Field(description="The model that decodes.")]
    audio: Annotated[Audio, Field(description="What the binary frames are taken for.")]
    policy: Annotated[Literal[tuple(POLICIES)], Field(description="When a word is final.")]  # type: ignore[valid-type]
    limits: Annotated[Limits, Field(description="What ends a connection.")]


class SpeechStart(Numbering):
    """Somebody begins to speak: an utterance begins."""

    type: Literal["speech_start"]
    at_ms: Annotated[Ms, Field(description="Where the utterance begins: up to 300 ms before the first sound.")]


class Partial(Numbering):
    """How the text after the last `final` may go on. Replaces the partial before it, as does every `final`."""

    type: Literal["partial"]
    start_ms: NotRequired[Annotated[Ms, Field(description="Start of the first word, if there is one.")]]
    end_ms: NotRequired[Annotated[Ms, Field(description="End of the last word, if there is one.")]]
    lag_ms: NotRequired[Annotated[Ms, Field(description="As of `final`, if there is a word.")]]
    text: Annotated[str, Field(description="The words, each with the space before it; empty: there are none now.")]


class Word(TypedDict):
    """One word of a `final`."""

    word: Annotated[str, Field(description="With the space before it, if its script has one.")]
    start_ms: Annotated[Ms, Field(description="Where it begins.")]
    end_ms: Annotated[Ms, Field(description="Where it ends.")]
    prob: Annotated[Probability, Field(description="The recogniser's own probability.")]


class Final(Numbering):
    """Words that never change, and follow those of the `final` before. All texts in a row are the transcript."""

    type: Literal["final"]
    id: Annotated[Number, Field(description="Number of the `final`: 1, then one more each time.")]
    start_ms: Annotated[Ms, Field(description="Start of the first word; not before the end of the last `final`.")]
    end_ms: Annotated[Ms, Field(description="End of the last word.")]
    lag_ms: Annotated[Ms, Field(description="How far its decode is behind the audio received, in milliseconds.")]
    text: Annotated[str, Field(description="The words, each with the space before it.")]
    words: NotRequired[Annotated[list[Word], Field(description="The same, one by one, unless `start` said false.")]]
    utterance: Annotated[Number, Field(description="Number of the utterance they belong to.")]
    reason: Annotated[Literal[tuple(REASONS)], Field(description="Why now.")]  # type: ignore[valid-type]


_Span = TypedDict(
    "_Span",
    {
        "from": Annotated[float, Field(ge=0, description="Milliseconds: start of the first word.")],
        "to": Annotated[float, Field(ge=0, description="Milliseconds: end of the last word.")],
    },
)
"""``from`` cannot be written in a class."""


class PlainFinal(Numbering, _Span):
    """The same with the names of reswhis 0.1. All contents in a row are the transcript."""

    type: Literal["final"]
    id: Annotated[Number, Field(description="Number of the `final`: 1, then one more each time.")]
    lag_ms: Annotated[Ms, Field(description="How far its decode is behind the audio received, in milliseconds.")]
    content: Annotated[str, Field(description="The words, each with the space before it.")]
    utterance: Annotated[Number, Field(description="Number of the utterance they belong to.")]
    reason: Annotated[Literal[tuple(REASONS)], Field(description="Why now.")]  # type: ignore[valid-type]


class SpeechEnd(Numbering):
    """The utterance is over. Said at once: its last words may follow."""

    type: Literal["speech_end"]
    utterance: Annotated[Number, Field(description="Number of the utterance.")]
    at_ms: Annotated[Ms, Field(description="Where it ends.")]


class Utterance(Numbering):
    """A whole utterance, after its last `final`. One for each, even if no word was understood."""

    type: Literal["utterance"]
    utterance: Annotated[Number, Field(description="1, then one more for each.")]
    start_ms: Annotated[Ms, Field(description="Where it begins.")]
    end_ms: Annotated[Ms, Field(description="Where it ends.")]
    text: Annotated[str, Field(description="All its words, without the space before the first.")]
    language: Annotated[str | None, Field(description="Code of the language it was heard in; null: nobody knows.")]


class Language(Numbering):
    """The language has been detected."""

    type: Literal["language"]
    language: Annotated[str, Field(description="Its code.")]
    probability: Annotated[Probability, Field(description="How sure the recogniser is.")]


class Suppressed(Numbering):
    """Words that a decode heard and that were not believed; another may believe them. Only with `diagnostics`."""

    type: Literal["suppressed"]
    text: Annotated[str, Field(description="The words, each with the space before it.")]
    reason: Annotated[Literal[DOUBTS], Field(description=WHY_DOUBTED)]  # type: ignore[valid-type]


class Configured(Numbering, InForce):
    """Answer to `configure`, with all that is now in force."""

    type: Literal["configured"]


class Flushed(Numbering):
    """Answer to `flush`, after everything that it caused."""

    type: Literal["flushed"]
    id: Annotated[str | int | None, Field(description="As in `flush`.")]


class Pong(Numbering):
    """Answer to `ping`."""

    type: Literal["pong"]
    id: Annotated[str | int | None, Field(description="As in `ping`.")]


class Warning(Numbering):
    """Something to know; nothing is lost."""

    type: Literal["warning"]
    code: Annotated[Literal["lagging"], Field(description="The server is behind.")]
    message: Annotated[str, Field(description="For a person to read.")]
    lag_ms: Annotated[Ms, Field(description="By how much the words just decoded are behind the audio received.")]


class Error(Numbering):
    """Something is wrong. If it is fatal, this is the last message, and the server closes the connection."""

    type: Literal["error"]
    code: Annotated[str, Field(description="What is wrong, for a program.", examples=list(ERRORS))]
    message: Annotated[str, Field(description="What is wrong, for a person.")]
    fatal: Annotated[bool, Field(description="Whether it ends the connection. If not, the stream goes on.")]
    param: NotRequired[Annotated[str, Field(description="The field that is wrong, such as `audio.sample_rate`.")]]
    start_ms: NotRequired[Annotated[Ms, Field(description="Where the stretch begins that could not be decoded.")]]
    end_ms: NotRequired[Annotated[Ms, Field(description="Where it ends.")]]
    lost: NotRequired[
        Annotated[bool, Field(description="Whether the words of that stretch are lost; if not, it is tried again.")]
    ]
    retry_after_s: NotRequired[Annotated[int, Field(ge=1, description="When to try again, in seconds.")]]


class Finished(Numbering):
    """All is decoded and said. The last message, before close 1000, or 1012 if the server is being stopped."""

    type: Literal["finished"]
    finals: Annotated[Count, Field(description="How many there were.")]


ServerMessage = (
    Ready | SpeechStart | Partial | Final | PlainFinal | SpeechEnd | Utterance | Language | Suppressed
    | Configured | Flushed | Pong | Warning | Error | Finished
)  # fmt: skip
