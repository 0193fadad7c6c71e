"""A server that is told to stop, in every state that it and its sessions can be in."""

import asyncio
import os
import signal
import time

import httpx
import pytest

from bad_clients import masked, raw_upgrade
from native_client import connect, play

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")


async def stopped(server, within_s):
    begun = time.monotonic()
    code = await asyncio.to_thread(server.wait, within_s)
    return code, time.monotonic() - begun


def test_what_cannot_be_decoded_in_time_is_given_up_and_its_client_told(start, speech):
    """At its bound with a recogniser that will need a minute, and one that has sent its last already."""
    server = start("--backend", "fake", "--model", "20", "--drain-timeout-s", "1").ready()

    async def scenario():
        async with connect(server.ws) as talking, connect(server.ws) as finished:
            await finished.say("start")
            await finished.stream(speech[: 16_000 * 10])
            await finished.say("finish")
            await talking.say("start")
            writing = asyncio.create_task(talking.stream(speech[: 16_000 * 60]))
            await talking.until("speech_start")
            await asyncio.sleep(0.5)
            server.interrupt()
            ends = [(await talking.rest()), (await finished.rest())]
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            return ends, await stopped(server, 20)

    ends, (code, took) = play(scenario(), 60)
    for messages, close in ends:
        assert (messages[-1]["type"], messages[-1]["code"], messages[-1]["fatal"]) == ("error", "server_restart", True)
        assert close == (1012, "server_restart")
        opened = [m["utterance"] for m in messages if m["type"] == "speech_end"]
        assert opened == [m["utterance"] for m in messages if m["type"] == "utterance"]
    assert code == 0 and took < 10


def test_a_second_signal_ends_it_at_once(start, speech):
    server = start("--backend", "fake", "--model", "20").ready()

    async def scenario():
        async with connect(server.ws) as client:
            await client.say("start")
            await client.stream(speech[: 16_000 * 5])
            await client.until("speech_start")
            server.process.send_signal(signal.SIGINT)
            while (await asyncio.to_thread(httpx.get, f"{server.url}/health/ready")).json()["status"] != "draining":
                await asyncio.sleep(0.02)
            server.process.send_signal(signal.SIGINT)
            return await stopped(server, 20)

    code, took = play(scenario(), 40)
    assert code == 130 and took < 5


def test_a_client_that_is_slow_to_hang_up_still_reads_its_last_words(start, speech):
    """It goes on sending for a while, as over a long line; closing on that would reset the connection."""
    server = start("--backend", "fake").ready()

    async def scenario():
        reader, writer = await raw_upgrade(server)
        frame = masked(2, speech[: 16_000 * 3].tobytes()[:64_000])
        writer.write(frame)
        await reader.readexactly(2)  # the first final has come
        server.interrupt()
        for _ in range(10):
            writer.write(masked(2, bytes(3200)))
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.write(masked(8, (1012).to_bytes(2, "big")))
        said = await reader.read()
        writer.close()
        return said, await stopped(server, 10)

    said, (code, _) = play(scenario())
    assert said.endswith((1012).to_bytes(2, "big") + b"server_restart") and code == 0


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_server_without_sessions_ends_at_once(start, sign):
    server = start("--backend", "fake").ready()
    server.process.send_signal(sign)
    assert play(stopped(server, 5))[0] == 0


def test_nobody_is_admitted_once_it_stops(start, speech):
    server = start("--backend", "fake", "--model", "1").ready()

    async def scenario():
        async with connect(server.ws) as client:
            await client.say("start")
            await client.stream(speech[: 16_000 * 3])
            await client.until("speech_start")
            server.interrupt()
            async with httpx.AsyncClient() as http:
                while (await http.get(f"{server.url}/info")).json()["state"] != "draining":
                    await asyncio.sleep(0.02)
                ready = await http.get(f"{server.url}/health/ready")
                upgrade = {
                    "Connection": "Upgrade", "Upgrade": "websocket",
                    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13",
                }  # fmt: skip
                refused = await http.get(f"{server.url}/ws/transcribe", headers=upgrade)
            return ready, refused, await client.rest()

    ready, refused, (messages, close) = play(scenario())
    assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded") and "Retry-After" in refused.headers
    assert messages[-1]["type"] == "finished" and close == (1012, "server_restart")
