"""Whoever comes in by whatever door: the same key, the same limits, and a refusal in the words of its protocol.

A refusal that leaks the place of a session is found by whoever comes next: there is one place.
"""

import base64
import contextlib
import http.client
import json
import re
import socket
from functools import partial

import httpx
import pytest
import websockets
from websockets.sync.client import connect

from native_client import connect as connect_natively
from native_client import play

grpc = pytest.importorskip("grpc", reason="grpcio is not installed: uv sync --extra grpc")
from grpc_client import Call, addresses  # noqa: E402

KEY = "sesame"
LIMIT_S = 20
MAX_FRAME, MAX_UPLOAD = 70_000, 100_000
TOO_LARGE = bytes(MAX_FRAME + 2)
RETRY_AFTER = "5"
BEARER = {"headers": {"Authorization": f"Bearer {KEY}"}}
WAYS = {
    "header": BEARER,
    "header of Deepgram's": {"headers": {"Authorization": f"Token {KEY}"}},
    "address": {"query": f"api_key={KEY}"},
    "subprotocol": {"subprotocols": ["bearer", KEY]},
    "subprotocol of Deepgram's": {"subprotocols": ["token", KEY]},
    "subprotocol of OpenAI's": {"subprotocols": ["realtime", f"openai-insecure-api-key.{KEY}"]},
}
WRONG = {
    "none": {},
    "wrong in the header": {"headers": {"Authorization": "Bearer other"}},
    "another scheme": {"headers": {"Authorization": f"Basic {KEY}"}},
    "empty": {"headers": {"Authorization": "Bearer"}},
    "wrong in the address": {"query": "api_key=other"},
    "wrong in the subprotocol": {"subprotocols": ["bearer", "other"]},
}
AGREED = {"header": None, "header of Deepgram's": None, "address": None, "subprotocol": "bearer"}
AGREED |= {"subprotocol of Deepgram's": "token", "subprotocol of OpenAI's": "realtime"}
"""What is echoed of the subprotocols: never a key where something else was offered."""
BY_HTTP = ("header", "header of Deepgram's", "address")
WRONG_BY_HTTP = ("none", "wrong in the header", "another scheme", "empty", "wrong in the address")


class Refused(Exception):
    """Its arguments are what the client sees."""


@contextlib.contextmanager
def refusal(*seen):
    with pytest.raises(Refused) as refused:
        yield
    assert refused.value.args == seen


class WebSocket:
    """A path of the application. ``no`` and ``told`` are where a refusal and an error have their code."""

    ways, wrong = tuple(WAYS), tuple(WRONG)

    def __init__(
        self, path, ends, *, large=TOO_LARGE, first=(), query="",
        no="code", told="code", full="overloaded", unknown="unauthorized",
    ):  # fmt: skip
        self._path, self._query, self._first, self._large = path, query, first, large
        self._no, self._told = no, told
        self.full = 503, full, RETRY_AFTER
        self.unknown = 401, unknown, "Bearer"
        self.too_large, self.silent = ends

    @contextlib.contextmanager
    def enter(self, server, *, query="", headers=None, subprotocols=None):
        url = f"{server.url.replace('http', 'ws', 1)}{self._path}?{self._query}&{query}"
        options = {"additional_headers": headers, "subprotocols": subprotocols}
        try:
            with connect(url, open_timeout=LIMIT_S, **options) as entered:
                yield entered
        except websockets.InvalidStatus as refused:
            said = refused.response
            advice = said.headers.get("Retry-After") or said.headers.get("WWW-Authenticate")
            raise Refused(said.status_code, at(self._no, said.body), advice) from None

    def agreed(self, entered):
        return entered.subprotocol

    def send_too_large(self, server):
        with self.enter(server, **BEARER) as entered:
            for message in (*self._first, self._large):
                entered.send(message)
            return self._end(entered)

    def say_nothing(self, server):
        with self.enter(server, **BEARER) as entered:
            return self._end(entered)

    def _end(self, entered):
        """The code of the error, if one is told, and that of the close."""
        told = None
        try:
            while True:
                told = at(self._told, entered.recv(LIMIT_S)) or told
        except websockets.ConnectionClosed as closed:
            return told, closed.rcvd.code


def at(path, text):
    found = json.loads(text)
    for name in path.split("."):
        found = found.get(name, {})
    return found or None


class Grpc:
    ways, wrong = ("header", "header of Deepgram's"), ("none", "wrong in the header", "another scheme", "empty")
    full = "UNAVAILABLE", "the server has as many sessions as it takes", f"{RETRY_AFTER}000"
    unknown = "UNAUTHENTICATED", "this server wants an API key, in the metadata: authorization: Bearer KEY", None
    too_large = ("RESOURCE_EXHAUSTED",)
    silent = ("DEADLINE_EXCEEDED",)

    @contextlib.contextmanager
    def _called(self, server, headers=None):
        with grpc.insecure_channel(addresses(server)[0]) as channel:
            call = Call(channel, metadata=[(name.lower(), value) for name, value in (headers or {}).items()])
            try:
                yield call
            finally:
                call.cancel()

    @contextlib.contextmanager
    def enter(self, server, headers=None):
        with self._called(server, headers) as call:
            if not call.is_taken():
                raise Refused(*call.status, call.trailing("grpc-retry-pushback-ms"))
            yield call

    def agreed(self, entered):
        return None

    def send_too_large(self, server):
        with self._called(server, **BEARER) as call:
            call.say(TOO_LARGE + bytes(100)).rest()
            return (call.status[0],)

    def say_nothing(self, server):
        with self._called(server, **BEARER) as call:
            call.rest()
            return (call.status[0],)


class Upload:
    """It has its place from before the first byte of its body."""

    ways, wrong = BY_HTTP, WRONG_BY_HTTP
    full = 503, "overloaded", RETRY_AFTER
    unknown = 401, "invalid_api_key", "Bearer"
    too_large = 413, "upload_too_large", None
    silent = 408, "idle_timeout", None

    def __init__(self, path):
        self._path = path

    @contextlib.contextmanager
    def enter(self, server, *, query="", headers=None, length=1000):
        with contextlib.closing(http.client.HTTPConnection(host_of(server), timeout=LIMIT_S)) as connection:
            connection.putrequest("POST", f"{self._path}?{query}")
            body = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": length}
            for name, value in {**body, "Expect": "100-continue", **(headers or {})}.items():
                connection.putheader(name, str(value))
            connection.endheaders()
            if b" 100 " not in connection.sock.recv(13, socket.MSG_PEEK):
                raise self._answer(connection)
            yield connection

    def agreed(self, entered):
        return None

    def send_too_large(self, server):
        with pytest.raises(Refused) as at_once, self.enter(server, **BEARER, length=MAX_UPLOAD + 1):
            pass
        head = b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=x", **BEARER["headers"]}
        piecemeal = httpx.post(f"{server.url}{self._path}", content=iter([head, *[bytes(9000)] * 12]), headers=headers)
        assert (piecemeal.status_code, piecemeal.json()["error"]["code"]) == self.too_large[:2]
        return at_once.value.args

    def say_nothing(self, server):
        with self.enter(server, **BEARER) as connection:
            return self._answer(connection).args

    def _answer(self, connection):
        answer = connection.getresponse()
        advice = answer.getheader("Retry-After") or answer.getheader("WWW-Authenticate")
        return Refused(answer.status, json.load(answer)["error"]["code"], advice)


class Wyoming:
    """Its protocol has no place for a key: where one is set, no other machine reaches its port."""

    ways = wrong = ()
    full = ("overloaded",)
    too_large = ("frame_too_large",)
    silent = ("idle_timeout",)

    @contextlib.contextmanager
    def _connected(self, server, *said):
        address = re.search(r"tcp://([\d.]+):(\d+)", server.text).groups()
        with socket.create_connection(address, LIMIT_S) as connection, connection.makefile("rb") as answers:
            for event in said:
                connection.sendall(event)
            yield partial(self._next, answers)

    @contextlib.contextmanager
    def enter(self, server, **_):
        chunk = wyoming("audio-chunk", bytes(640), rate=16_000, width=2, channels=1)
        with self._connected(server, wyoming("describe"), chunk, wyoming("ping")) as answer:
            assert answer() is None  # what there is may be asked of a full server, too
            if (code := answer()) is not None:
                raise Refused(code)
            yield

    def send_too_large(self, server):
        chunk = wyoming("audio-chunk", TOO_LARGE, rate=16_000, width=2, channels=1)
        with self._connected(server, chunk[:1000]) as answer:
            return (answer(),)

    def say_nothing(self, server):
        with self._connected(server) as answer:
            return (answer(),)

    def _next(self, answers):
        """The code of an error; None for anything else."""
        header = json.loads(answers.readline())
        return json.loads(answers.read(header.get("data_length", 0)) or b"{}").get("code")


def wyoming(type_, payload=b"", **data):
    header = {"type": type_, "data": data} | ({"payload_length": len(payload)} if payload else {})
    return json.dumps(header).encode() + b"\n" + payload


def host_of(server):
    return server.url.removeprefix("http://")


SWIM_START = {"type": "start", "chunk_duration_millis": 1000}
SWIM_START["audio_format"] = {"encoding": "pcm_s16le", "sample_rate_hz": 16_000, "channels": 1}
APPEND = {"type": "input_audio_buffer.append", "audio": base64.b64encode(TOO_LARGE).decode()}
IN_FULL = ("frame_too_large", 1009), ("idle_timeout", 4408)
DOORS = {
    "native": WebSocket("/ws/transcribe", IN_FULL, first=['{"type": "start"}']),
    "plain": WebSocket("/ws/transcribe", IN_FULL),
    "reswhis 0.1": WebSocket("/transcribe", ((None, 1009), (None, 4408))),
    "swim": WebSocket(
        "/v1/transcribe", (("invalid_argument", 1009), ("deadline_exceeded", 1008)), first=[json.dumps(SWIM_START)],
    ),
    "gRPC": Grpc(),
    "OpenAI transcriptions": Upload("/v1/audio/transcriptions"),
    "OpenAI translations": Upload("/v1/audio/translations"),
    "OpenAI Realtime": WebSocket(
        "/v1/realtime", (("frame_too_large", 1009), ("idle_timeout", 1008)), query="intent=transcription",
        large=json.dumps(APPEND), no="error.code", told="error.code", unknown="invalid_api_key",
    ),
    "Deepgram": WebSocket(
        "/v1/listen", (("frame_too_large", 1009), ("NET-0001", 1011)), query="encoding=linear16&sample_rate=16000",
        no="err_code", told="variant", full="SERVICE_UNAVAILABLE", unknown="INVALID_AUTH",
    ),
    "Wyoming": Wyoming(),
}  # fmt: skip
every_door = pytest.mark.parametrize("name", DOORS)


@pytest.fixture(scope="module")
def running(start):
    return start(
        "--backend", "fake", "--api-key", KEY, "--grpc", "--ports", "0", "--wyoming", "--wyoming-port", "0",
        "--max-sessions", "1", "--max-frame-bytes", str(MAX_FRAME), "--max-upload-bytes", str(MAX_UPLOAD),
        "--idle-timeout-s", "1", "--idle-flush-s", "0.3", "--max-session-s", "4", "--max-viewers", "1",
    ).ready()  # fmt: skip


@pytest.fixture(scope="module")
def plain_http(running):
    with httpx.Client(base_url=running.url, timeout=LIMIT_S) as client:
        yield client


@pytest.fixture
def empty(running, plain_http):
    """Wait until nobody has the place."""

    def wait():
        while plain_http.get("/info").json()["sessions"]:
            pass

    wait()
    return wait


@pytest.fixture
def server(running, empty):
    return running


@every_door
def test_a_full_server_refuses_one_more_whoever_has_the_place(server, empty, name):
    door, (other, *_) = DOORS[name], [each for each in DOORS if each != name]
    with DOORS[other].enter(server, **BEARER), refusal(*door.full), door.enter(server, **BEARER):
        pass
    empty()
    with door.enter(server, **BEARER), refusal(*DOORS[other].full), DOORS[other].enter(server, **BEARER):
        pass


@every_door
def test_the_key_is_asked_for_and_taken_in_each_place_that_the_protocol_has(server, empty, name):
    door = DOORS[name]
    for wrong in door.wrong:
        with refusal(*door.unknown), door.enter(server, **WRONG[wrong]):
            pass
    for way in door.ways:
        with door.enter(server, **WAYS[way]) as entered:
            assert door.agreed(entered) == (AGREED[way] if isinstance(door, WebSocket) else None)
        empty()


@every_door
def test_what_is_too_large_is_said_to_be_and_the_next_client_is_served(server, empty, name):
    door = DOORS[name]
    assert door.send_too_large(server) == door.too_large
    empty()
    with door.enter(server, **BEARER):
        pass


@every_door
def test_who_says_nothing_is_let_go_and_the_next_client_is_served(server, empty, name):
    door = DOORS[name]
    assert door.say_nothing(server) == door.silent
    empty()
    with door.enter(server, **BEARER):
        pass


def test_a_session_that_lasts_too_long_ends_with_its_last_words(server, speech):
    async def scenario():
        async with connect_natively(server.ws, f"api_key={KEY}") as client:
            await client.say("start")
            with pytest.raises(websockets.ConnectionClosed):
                await client.stream(speech, frame=1600, pause_s=0.1)
            return await client.rest()

    messages, close = play(scenario())
    assert messages[-1]["code"] == "session_limit" and close == (4408, "session_limit")
    assert "w2" in "".join(m["text"] for m in messages if m["type"] == "final")


# What takes no place.


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/whisper-1", "/metrics"])
def test_what_tells_of_the_server_s_users_or_models_wants_the_key(plain_http, path):
    for wrong in WRONG_BY_HTTP:
        answer = plain_http.get(path, **by_http(WRONG[wrong]))
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        code = answer.json().get("code") or answer.json()["error"]["code"]
        assert code == ("unauthorized" if path == "/metrics" else "invalid_api_key")
    for way in BY_HTTP:
        assert plain_http.get(path, **by_http(WAYS[way])).status_code == 200


def by_http(way):
    return {"headers": way.get("headers"), "params": way.get("query", "")}


@pytest.mark.parametrize("path", ["/", "/captions", "/info", "/health/live", "/health/ready", "/openapi.json"])
def test_what_holds_nothing_of_anybody_is_open(plain_http, path):
    assert plain_http.get(path).status_code == 200


def test_captions_want_their_session_s_token_and_there_are_as_many_viewers_as_may_be(server, plain_http):
    with DOORS["native"].enter(server, **BEARER) as speaker:
        speaker.send('{"type": "start", "captions": true}')
        ready = json.loads(speaker.recv(LIMIT_S))
        token, session = ready["viewer_token"], f"/v1/sessions/{ready['session_id']}"
        for path in (f"{session}/events", f"{session}/transcript.txt"):
            for wrong in (None, "other", KEY):  # the server's key opens no session
                shown = [{"params": {"viewer_token": wrong}}, {"headers": {"Authorization": f"Bearer {wrong}"}}]
                assert {plain_http.get(path, **way).status_code for way in shown} == {404}
        assert plain_http.get(f"{session}/transcript.txt", params={"viewer_token": token}).status_code == 200
        assert plain_http.get(f"{session}/transcript.txt", headers={"Authorization": f"Bearer {token}"}).is_success
        with plain_http.stream("GET", f"{session}/events", params={"viewer_token": token}) as first:
            refused = plain_http.get(f"{session}/events", params={"viewer_token": token})
            assert first.status_code == 200
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["Retry-After"] == RETRY_AFTER
        again = 503
        while again == 503:  # until the server has heard that the first has gone
            with plain_http.stream("GET", f"{session}/events", params={"viewer_token": token}) as next_one:
                again = next_one.status_code
        assert again == 200


# What never becomes a request, and what the log has of all that.

UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
HANDSHAKE = (*UPGRADE, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


def say(server, *lines, path="/ws/transcribe", body=b"", complete=True):
    """The first line of the answer; empty if the connection is closed instead."""
    head = "".join(f"{line}\r\n" for line in [f"GET {path} HTTP/1.1", f"Host: {host_of(server)}", *lines])
    host, port = host_of(server).split(":")
    with socket.create_connection((host, int(port)), LIMIT_S) as connection:
        with contextlib.suppress(ConnectionError):  # closed before all was taken
            connection.sendall(head.encode() + (b"\r\n" if complete else b"") + body)
        try:
            return connection.makefile("rb").readline().decode().strip()
        except ConnectionError:
            return ""


def test_a_head_that_never_ends_is_not_waited_for(server):
    assert say(server, "X: y", complete=False) == ""


def test_a_grpc_connection_on_which_nothing_comes_is_closed(server):
    host, port = addresses(server)[0].split(":")
    with socket.create_connection((host, int(port)), LIMIT_S) as connection:
        while connection.recv(1000):
            pass


def test_a_head_has_a_limit(server):
    endless = [f"X-{number}: {'x' * 9000}" for number in range(60)]
    assert say(server, *endless, complete=False) in ("HTTP/1.1 400 Bad Request", "")  # the rest is thrown away


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (HANDSHAKE, "HTTP/1.1 401 Unauthorized"),
        (UPGRADE, "HTTP/1.1 400 Bad Request"),
        ((*HANDSHAKE, f"X: {'x' * 20_000}"), "HTTP/1.1 431 Request Header Fields Too Large"),
        ((*HANDSHAKE, *[f"X-{number}: x" for number in range(300)]), "HTTP/1.1 431 Request Header Fields Too Large"),
        ((*HANDSHAKE, "Content-Length: 5"), ""),
    ],
    ids=["no key", "half a handshake", "a long field", "many fields", "a body"],
)
def test_a_handshake_that_fails_is_answered_or_closed_at_once(server, lines, answer):
    assert say(server, *lines) == answer


def test_text_that_is_none_ends_its_connection(server):
    with DOORS["native"].enter(server, **BEARER) as entered:
        entered.send(b"\xff\xfe", text=True)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            entered.recv(LIMIT_S)
    assert closed.value.rcvd.code == 1007


def test_nothing_of_all_this_is_an_error_of_the_servers(running, empty):
    for _ in range(20):  # gone before it is answered
        with socket.create_connection(host_of(running).split(":"), LIMIT_S) as connection:
            connection.sendall("\r\n".join([f"GET /ws/transcribe?api_key={KEY} HTTP/1.1", *HANDSHAKE, "", ""]).encode())
    empty()
    assert [line for line in running.log if " ERROR " in line or "Traceback" in line] == []
