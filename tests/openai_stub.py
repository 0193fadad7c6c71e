"""As much of OpenAI's API for audio as its client uses, on this machine, with the habits of the real one.

Words of ``verbose_json`` have no punctuation and no spaces, languages go by their English names, less than 0.1 s is
refused, and the gpt models answer with text alone.
"""

import io
import json
import re
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from reswhis.backends.fake import heard
from reswhis.core.languages import LANGUAGES
from reswhis.core.types import SAMPLE_RATE, DecodeOptions, Window, join

HANG_S = 60
SHORTEST_S = 0.1


@dataclass(frozen=True)
class Reply:
    """Instead of the words: an error, a body that is not the API's, or nothing at all."""

    status: int = 200
    error: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)
    body: bytes | None = None
    hangs: bool = False


@dataclass(frozen=True)
class Request:
    path: str
    key: str
    fields: dict
    """Lists for names that end in ``[]``."""
    audio: np.ndarray
    kind: str

    @property
    def duration_s(self):
        return len(self.audio) / SAMPLE_RATE


class Stub:
    """``hear`` makes a hypothesis of a window; ``without`` are keys that its answers never have."""

    def __init__(self, hear, key, without):
        self.hear = hear
        self.key = key
        self.without = without
        self.requests = []
        self.replies = deque()
        """What the next requests get, in order; then words again."""
        self.ends = threading.Event()
        self.lock = threading.Lock()

    def ask(self, request):
        self.requests.append(request)
        if self.replies:
            return self.replies.popleft()
        if self.key is not None and request.key != f"Bearer {self.key}":
            return refusal(401, f"Incorrect API key provided: {request.key}", code="invalid_api_key")
        form = request.fields.get("response_format", "json")
        if request.fields["model"].startswith("gpt-") and form != "json":
            return refusal(400, f"response_format {form} is not compatible", param="response_format")
        if request.duration_s < SHORTEST_S:
            return refusal(400, "Audio file is too short.", code="audio_too_short")
        language = request.fields.get("language")
        if language not in (None, *LANGUAGES):
            return refusal(400, "Language is not supported.", code="unsupported_language", param="language")
        with self.lock:
            hypothesis = self.hear(Window(0, 0, request.audio, options(request), is_final=True))
        return Reply(body=json.dumps(answer(request, hypothesis, form, self.without)).encode())


def refusal(status, message="", headers=None, **more):
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}
    return Reply(status, {"error": error}, headers or {})


def options(request):
    return DecodeOptions(language=request.fields.get("language"), encoder_context="dynamic")


def answer(request, hypothesis, form, without):
    text = join(hypothesis.words)
    if form == "json":
        return {"text": text, "usage": {"type": "duration", "seconds": round(request.duration_s)}}
    granularities = request.fields.get("timestamp_granularities[]", ["segment"])
    said = [
        segment
        for segment in hypothesis.segments
        if any(segment.start <= word.middle <= segment.end for word in hypothesis.words)
    ]
    found = {
        "task": "translate" if "translations" in request.path else "transcribe",
        "language": LANGUAGES[hypothesis.language or "en"].lower(),
        "duration": request.duration_s,
        "text": text,
        "segments": [row(number, segment, hypothesis) for number, segment in enumerate(said)],
        "words": [
            {"word": word.text.strip(" .,!?"), "start": word.start, "end": word.end} for word in hypothesis.words
        ],
    }
    if "word" not in granularities:
        del found["words"]
    return {name: value for name, value in found.items() if name not in without}


def row(number, segment, hypothesis):
    words = [word for word in hypothesis.words if segment.start <= word.middle <= segment.end]
    return {
        "id": number,
        "seek": 0,
        "start": segment.start,
        "end": segment.end,
        "text": "".join(word.text for word in words),
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": segment.average_log_probability,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_probability,
    }


def read_form(headers, body):
    """Names and values of multipart/form-data; the file as (content type, content)."""
    boundary = re.search(r'boundary="?([^";]+)', headers["Content-Type"])[1].encode()
    fields, file = {}, None
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part[2:-2].partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]+)"', head)[1].decode()
        if name == "file":
            file = re.search(rb"(?i)content-type: *(\S+)", head)[1].decode(), content
        elif name.endswith("[]"):
            fields.setdefault(name, []).append(content.decode())
        else:
            fields[name] = content.decode()
    return fields, file


@contextmanager
def openai_stub(hear=heard, *, key=None, without=()):
    """Yields the stub; ``url`` is the base URL for clients."""
    import soundfile

    stub = Stub(hear, key, without)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path not in ("/v1/audio/transcriptions", "/v1/audio/translations"):
                return self.reply(refusal(404, "Invalid URL"))
            fields, (kind, content) = read_form(self.headers, body)
            audio, rate = soundfile.read(io.BytesIO(content), dtype="int16")
            assert rate == SAMPLE_RATE
            return self.reply(stub.ask(Request(self.path, self.headers["Authorization"], fields, audio, kind)))

        def reply(self, reply):
            if reply.hangs:
                stub.ends.wait(HANG_S)
            body = json.dumps(reply.error).encode() if reply.body is None else reply.body
            self.send_response(reply.status)
            headers = {"Content-Type": "application/json", "Content-Length": len(body), **reply.headers}
            for name, value in headers.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args):
            """A client that gave up waiting is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield stub
    finally:
        stub.ends.set()
        server.shutdown()
        server.server_close()
        thread.join()
