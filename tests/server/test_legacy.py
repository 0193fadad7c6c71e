"""``/transcribe`` over a real socket, as the programs of reswhis 0.1's users speak to it."""

import asyncio
import json

import pytest
import websockets

from native_client import play

KEYS = {"from", "to", "content"}
READ_FRAME = 65_536
"""What websocat reads from a pipe at once, at most."""


def path(server):
    return server.ws.replace("/ws/transcribe", "/transcribe")


async def answers(socket, *, silent_for_s):
    """All that comes until nothing has come for so long."""
    received = []
    try:
        while True:
            received.append(json.loads(await asyncio.wait_for(socket.recv(), silent_for_s)))
    except TimeoutError:
        return received


def text_of(received):
    """As the old page shows it."""
    return "".join(message["content"] for message in received if message["content"] != "-")


def test_large_frames_on_a_socket_that_is_never_closed_give_all_words_after_two_seconds(fake, speech):
    async def scenario():
        async with websockets.connect(path(fake)) as socket:
            data = speech.tobytes()
            for start in range(0, len(data), READ_FRAME):
                await socket.send(data[start : start + READ_FRAME])
            return await answers(socket, silent_for_s=3.5)  # 2 s, a decode, and a slow machine

    received = play(scenario())
    assert all(message.keys() == KEYS for message in received)
    words = text_of(received).split()
    assert words == [f"w{number}" for number in range(-(-len(speech) // 16_000))]
    assert {"from": "-", "to": "-", "content": "-"} in received
    times = [time for message in received if message["content"] != "-" for time in (message["from"], message["to"])]
    assert all(isinstance(time, float) for time in times) and times == sorted(times)


def test_an_empty_frame_is_answered_and_a_second_one_ends(fake, speech):
    async def scenario():
        async with websockets.connect(path(fake)) as socket:
            await socket.send(speech[:24_000].tobytes())
            await socket.send(b"")
            received = []
            while "w0" not in text_of(received):
                received.append(json.loads(await socket.recv()))
            await socket.send(b"")
            received += [json.loads(message) async for message in socket]
            return text_of(received), socket.close_code

    text, code = play(scenario())
    assert text.split() == ["w0", "w1"] and code == 1000


def test_text_ends_the_connection_without_an_object_that_the_page_would_print(fake):
    async def scenario():
        async with websockets.connect(path(fake)) as socket:
            await socket.send("hello")
            with pytest.raises(websockets.ConnectionClosed):
                await socket.recv()
            return socket.close_code

    assert play(scenario()) == 1003
