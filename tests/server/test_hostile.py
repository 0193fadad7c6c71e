"""Clients that take nothing, or send what no client should: they are let go, and nobody else hears of it."""

import asyncio
import json
import time

import httpx
import psutil
import pytest
import websockets

from bad_clients import masked, raw_upgrade
from native_client import connect, play

TEXT, BINARY, PING = 1, 2, 9


@pytest.fixture(scope="module")
def impatient(start):
    return start(
        "--backend", "fake", "--write-timeout-s", "0.5", "--idle-timeout-s", "3",
        "--allowed-origins", "chrome-extension://named",
    ).ready()  # fmt: skip


async def sessions(server):
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{server.url}/info")).json()["sessions"]


async def nobody_is_left(server):
    while await sessions(server):
        await asyncio.sleep(0.05)


def open_sockets(server):
    """Those of clients, in whatever state they are, but for the pool of the test's own HTTP client."""
    return [c for c in psutil.Process(server.process.pid).net_connections() if c.status == psutil.CONN_ESTABLISHED]


async def pour(writer, frame, *, times=200_000):
    """Write until the server reads no more."""
    for _ in range(times // 100):
        writer.write(frame * 100)
        await writer.drain()


@pytest.mark.parametrize(
    "frame",
    [
        masked(TEXT, json.dumps({"type": "ping", "id": "x" * 200}).encode()),
        masked(PING, bytes(125)),
    ],
    ids=["pings", "pings of WebSocket itself"],
)
def test_a_client_that_never_reads_is_let_go_with_its_socket(impatient, frame):
    before = len(open_sockets(impatient))

    async def scenario():
        _, writer = await raw_upgrade(impatient, receive_buffer=4096)
        pouring = asyncio.create_task(pour(writer, frame))
        memory = psutil.Process(impatient.process.pid).memory_info().rss
        await asyncio.sleep(1)
        await nobody_is_left(impatient)
        while len(open_sockets(impatient)) > before:
            await asyncio.sleep(0.1)
        grown = psutil.Process(impatient.process.pid).memory_info().rss - memory
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)
        writer.transport.abort()
        return grown

    assert play(scenario(), 30) < 30_000_000


def test_a_client_that_never_reads_holds_no_place_when_the_server_stops(start):
    server = start("--backend", "fake", "--drain-timeout-s", "0.5").ready()

    async def scenario():
        _, writer = await raw_upgrade(server, receive_buffer=4096)
        pouring = asyncio.create_task(pour(writer, masked(PING, bytes(125))))
        await asyncio.sleep(0.5)
        server.interrupt()
        code = await asyncio.to_thread(server.wait, 15)
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)
        return code

    assert play(scenario(), 30) == 0


async def said_to(server, *messages):
    """What a client is told that sends these texts in plain mode, then finishes."""
    async with connect(server.ws) as client:
        try:
            for message in messages:
                await client.send(message)
            await client.say("finish")
        except websockets.ConnectionClosed:
            pass
        return await client.rest()


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        '{"type":"start","audio":' + '{"a":' * 5000,
        '{"type":"ping","id":"\\ud800"}',
        '{"type":"ping","id":1' + "0" * 4500 + "}",
        '{"type":"start","version":1' + "0" * 4500 + "}",
        '{"type":"ping","id":NaN}',
    ],
    ids=["deep", "deep start", "half a character", "long number", "long number in a start", "no number"],
)
def test_a_text_that_breaks_parsers_is_an_error_like_any_other(impatient, text):
    messages, close = play(said_to(impatient, text))
    assert [(m["type"], m.get("fatal")) for m in messages] == [("error", False), ("finished", None)]
    assert close == (1000, "finished")


def test_a_text_of_megabytes_is_refused_at_once(impatient):
    messages, close = play(said_to(impatient, '{"type":"ping","id":"' + "x" * 10_000_000 + '"}'))
    assert [(m["code"], m["fatal"]) for m in messages] == [("frame_too_large", True)]
    assert close == (1009, "frame_too_large")


def test_bytes_that_are_no_text_end_the_connection_with_1007(impatient):
    async def scenario():
        reader, writer = await raw_upgrade(impatient)
        writer.write(masked(TEXT, b"\xff\xfe"))
        answer = await reader.read()
        writer.transport.abort()
        return answer

    answer = play(scenario())
    assert answer[:2] == b"\x88\x02" and int.from_bytes(answer[2:4], "big") == 1007


def test_a_flood_of_tiny_frames_does_not_keep_the_others_waiting(impatient):
    """Each of its frames is one sample, and as much work as a real one."""

    async def scenario():
        _, writer = await raw_upgrade(impatient)
        pouring = asyncio.create_task(pour(writer, masked(BINARY, b"\0\0")))
        async with connect(impatient.ws) as client:
            delays = []
            for n in range(50):
                begun = time.monotonic()
                await client.say("ping", id=n)
                await client.until("pong", id=n)
                delays.append(time.monotonic() - begun)
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)
        writer.transport.abort()
        return sorted(delays)[len(delays) // 2]

    assert play(scenario()) < 0.1


@pytest.mark.parametrize(
    "origin", ["http://[", "http://[::1", "http://a]b", "https://", "::", "chrome-extension://abcdef"]
)
def test_an_odd_origin_is_foreign(impatient, origin):
    async def scenario():
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(impatient.ws, additional_headers={"Origin": origin})
        return refused.value.response.status_code

    assert play(scenario()) == 403


@pytest.mark.parametrize("origin", ["file://", "chrome-extension://named"])
def test_a_page_from_disk_is_welcome_as_chromium_says_it_and_an_extension_that_is_named(impatient, origin):
    async def scenario():
        async with websockets.connect(impatient.ws, additional_headers={"Origin": origin}):
            return True

    assert play(scenario())


def test_clients_that_vanish_everywhere_leave_nothing_behind(start, speech):
    """Before the handshake's answer, after it, after the start, in the middle of audio, in a flush, after finish."""
    server = start("--backend", "fake", "--model", "0.02").ready()
    process = psutil.Process(server.process.pid)
    audio = masked(BINARY, speech[:16_000].tobytes())
    start_, flush, finish = (masked(TEXT, json.dumps({"type": t}).encode()) for t in ("start", "flush", "finish"))

    async def vanish(*frames):
        _, writer = await raw_upgrade(server)
        for frame in frames:
            writer.write(frame)
        await asyncio.sleep(0)
        writer.transport.abort()

    async def before_the_answer():
        host, port = server.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET /ws/transcribe HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await asyncio.sleep(0)
        writer.transport.abort()

    async def round_():
        await asyncio.gather(
            before_the_answer(),
            vanish(),
            vanish(start_),
            vanish(*[audio] * 3),
            vanish(audio, flush),
            vanish(start_, audio, finish),
            vanish(start_, *[audio] * 40),
        )
        await nobody_is_left(server)

    async def scenario():
        await round_()
        before = process.num_threads(), process.num_fds() if hasattr(process, "num_fds") else 0
        for _ in range(5):
            await round_()
        while True:  # the sockets go a moment after the sessions
            after = process.num_threads(), process.num_fds() if hasattr(process, "num_fds") else 0
            if after <= before:
                return
            await asyncio.sleep(0.1)

    play(scenario(), 50)
    assert "Traceback" not in server.text and " ERROR " not in server.text, server.text
