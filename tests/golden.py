"""What every codec puts on the wire when it is told one and the same session: the files of ``tests/transports/golden``.

After a change that is meant, ``uv run python tests/golden.py`` writes them; what differs is to be read line by line
against the protocol's documentation before it is committed. Tests never write them.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from google.protobuf.json_format import MessageToDict

from reswhis import __version__
from reswhis.app import make_app, make_service
from reswhis.backends.base import BackendInfo
from reswhis.core import events as ev
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.core.transcript import FinalUtterance
from reswhis.server.collector import Collector
from reswhis.server.journal import Journal
from reswhis.server.limits import Limits
from reswhis.server.sharing import Sharing
from reswhis.settings import Settings
from reswhis.transports.caption_events import caption_event
from reswhis.transports.codec import Defaults, Message
from reswhis.transports.deepgram import DeepgramCodec, Request
from reswhis.transports.grpc_door.codec import HALF_CLOSED, SpeechCodec
from reswhis.transports.grpc_door.dialects import PATHS
from reswhis.transports.grpc_door.stubs.earlier_pb2 import Words, WordsWithHypothesis
from reswhis.transports.grpc_door.stubs.speech_pb2 import (
    AudioChunk,
    StreamingConfig,
    StreamingRecognizeRequest,
    StreamingRecognizeResponse,
)
from reswhis.transports.legacy import LegacyCodec
from reswhis.transports.native import NativeCodec
from reswhis.transports.openai_realtime import Opening, RealtimeCodec
from reswhis.transports.openai_rest_answers import Deltas, answer, sse
from reswhis.transports.openai_rest_errors import STATUS, error_body, error_headers, status_of
from reswhis.transports.openai_rest_request import Asked, fields_of
from reswhis.transports.openai_rest_request import parse as parse_form
from reswhis.transports.subtitles import FORMATS
from reswhis.transports.swim import SwimCodec
from reswhis.transports.wyoming import WyomingCodec, described
from reswhis.transports.wyoming_events import parse, written

from golden_sessions import MISTAKE, SESSION, STOPPED, Client, Play, Step, show_text, show_wyoming

FOLDER = Path(__file__).parent / "transports" / "golden"

# The clients of live protocols.

LIMITS = Limits(max_frame_bytes=100_000)
INFO = BackendInfo("fake", "small", "cpu", "none", frozenset({"de", "en"}))
DEFAULTS = Defaults(SessionConfig(step_s=1.0), StreamOptions(), INFO, LIMITS)


START = '{"type":"start","words":true,"diagnostics":true}'


def text(**fields: object) -> str:
    return json.dumps(fields)


def pcm(rate: int, sample_bytes: int, seconds: float) -> bytes:
    return bytes(round(seconds * rate) * sample_bytes)


def native(*start: Message, query: Mapping[str, str] | None = None) -> Client:
    return Client(
        codec=NativeCodec("id", query or {}, DEFAULTS, viewer_token="token"),
        audio=partial(pcm, 16_000, 2),
        show=show_text,
        start=start,
        aside=(
            text(type="ping", id="a"),
            text(type="configure", language="de", partials=True),
            text(type="configure", endpoint_ms=1),
            "nonsense",
        ),
        flush=[text(type="flush", id=7)],
        finish=[text(type="finish")],
    )


def legacy() -> Client:
    return Client(
        LegacyCodec(DEFAULTS), partial(pcm, 16_000, 2), show_text, flush=[b""], finish=[b"", b""], mistake="text"
    )


def swim() -> Client:
    audio_format = {"encoding": "pcm_f32le", "sample_rate_hz": 16000, "channels": 1}
    return Client(
        SwimCodec(DEFAULTS),
        partial(pcm, 16_000, 4),
        show_text,
        start=[text(type="start", chunk_duration_millis=1000, audio_format=audio_format)],
        finish=[text(type="finish")],
        mistake=text(type="flush"),
    )


def realtime(session: Mapping[str, object], update: str = "session.update", *, rate: int, is_beta: bool) -> Client:
    def append(seconds: float) -> str:
        return text(type="input_audio_buffer.append", audio=base64.b64encode(pcm(rate, 1, seconds)).decode())

    commit = text(type="input_audio_buffer.commit", event_id="mine")
    return Client(
        RealtimeCodec(Opening("sess_1", 1_800_000_000, {"intent": "transcription"}, is_beta), DEFAULTS),
        append,
        show_text,
        start=[text(type=update, session=session)],
        aside=("nonsense", text(type="response.create"), text(type=update, session={}, event_id="again")),
        flush=[commit],
        finish=[commit],
        mistake=b"bytes",
    )


def realtime_ga(turn_detection: object) -> Client:
    heard = {
        "format": {"type": "audio/pcm", "rate": 24000},
        "transcription": {"model": "whisper-1", "language": "en", "prompt": "Names: Anna"},
        "noise_reduction": {"type": "near_field"},
        "turn_detection": turn_detection,
    }
    return realtime({"type": "transcription", "audio": {"input": heard}}, rate=48_000, is_beta=False)


def realtime_beta() -> Client:
    session = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1", "language": "en"},
        "turn_detection": {"type": "server_vad"},
    }
    return realtime(session, "transcription_session.update", rate=8_000, is_beta=True)


def deepgram(**query: str) -> Client:
    asked = {"model": "nova-3", "encoding": "linear16", "sample_rate": "16000", **query}
    return Client(
        DeepgramCodec(Request("r-1", "2026-01-01T00:00:00.000Z"), list(asked.items()), DEFAULTS),
        partial(pcm, 16_000, 2),
        show_text,
        aside=(text(type="KeepAlive"), text(type="Configure", keyterms=["Anna"]), "nonsense"),
        flush=[text(type="Finalize")],
        finish=[text(type="CloseStream")],
    )


def wyoming() -> Client:
    audio = {"rate": 16000, "width": 2, "channels": 1}

    def event(type_: str, data: Mapping[str, object], payload: bytes = b"") -> bytes:
        content = json.dumps(data).encode()
        lengths = {"data_length": len(content)} | ({"payload_length": len(payload)} if payload else {})
        return json.dumps({"type": type_, "version": "1.10.2", **lengths}).encode() + b"\n" + content + payload

    return Client(
        WyomingCodec(DEFAULTS),
        lambda seconds: event("audio-chunk", {**audio, "timestamp": None}, pcm(16_000, 2, seconds)),
        show_wyoming,
        start=[event("transcribe", {"language": "en"}), event("audio-start", {**audio, "timestamp": None})],
        aside=[event("transcribe", {"language": "de"}), event("select-program", {"name": "x"})],
        finish=[event("audio-stop", {"timestamp": None})],
        mistake=event("audio-chunk", {**audio, "rate": 8000}, bytes(4)),
    )


def show_protobuf(kind: Any, message: Message) -> str:
    """What it says, and its bytes."""
    assert isinstance(message, bytes)
    read = MessageToDict(kind.FromString(message), preserving_proto_field_name=True)
    return f'{json.dumps(read, ensure_ascii=False)}, "bytes": "{message.hex()}"'


def grpc(path: int, told: Any, config: Mapping[str, Any] | None, prefer: str = "0.3") -> Client:
    """``config``: None where the protocol has none."""

    def request(**payload: Any) -> bytes:
        return StreamingRecognizeRequest(**payload).SerializeToString()

    def audio(seconds: float) -> bytes:
        chunk = AudioChunk(audio_bytes=pcm(16_000, 4, seconds))
        return chunk.SerializeToString() if config is None else request(audio_chunk=chunk)

    first = [] if config is None else [request(config=StreamingConfig(**config))]
    return Client(
        SpeechCodec(DEFAULTS, PATHS[path], prefer=prefer),
        audio,
        partial(show_protobuf, told),
        start=first,
        finish=[HALF_CLOSED],
        mistake=request(config=StreamingConfig(chunk_duration_millis=1)),
    )


# Files, and those who read along.

EVENTS = [step for step in SESSION if isinstance(step, ev.Event)]


class Told:
    """The utterances one by one, for the forms that come in pieces."""

    def __init__(self) -> None:
        self.utterances: list[FinalUtterance] = []

    def said(self, utterance: FinalUtterance) -> None:
        self.utterances.append(utterance)

    def lost(self, start: float, end: float) -> None: ...


def asked_of_openai(*fields: tuple[str, str], task: str = "transcribe") -> Asked:
    return parse_form(fields_of([("model", "whisper-1"), *fields]), task, StreamOptions(), "small", ())


def openai_rest(form: str, *fields: tuple[str, str], task: str = "transcribe") -> str:
    collector = Collector()
    collector.take(EVENTS)
    return answer(collector.transcript(7.0), asked_of_openai(("response_format", form), *fields, task=task))[0]


def openai_rest_stream(*fields: tuple[str, str]) -> str:
    told = Told()
    collector = Collector(told)
    collector.take(EVENTS)
    asked = asked_of_openai(("stream", "true"), *fields)
    deltas = Deltas(asked)
    events = [*map(deltas.said, told.utterances), deltas.done(collector.transcript(7.0))]
    return b"".join(map(sse, events)).decode()


def openai_rest_errors() -> str:
    """Every code there is, and one that is a wrong request."""
    return lines(
        {"status": status_of(code), "headers": error_headers(code), "body": error_body(code, "In words.", "file")}
        for code in [*STATUS, "invalid_value"]
    )


def subtitles(form: str) -> str:
    collector = Collector()
    collector.take(EVENTS)
    return FORMATS[form](collector.transcript(7.0))


def captions() -> str:
    """As they come."""
    journal = Journal()
    told = []
    for event in EVENTS:
        journal.append(event, 0)
        told.append(caption_event(len(journal), event))
    return lines({"event": e.name, "id": e.number, "data": json.loads(e.data)} for e in told if e is not None)


def captions_stream(headers: Mapping[str, str]) -> str:
    """As bytes, to one that comes when all is over."""
    service = make_service(Settings(backend="fake"))
    journal = service.shared.share(Sharing("id", "token"), Journal()).journal
    for event in EVENTS:
        journal.append(event, 0)

    async def read() -> str:
        transport = httpx.ASGITransport(make_app(Settings(backend="fake"), service))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            answered = await http.get("/v1/sessions/id/events?viewer_token=token", headers=headers)
        return answered.text

    return asyncio.run(read())


def wyoming_info() -> str:
    """But for the version, which is another one in each release."""
    info = parse(described(INFO, {"large": False}), 0)
    program: Any = info.data["asr"]
    assert program[0]["version"] == __version__
    program[0] |= {"version": "0.0.0"}
    program[0]["models"][1]["languages"] = program[0]["models"][1]["languages"][:3]
    return f'{{"server": {show_wyoming(written(info.type, info.data))}}}\n'


def lines(objects: Any) -> str:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects)


def played(make: Callable[[], Client], steps: Sequence[Step] = SESSION) -> Callable[[], str]:
    return lambda: Play(make()).whole(steps)


ALL_OF_DEEPGRAM = {"interim_results": "true", "vad_events": "true", "utterance_end_ms": "1000"}
V03 = {"chunk_duration_millis": 1000, "encoding": 1}
V02 = {"chunk_duration_millis": 1000}
SERVER_VAD = {"type": "server_vad", "threshold": 0.6, "prefix_padding_ms": 500, "silence_duration_ms": 700}
VERBOSE = (("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment"))
LOGPROBS = ("include[]", "logprobs")

FILES: Mapping[str, Callable[[], str]] = {
    "native_full.jsonl": played(partial(native, START)),
    "native_full_mistake.jsonl": played(partial(native, START), MISTAKE),
    "native_full_stopped.jsonl": played(partial(native, START), STOPPED),
    "native_plain.jsonl": played(native),
    "native_plain_mistake.jsonl": played(native, MISTAKE),
    "legacy.jsonl": played(legacy),
    "legacy_mistake.jsonl": played(legacy, MISTAKE),
    "swim.jsonl": played(swim),
    "swim_mistake.jsonl": played(swim, MISTAKE),
    "swim_stopped.jsonl": played(swim, STOPPED),
    "grpc_v03.jsonl": played(partial(grpc, 0, StreamingRecognizeResponse, V03)),
    "grpc_v03_mistake.jsonl": played(partial(grpc, 0, StreamingRecognizeResponse, V03), MISTAKE),
    "grpc_v03_stopped.jsonl": played(partial(grpc, 0, StreamingRecognizeResponse, V03), STOPPED),
    "grpc_v02.jsonl": played(partial(grpc, 0, Words, V02, "0.2")),
    "grpc_v02_with_hypothesis.jsonl": played(partial(grpc, 1, WordsWithHypothesis, V02)),
    "grpc_v01.jsonl": played(partial(grpc, 0, Words, None)),
    "grpc_v01_with_hypothesis.jsonl": played(partial(grpc, 2, WordsWithHypothesis, None)),
    "openai_realtime_ga.jsonl": played(partial(realtime_ga, SERVER_VAD)),
    "openai_realtime_ga_commits.jsonl": played(partial(realtime_ga, None)),
    "openai_realtime_ga_mistake.jsonl": played(partial(realtime_ga, None), MISTAKE),
    "openai_realtime_ga_stopped.jsonl": played(partial(realtime_ga, SERVER_VAD), STOPPED),
    "openai_realtime_beta.jsonl": played(realtime_beta),
    "deepgram.jsonl": played(partial(deepgram, **ALL_OF_DEEPGRAM)),
    "deepgram_finals.jsonl": played(deepgram),
    "deepgram_mistake.jsonl": played(deepgram, MISTAKE),
    "deepgram_stopped.jsonl": played(deepgram, STOPPED),
    "wyoming.jsonl": played(wyoming),
    "wyoming_mistake.jsonl": played(wyoming, MISTAKE),
    "wyoming_stopped.jsonl": played(wyoming, STOPPED),
    "wyoming_info.jsonl": wyoming_info,
    "openai_rest.json": partial(openai_rest, "json"),
    "openai_rest_logprobs.json": partial(openai_rest, "json", LOGPROBS),
    "openai_rest_verbose.json": partial(openai_rest, "verbose_json", *VERBOSE),
    "openai_rest_translation.json": partial(openai_rest, "verbose_json", task="translate"),
    "openai_rest.srt": partial(openai_rest, "srt"),
    "openai_rest.vtt": partial(openai_rest, "vtt"),
    "openai_rest.txt": partial(openai_rest, "text"),
    "openai_rest_stream.txt": openai_rest_stream,
    "openai_rest_stream_logprobs.txt": partial(openai_rest_stream, LOGPROBS),
    "openai_rest_errors.jsonl": openai_rest_errors,
    **{f"subtitles.{form}": partial(subtitles, form) for form in FORMATS},
    "captions.jsonl": captions,
    "captions_stream.txt": partial(captions_stream, {}),
    "captions_stream_resumed.txt": partial(captions_stream, {"Last-Event-ID": "6"}),
}
"""What each file has."""


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.iterdir():
        if path.name not in FILES:
            path.unlink()
            print(f"{path.name}: gone")
    for name, make in FILES.items():
        path, content = FOLDER / name, make().encode()
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
            print(f"{name}: written")


if __name__ == "__main__":
    main()
