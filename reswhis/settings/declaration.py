"""What can be set: one declaration, from which flags, variables, file keys, help and reference are made.

Does not read any source (see :mod:`.sources`) and knows none of the layers that use the
values (see :mod:`.layers`).
"""

from __future__ import annotations

import enum
import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self, get_args, get_origin

from pydantic import Field, JsonValue, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from reswhis.core.languages import LANGUAGES, language_code

FORMER_BACKENDS = {"plain": "faster-whisper", "batched": "faster-whisper"}
"""Whether windows are decoded together is no question of the backend here."""
ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*://[^\s/?#@,*]+)/?")


class Group(enum.StrEnum):
    """Headings of the help and of the reference page, in their order."""

    SERVER = "Server"
    MODEL = "Model"
    STREAMING = "Streaming"
    VOICE_ACTIVITY = "Voice activity"
    LIMITS = "Limits"
    LOGGING = "Logging"


def _in(
    group: Group, unit: str = "", flags: tuple[str, ...] = (), variable: str = "", spaced: bool = False
) -> dict[str, JsonValue]:
    """What pydantic has no place for.

    ``flags`` are further names on the command line, without dashes; ``variable`` is the one of reswhis 0.1;
    ``spaced``: several values may follow the flag, as no operand does.
    """
    return {"group": group, "unit": unit, "flags": list(flags), "variable": variable, "spaced": spaced}


class Settings(BaseSettings):
    """All settings, flat: the name of a field is its key in the file, its flag and its variable.

    Numbers are in the unit that their name ends in, or that is declared.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=False,
        hide_input_in_errors=True,
        protected_namespaces=("model_validate", "model_dump"),
    )

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address to listen on; 0.0.0.0 is every network this machine is in.",
        json_schema_extra=_in(Group.SERVER),
    )
    port: int = Field(
        8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.", json_schema_extra=_in(Group.SERVER)
    )
    api_key: tuple[SecretStr, ...] = Field(
        (),
        description="Keys of which a client must show one. Several: repeat it, or separate by commas. "
        "A command line is visible to other users of the machine: better a variable or the file.",
        json_schema_extra=_in(Group.SERVER),
    )
    allowed_origins: tuple[str, ...] = Field(
        (),
        description="Origins whose web pages may connect, such as https://example.org, besides pages from this "
        "machine; * is any. Several: repeat it, or separate by commas.",
        json_schema_extra=_in(Group.SERVER),
    )
    https: bool = Field(
        False,
        description="Speak TLS with a certificate made for this machine, so that browsers elsewhere, as on a phone, "
        "let the page use the microphone.",
        json_schema_extra=_in(Group.SERVER),
    )
    ssl_certfile: Path | None = Field(
        None,
        description="Speak TLS with this certificate and those that vouch for it, in PEM form.",
        json_schema_extra=_in(Group.SERVER),
    )
    ssl_keyfile: Path | None = Field(
        None,
        description="Private key of the certificate in PEM form, if it is not in the same file.",
        json_schema_extra=_in(Group.SERVER),
    )
    ssl_keyfile_password: SecretStr | None = Field(
        None,
        description="Password of that key, if it has one. A command line is visible to other users of the machine: "
        "better the variable.",
        json_schema_extra=_in(Group.SERVER),
    )
    wyoming: bool = Field(
        False,
        description="Serve Home Assistant, too, which speaks Wyoming over TCP. There is no place for a key in it: with "
        "api_key only to this machine itself.",
        json_schema_extra=_in(Group.SERVER),
    )
    wyoming_port: int = Field(
        10300,
        ge=0,
        le=65535,
        description="Port for that, at the same address; 0 takes a free one.",
        json_schema_extra=_in(Group.SERVER),
    )
    grpc: bool = Field(
        False,
        description="Serve whisper_realtime_server's gRPC clients, too; needs the extra grpc.",
        json_schema_extra=_in(Group.SERVER),
    )
    ports: tuple[Annotated[int, Field(ge=0, le=65535)], ...] = Field(
        (50051,),
        min_length=1,
        description="Ports for that, at the same address; 0 takes a free one. Several: --ports 50051 50052, or with "
        "commas.",
        json_schema_extra=_in(Group.SERVER, spaced=True),
    )
    grpc_dialect: Literal["0.3", "0.2"] = Field(
        "0.3",
        description="Version of whisper_realtime_server whose answers a gRPC client gets that names no encoding: "
        "nothing else tells the two apart.",
        json_schema_extra=_in(Group.SERVER),
    )
    max_workers: int = Field(
        0,
        ge=0,
        le=100_000,
        description="gRPC streams at once; one more is refused with RESOURCE_EXHAUSTED. 0: as many as max_sessions.",
        json_schema_extra=_in(Group.LIMITS),
    )

    backend: str = Field(
        "auto",
        min_length=1,
        description="Recogniser; auto is the best one that this machine can run.",
        json_schema_extra=_in(Group.MODEL, variable="BACKEND"),
    )
    model: str = Field(
        "auto",
        min_length=1,
        description="Size (tiny, base, small, medium, large-v3, large-v3-turbo ...), hub id or local directory; "
        "auto is the best that keeps up.",
        json_schema_extra=_in(Group.MODEL, variable="MODEL_SIZE"),
    )
    model_dir: Path | None = Field(
        None, description="Local directory of a model; wins over model.", json_schema_extra=_in(Group.MODEL)
    )
    model_cache_dir: Path | None = Field(
        None,
        description="Where fetched models are kept, if not in the hub's usual place.",
        json_schema_extra=_in(Group.MODEL),
    )
    allowed_models: tuple[str, ...] = Field(
        (),
        description="Further models that a client may ask for by name; each is fetched and loaded when it first is. "
        "Several: repeat it, or separate by commas.",
        json_schema_extra=_in(Group.MODEL),
    )
    model_ttl_s: float = Field(
        300.0,
        ge=0,
        le=31_536_000,
        description="Such a model is unloaded when nobody has used it for so long; sooner while memory is short.",
        json_schema_extra=_in(Group.MODEL, "seconds"),
    )
    max_loaded_models: int = Field(
        3,
        ge=2,
        le=64,
        description="Models in memory at once, with the server's own, which always stays.",
        json_schema_extra=_in(Group.MODEL),
    )
    language: str = Field(
        "auto",
        description="What is spoken: a code such as de, or an English name; auto detects it once per session.",
        json_schema_extra=_in(Group.MODEL, flags=("lan",), variable="LANGUAGE"),
    )
    task: Literal["transcribe", "translate"] = Field(
        "transcribe",
        description="Write what is said in its language, or translate it into English.",
        json_schema_extra=_in(Group.MODEL),
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where the model runs.", json_schema_extra=_in(Group.MODEL)
    )
    device_index: tuple[Annotated[int, Field(ge=0, le=255)], ...] = Field(
        (0,),
        min_length=1,
        description="Which GPU, where there are several. With commas: several, one after the other for each worker.",
        json_schema_extra=_in(Group.MODEL),
    )
    compute_type: Literal[
        "auto", "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16", "float32"
    ] = Field(
        "auto",
        description="Number format of the weights; auto is int8 on a CPU, float16 on a GPU.",
        json_schema_extra=_in(Group.MODEL),
    )
    cpu_threads: int = Field(
        0,
        ge=0,
        le=256,
        description="Threads of each worker; 0 is as many as there are cores for it.",
        json_schema_extra=_in(Group.MODEL),
    )
    workers: int = Field(
        0,
        ge=0,
        le=64,
        description="Copies of the model that decode side by side; 0 is one on each GPU, and on a CPU what a short "
        "measurement at the start finds best.",
        json_schema_extra=_in(Group.MODEL, flags=("num-workers",)),
    )
    max_batch: int = Field(
        0,
        ge=0,
        le=256,
        description="Windows of several clients that are decoded in one call at most; 0 is what the memory of a GPU "
        "allows, and on a CPU what does not keep the first of them waiting (faster-whisper).",
        json_schema_extra=_in(Group.MODEL),
    )
    max_wait_ms: int = Field(
        0,
        ge=0,
        le=1000,
        description="How long a worker that has nothing to do lets a window wait for others to join it in one call.",
        json_schema_extra=_in(Group.MODEL, "milliseconds"),
    )
    beam_size: int = Field(
        1,
        ge=1,
        le=20,
        description="Alternatives followed while decoding; 1 is greedy and fastest. A client may ask for fewer.",
        json_schema_extra=_in(Group.MODEL),
    )
    patience: float = Field(
        1.0,
        ge=1,
        le=10,
        description="A search goes on until so many times beam_size alternatives are complete (faster-whisper, "
        "whisper-timestamped).",
        json_schema_extra=_in(Group.MODEL),
    )
    length_penalty: float = Field(
        1.0,
        ge=0,
        le=2,
        description="Power of its length that an alternative's likelihood is divided by: more favours longer ones "
        "(faster-whisper, whisper-timestamped).",
        json_schema_extra=_in(Group.MODEL),
    )
    temperatures: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        min_length=1,
        description="A final decode that comes out badly is done anew at the next of these, at random the more the "
        "higher; 0 alone: never (Whisper on this machine).",
        json_schema_extra=_in(Group.MODEL),
    )
    best_of: int = Field(
        1,
        ge=1,
        le=10,
        description="Texts drawn at each temperature above 0, of which the likeliest is taken (faster-whisper, "
        "whisper-timestamped).",
        json_schema_extra=_in(Group.MODEL),
    )
    suppress_tokens: tuple[Annotated[int, Field(ge=-1, le=51_865)], ...] = Field(
        (-1,),
        description="Ids of tokens that are never written; -1 stands for those that the model's own configuration "
        "names (Whisper on this machine).",
        json_schema_extra=_in(Group.MODEL),
    )
    encoder_context: Literal["auto", "full", "dynamic"] = Field(
        "auto",
        description="How much the model's encoder sees: full, 30 s, as stock models are trained for; or dynamic, just "
        "the audio, which is quicker and may cost words; auto is dynamic for models known to be trained for it.",
        json_schema_extra=_in(Group.MODEL),
    )

    openai_api_key: SecretStr | None = Field(
        None,
        description="Key of OpenAI's API, for the backend openai-whisper; a server of your own may need none. "
        "A command line is visible to other users of the machine: better a variable.",
        json_schema_extra=_in(Group.MODEL, variable="OPENAI_API_KEY"),
    )
    openai_base_url: str = Field(
        "https://api.openai.com/v1",
        min_length=1,
        description="The server that the backend openai-whisper sends what it hears to: any that speaks OpenAI's API.",
        json_schema_extra=_in(Group.MODEL, variable="OPENAI_BASE_URL"),
    )

    warmup_file: Path | None = Field(
        None,
        description="Taken for the sake of older scripts, and not read: the model warms up without a file.",
        json_schema_extra=_in(Group.MODEL),
    )

    minimum_chunk_size: float = Field(
        0.5,
        ge=0.1,
        le=15,
        description="New speech before a decode: smaller shows words sooner and costs more decodes.",
        json_schema_extra=_in(Group.STREAMING, "seconds", ("min-chunk-size",), "MINIMUM_CHUNK_SIZE"),
    )
    new_audio_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Part of what is decoded that must be new, so that a growing utterance is decoded more and more "
        "rarely, down to once in twice minimum_chunk_size.",
        json_schema_extra=_in(Group.STREAMING),
    )
    policy: Literal["local-agreement", "alignatt", "endpoint"] = Field(
        "alignatt",
        description="When a word is final: once decodes agree on it, once the model's attention has passed it, "
        "or at the end of the utterance.",
        json_schema_extra=_in(Group.STREAMING),
    )
    holdback_ms: int = Field(
        400,
        ge=0,
        le=5000,
        description="How long before the end of what was heard a word must end to be final (alignatt).",
        json_schema_extra=_in(Group.STREAMING, "milliseconds"),
    )
    min_probability: float = Field(
        0.5,
        ge=0,
        le=1,
        description="A less probable word is final only when it is heard a second time (alignatt), "
        "or not as a best guess (local-agreement).",
        json_schema_extra=_in(Group.STREAMING),
    )
    agreement_n: int = Field(
        2,
        ge=2,
        le=5,
        description="How many decodes in a row have to agree (local-agreement).",
        json_schema_extra=_in(Group.STREAMING),
    )
    similarity: float = Field(
        100.0,
        ge=50,
        le=100,
        description="How alike words must be to agree; 100 is equal but for case and punctuation (local-agreement).",
        json_schema_extra=_in(Group.STREAMING, "percent", ("qratio-threshold",)),
    )
    fallback: bool = Field(
        True,
        description="Commit the best guess when decodes keep disagreeing (local-agreement).",
        json_schema_extra=_in(Group.STREAMING),
    )
    fallback_threshold: int = Field(
        1,
        ge=0,
        le=100,
        description="Disagreements in a row that are waited out before the fallback.",
        json_schema_extra=_in(Group.STREAMING),
    )
    dedup_threshold: float = Field(
        98.0,
        ge=0,
        le=100,
        description="Taken for the sake of older scripts, and without effect: what was said before is found by text "
        "and time together.",
        json_schema_extra=_in(Group.STREAMING, "percent"),
    )
    max_chunk_duration_seconds: float = Field(
        1.0,
        ge=0.1,
        le=15,
        description="Longest chunk that a client of whisper_realtime_server's protocol may announce; a session there "
        "decodes in steps of its chunk.",
        json_schema_extra=_in(Group.STREAMING, "seconds"),
    )
    buffer_trimming_sec: float = Field(
        15.0,
        ge=1,
        le=28,
        description="Audio of an utterance above which what is committed is cut off before a decode.",
        json_schema_extra=_in(Group.STREAMING, "seconds"),
    )
    max_utterance_s: float = Field(
        28.0,
        ge=2,
        le=28,
        description="Longest utterance; a longer one is cut in two where it is quiet.",
        json_schema_extra=_in(Group.STREAMING, "seconds"),
    )
    preroll_ms: int = Field(
        300,
        ge=300,
        le=2000,
        description="Audio before the detected start of speech that is decoded too, so that no first sound is lost.",
        json_schema_extra=_in(Group.STREAMING, "milliseconds"),
    )
    multilingual: bool = Field(
        False,
        description="Detect the language anew for every utterance.",
        json_schema_extra=_in(Group.STREAMING),
    )
    prompt: str = Field(
        "",
        max_length=1000,
        description="Text as if said before the session, to set style and spelling.",
        json_schema_extra=_in(Group.STREAMING, "characters"),
    )
    hotwords: str = Field(
        "",
        max_length=1000,
        description="Names and terms that the recogniser should expect.",
        json_schema_extra=_in(Group.STREAMING, "characters"),
    )

    use_voice_activity_controller: bool = Field(
        True,
        description="End an utterance when the speaker pauses; without, only the client ends one.",
        json_schema_extra=_in(Group.VOICE_ACTIVITY, flags=("vac",), variable="USE_VOICE_ACTIVITY_CONTROLLER"),
    )
    use_voice_activity_detection: bool = Field(
        False,
        description="Leave silences of two seconds and more out of what the recogniser hears of an utterance.",
        json_schema_extra=_in(Group.VOICE_ACTIVITY, flags=("vad",), variable="USE_VOICE_ACTIVITY_DETECTION"),
    )
    vad_threshold: float = Field(
        0.5,
        ge=0.01,
        le=0.99,
        description="Probability of speech from which audio counts as speech.",
        json_schema_extra=_in(Group.VOICE_ACTIVITY),
    )
    endpoint_ms: int = Field(
        500,
        ge=100,
        le=10_000,
        description="Silence that ends an utterance.",
        json_schema_extra=_in(Group.VOICE_ACTIVITY, "milliseconds"),
    )
    min_speech_ms: int = Field(
        100,
        ge=0,
        le=1000,
        description="Speech that it takes to start an utterance.",
        json_schema_extra=_in(Group.VOICE_ACTIVITY, "milliseconds"),
    )

    max_sessions: int = Field(
        100,
        ge=1,
        le=100_000,
        description="Sessions and files at once; one more is refused with 503 and a time to come back.",
        json_schema_extra=_in(Group.LIMITS),
    )
    max_frame_bytes: int = Field(
        1_048_576,
        ge=1024,
        le=16_777_216,
        description="Largest frame that a client may send; a larger one ends its connection with 1009.",
        json_schema_extra=_in(Group.LIMITS, "bytes"),
    )
    max_upload_bytes: int = Field(
        268_435_456,
        ge=1024,
        le=1_099_511_627_776,
        description="Largest file that a client may send to be transcribed, with what comes with it; a larger one is "
        "refused with 413. It is kept on disk meanwhile, where temporary files are.",
        json_schema_extra=_in(Group.LIMITS, "bytes"),
    )
    idle_timeout_s: float = Field(
        60.0,
        ge=0.1,
        le=86_400,
        description="Without any frame for so long a connection is closed with 4408.",
        json_schema_extra=_in(Group.LIMITS, "seconds"),
    )
    idle_flush_s: float = Field(
        2.0,
        ge=0.1,
        le=3600,
        description="Without audio for so long what was heard is committed, as if the client had asked.",
        json_schema_extra=_in(Group.LIMITS, "seconds"),
    )
    max_session_s: float = Field(
        7200.0,
        ge=1,
        le=604_800,
        description="Longest session; then it is finished and closed with 4408.",
        json_schema_extra=_in(Group.LIMITS, "seconds"),
    )
    max_backlog_s: float = Field(
        30.0,
        ge=1,
        le=600,
        description="Audio of a session waiting to be decoded from which its socket is not read until it is less.",
        json_schema_extra=_in(Group.LIMITS, "seconds"),
    )
    write_timeout_s: float = Field(
        30.0,
        ge=0.1,
        le=3600,
        description="A client that takes nothing for so long is closed with 1013.",
        json_schema_extra=_in(Group.LIMITS, "seconds"),
    )
    drain_timeout_s: float = Field(
        30.0,
        ge=0,
        le=3600,
        description="Time for the last words of running sessions when the server is told to stop.",
        json_schema_extra=_in(Group.LIMITS, "seconds"),
    )
    keep_transcripts_s: float = Field(
        600.0,
        ge=0,
        le=86_400,
        description="How long after its end others can read what was said in a session whose client has asked for "
        "captions; in memory, never on disk.",
        json_schema_extra=_in(Group.LIMITS, "seconds"),
    )
    max_viewers: int = Field(
        1000,
        ge=0,
        le=100_000,
        description="Readers of captions at once, over all sessions; one more is refused with 503.",
        json_schema_extra=_in(Group.LIMITS),
    )

    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", description="Least severity that is logged.", json_schema_extra=_in(Group.LOGGING)
    )
    log_file: Path | None = Field(
        None, description="Log into this file too; it is rotated.", json_schema_extra=_in(Group.LOGGING)
    )
    log_transcripts: bool = Field(
        False,
        description="Log what is said, too. Whoever can read the log can then read the conversations.",
        json_schema_extra=_in(Group.LOGGING),
    )
    log_every_processor: bool = Field(
        False,
        description="Write a file for each session, too: what happens in it and when; its words only with "
        "log_transcripts.",
        json_schema_extra=_in(Group.LOGGING),
    )
    log_dir: Path | None = Field(
        None,
        description="Directory of these files, if not server_logs; it is made, and they are never removed.",
        json_schema_extra=_in(Group.LOGGING),
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed in: :mod:`.sources` reads the rest, and remembers where a value came from."""
        return (init_settings,)

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: object, info: ValidationInfo) -> object:
        """Batch files leave blanks at the end of a line, and people write choices in any case, with _ for -."""
        assert info.field_name is not None
        annotation = cls.model_fields[info.field_name].annotation
        if isinstance(value, bool) and annotation is not bool:  # pydantic would take true for 1
            raise PydanticCustomError("not_a_switch", "a truth value is not a number or a text")
        if isinstance(value, int | float) and get_origin(annotation) is tuple:
            return (value,)
        if not isinstance(value, str):
            return value
        value = value.strip()
        if get_origin(annotation) is tuple:
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if get_origin(annotation) is Literal:
            return next((name for name in get_args(annotation) if _plain(name) == _plain(value)), value)
        return value

    @field_validator("backend")
    @classmethod
    def _of_today(cls, value: str) -> str:
        return FORMER_BACKENDS.get(_plain(value), value)

    @field_validator("language")
    @classmethod
    def _known_language(cls, value: str) -> str:
        if value.lower() in ("", "auto"):
            return "auto"
        code = language_code(value)
        if code is None:
            raise ValueError(f'is "{value}", but must be auto, an English name, or one of {", ".join(LANGUAGES)}')
        return code

    @field_validator("temperatures")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(one >= other for one, other in pairwise(value)):
            raise ValueError("must rise, each being greater than the one before")
        return value

    @field_validator("api_key")
    @classmethod
    def _not_open_by_mistake(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        """A variable that was never filled must not take the lock off the door."""
        if not value or not all(key.get_secret_value().strip() for key in value):
            raise ValueError("must not be empty: leave it out to let everyone in")
        return value

    @field_validator("allowed_models")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "auto" in map(str.lower, value):
            raise ValueError("must be names: auto is none that a client could ask for")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_origin(origin) for origin in value)

    @field_validator("model_dir", "model_cache_dir", "log_file", "log_dir", "ssl_certfile", "ssl_keyfile")
    @classmethod
    def _home(cls, value: Path | None) -> Path | None:
        """Only a shell expands ~, and only in some places."""
        try:
            return value and value.expanduser()
        except RuntimeError:
            raise ValueError(f"is {value}, but whose home that is nobody here knows") from None

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.max_backlog_s < 2 * self.minimum_chunk_size:
            raise _clash("max_backlog_s", "must be at least twice", "minimum_chunk_size")
        if self.idle_flush_s >= self.idle_timeout_s:
            raise _clash("idle_flush_s", "must be less than", "idle_timeout_s")
        if 0 < self.workers < len(self.device_index):
            raise _clash("workers", "must be at least as many as there are in", "device_index")
        return self


def _plain(choice: str) -> str:
    return choice.lower().replace("_", "-")


def _origin(text: str) -> str:
    """As browsers send it: lower case, without a path."""
    if text in ("*", "null"):
        return text
    origin = ORIGIN.fullmatch(text.lower())
    if origin is None:
        raise ValueError("must be origins such as https://example.org or http://localhost:3000, or *")
    return origin[1]


def _clash(name: str, relation: str, other: str) -> PydanticCustomError:
    return PydanticCustomError(
        "clash", "two settings do not go together", {"name": name, "relation": relation, "other": other}
    )
