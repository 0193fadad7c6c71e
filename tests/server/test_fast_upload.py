"""A client that sends much faster than can be decoded."""

import json

import pytest
import websockets

from native_client import play


@pytest.mark.long
@pytest.mark.timeout(180)
def test_ten_minutes_at_full_speed_from_a_client_that_reads_only_afterwards_lose_nothing(start, speech):
    """The recogniser needs 0.1 s per second of audio, so the client is held back for most of a minute."""
    server = start("--backend", "fake", "--model", "0.1").ready()
    seconds = 600
    audio = speech[: 16_000 * 20].tobytes() * (seconds // 20)

    async def scenario():
        async with websockets.connect(server.ws) as socket:  # default pings, default buffers
            for start_ in range(0, len(audio), 32_000):
                await socket.send(audio[start_ : start_ + 32_000])
            await socket.send(b"")
            return [message async for message in socket], socket.close_code

    messages, code = play(scenario(), 150)
    text = "".join(json.loads(message)["content"] for message in messages)
    heard = [int(word[1:]) for word in text.split()]
    assert code == 1000
    assert heard == sorted(set(heard)) and heard[-1] == seconds - 1
    assert len(heard) >= 0.97 * seconds  # a second whose middle is a pause may have no word
