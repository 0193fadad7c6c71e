"""The shell between a socket and a session, where only an order that a network seldom gives shows a fault."""

import asyncio
import json

import pytest
from starlette.datastructures import QueryParams
from starlette.websockets import WebSocket

from reswhis.audio.vad import SileroVAD
from reswhis.backends.base import BackendInfo
from reswhis.backends.fake import FakeBackend
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.engine.engine import LocalEngine
from reswhis.server.limits import Limits
from reswhis.server.sessions import Sessions
from reswhis.transports.codec import Defaults
from reswhis.transports.connection import Connection
from reswhis.transports.native import NativeCodec
from reswhis.transports.wire import WebSocketWire

LIMIT_S = 10
LIMITS = Limits()
START, FINISH = {"type": "start"}, {"type": "finish"}


class Wire:
    """An accepted socket in memory: what the client has said, and what it is told once it reads."""

    def __init__(self, *said):
        self.incoming = asyncio.Queue()
        self.told = []
        self.reads = asyncio.Event()
        self.reads.set()
        for message in ({"type": "websocket.connect"}, *map(frame, said)):
            self.incoming.put_nowait(message)

    async def accepted(self):
        socket = WebSocket({"type": "websocket", "headers": []}, self.incoming.get, self.send)
        await socket.accept()
        return socket

    async def send(self, message):
        if message["type"] != "websocket.accept":
            await self.reads.wait()
        self.told.append(message)
        if message["type"] == "websocket.close":
            self.incoming.put_nowait({"type": "websocket.disconnect", "code": message["code"]})

    @property
    def messages(self):
        return [json.loads(m["text"]) for m in self.told if m["type"] == "websocket.send"]

    @property
    def close(self):
        return self.told[-1].get("code"), self.told[-1].get("reason")


def frame(said):
    content = {"bytes": said} if isinstance(said, bytes) else {"text": json.dumps(said)}
    return {"type": "websocket.receive", **content}


def serve(wire, *, limits=LIMITS, codec=NativeCodec, before=lambda place: None, meanwhile=None):
    """Serve this client to its end, after which no session is left."""

    async def main():
        async with asyncio.timeout(LIMIT_S), LocalEngine(lambda worker: FakeBackend()) as engine:
            sessions = Sessions(limits, engine, SileroVAD())
            defaults = Defaults(SessionConfig(), StreamOptions(), BackendInfo("fake", "fake", "cpu", "none"), limits)
            async with sessions.admit() as place:
                before(place)
                made = codec("id", QueryParams(""), defaults)
                connection = Connection(WebSocketWire(await wire.accepted()), made, place, limits)
                serving = asyncio.create_task(connection.serve())
                if meanwhile is not None:
                    await meanwhile()
                await serving
            await sessions.aclose()
            return len(sessions)

    assert asyncio.run(main()) == 0


def test_a_session_that_begins_just_when_the_server_stops_is_finished_too():
    wire = Wire(START)
    serve(wire, before=lambda place: place.draining.set())
    assert [m["type"] for m in wire.messages] == ["ready", "finished"] and wire.close == (1012, "server_restart")


def test_no_answer_is_lost_to_a_client_that_reads_only_when_all_is_over():
    wire = Wire(START, *({"type": "ping", "id": n} for n in range(100)), FINISH)
    wire.reads.clear()

    async def reads_later():
        while wire.incoming.qsize():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # by then the session is over
        wire.reads.set()

    serve(wire, meanwhile=reads_later)
    assert [m["id"] for m in wire.messages if m["type"] == "pong"] == list(range(100))
    assert [wire.messages[n]["type"] for n in (0, -1)] == ["ready", "finished"]


def test_what_was_asked_before_a_wrong_start_is_answered_before_its_error():
    wire = Wire({"type": "ping"}, {"type": "start", "model": "another"})
    serve(wire)
    assert [m["type"] for m in wire.messages] == ["pong", "error"] and wire.close == (1008, "unknown_model")


@pytest.mark.parametrize("said", [(), (START,)], ids=["nothing begun", "a session"])
def test_a_client_that_takes_nothing_is_left_even_where_its_close_cannot_be_sent(said):
    wire = Wire(*said)
    wire.reads.clear()
    serve(wire, limits=Limits(write_timeout_s=0.05, idle_timeout_s=0.05, idle_flush_s=0.01))
    assert [m["type"] for m in wire.told] == ["websocket.accept"]


class Broken(NativeCodec):
    def decode(self, message):
        raise KeyError("/secret")


def test_a_bug_of_ours_ends_a_connection_in_our_words():
    wire = Wire(b"\0\0")
    serve(wire, codec=Broken)
    assert [(m["code"], m["fatal"]) for m in wire.messages] == [("internal_error", True)]
    assert wire.close == (1011, "internal_error") and "secret" not in str(wire.told)
