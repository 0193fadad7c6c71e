"""Clients that share a server: good ones, bad ones, fast ones, and all of them when it is stopped."""

import asyncio
import os

import httpx
import pytest

from bad_clients import stalls, talks_rubbish, vanishes
from native_client import connect, play

REALTIME = 0.1  # seconds of audio in a frame of 1600 samples


async def live(server, audio, *, times_faster=4, query=""):
    """Stream at a steady pace and finish; the text, and how it closed."""
    async with connect(server.ws, query) as client:
        await client.say("start")
        await client.stream(audio, frame=1600, pause_s=REALTIME / times_faster)
        await client.say("finish")
        _, close = await client.rest()
        return client.text, close


def test_five_of_eight_finish_with_the_text_they_have_alone(start, speech):
    server = start("--backend", "fake").ready()
    audio = speech[: 16_000 * 12]

    async def scenario():
        alone, _ = await live(server, audio)
        bad = [
            asyncio.create_task(work)
            for work in (stalls(server, audio), talks_rubbish(server), vanishes(server, audio))
        ]
        together = await asyncio.gather(*(live(server, audio) for _ in range(5)))
        assert not any(task.done() for task in bad)
        while not all(task.done() for task in bad):  # before Python 3.12, wait_for may swallow one
            for task in bad:
                task.cancel()
            await asyncio.wait(bad, timeout=0.2)
        return alone, together

    alone, together = play(scenario(), 110)
    assert len(alone.split()) >= 10
    assert together == [(alone, (1000, "finished"))] * 5
    play(no_session_is_left(server))


async def no_session_is_left(server):
    async with httpx.AsyncClient() as http:
        while (await http.get(f"{server.url}/info")).json()["sessions"]:
            await asyncio.sleep(0.05)


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM does not exist there; Ctrl-Break is another way")
def test_a_server_that_is_told_to_stop_lets_five_live_streams_finish(start, speech):
    server = start("--backend", "fake", "--model", "0.05").ready()

    async def scenario():
        clients = [connect(server.ws) for _ in range(5)]
        talking = [await client.__aenter__() for client in clients]
        waiting = await connect(server.ws).__aenter__()
        for client in talking:
            await client.say("start")
            await client.stream(speech[: 16_000 * 3 + 8000], pause_s=0.01)
        server.interrupt()
        ends = [await client.rest() for client in talking]
        return ends, [client.text for client in talking], await waiting.rest()

    ends, texts, (_, close_of_the_waiting) = play(scenario())
    for messages, close in ends:
        assert messages[-1]["type"] == "finished" and close == (1012, "server_restart")
        assert "drain" in {m["reason"] for m in messages if m["type"] == "final"}
    assert [text.split() for text in texts] == [["w0", "w1", "w2", "w3"]] * 5
    assert close_of_the_waiting == (1012, "server_restart")
    assert server.wait(10) == 0
