"""Clients that send much faster than can be decoded."""

import asyncio
import json

import pytest
import websockets

from native_client import play

FRAME = 32_000
"""Bytes: a second."""


def upload(speech, duration_s):
    audio = speech[: 16_000 * 20].tobytes() * (duration_s // 20)
    return [audio[start : start + FRAME] for start in range(0, len(audio), FRAME)]


def assert_whole(messages, duration_s):
    heard = [int(word[1:]) for message in messages for word in json.loads(message)["content"].split()]
    assert heard == sorted(set(heard)) and heard[-1] == duration_s - 1
    assert len(heard) >= 0.97 * duration_s  # a second whose middle is a pause may have no word


@pytest.mark.long
@pytest.mark.timeout(180)
def test_ten_minutes_at_full_speed_from_a_client_that_reads_only_afterwards_lose_nothing(start, speech):
    """The recogniser needs 0.05 s per second of audio, so the client is held back for most of half a minute.

    Held back for longer, it may end itself: it hears no more pongs once 16 messages wait that it has not read.
    """
    server = start("--backend", "fake", "--model", "0.05").ready()

    async def scenario():
        async with websockets.connect(server.ws) as socket:  # default pings, default buffers
            for frame in upload(speech, 600):
                await socket.send(frame)
            await socket.send(b"")
            return [message async for message in socket], socket.close_code

    messages, code = play(scenario(), 150)
    assert code == 1000
    assert_whole(messages, 600)


@pytest.mark.long
@pytest.mark.timeout(180)
def test_a_client_that_is_held_back_for_long_and_reads_hears_its_pongs_in_time(start, speech):
    """Of 0.1 s per second of audio: its default ping, after 20 s, waits behind what its own buffers hold."""
    server = start("--backend", "fake", "--model", "0.1").ready()

    async def scenario():
        async with websockets.connect(server.ws) as socket:

            async def send():
                for frame in upload(speech, 360):
                    await socket.send(frame)
                await socket.send(b"")

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(send())
                return [message async for message in socket], socket.close_code

    messages, code = play(scenario(), 150)
    assert code == 1000
    assert_whole(messages, 360)
