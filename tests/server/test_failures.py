"""A recogniser that fails: what its clients are told, and that everything else goes on."""

import asyncio
import time

import httpx

from native_client import connect, play


def state(server):
    answer = httpx.get(f"{server.url}/health/ready")
    return answer.status_code, answer.json()["status"]


async def stream(server, audio, *, pause_s=0.02):
    async with connect(server.ws) as client:
        await client.say("start")
        await client.stream(audio, pause_s=pause_s)
        await client.say("finish")
        _, close = await client.rest()
        return client, close


def test_a_window_that_fails_twice_is_told_with_its_span_and_the_stream_goes_on(start, speech):
    server = start("--backend", "fake", "--model", "fail:3").ready()
    client, close = play(stream(server, speech[: 16_000 * 12]))
    errors = client.of("error")
    assert errors and close == (1000, "finished")
    assert {(e["code"], e["fatal"]) for e in errors} == {("decode_failed", False)}
    assert not all(e["lost"] for e in errors)
    assert all(0 <= e["start_ms"] < e["end_ms"] <= e["audio_ms"] for e in errors)
    lost_s = sum(e["end_ms"] - e["start_ms"] for e in errors if e["lost"]) / 1000
    assert len(client.text.split()) >= 8 - lost_s  # what a partial window missed, the next one heard
    server.interrupt()
    assert server.wait() == 0  # the log is whole
    assert server.text.count("Traceback") == 2 * len(errors)


def test_a_recogniser_that_always_fails_ends_no_session_and_is_loaded_again(start, speech):
    server = start("--backend", "fake", "--model", "fail:1,load:0.5").ready()

    async def scenario():
        streaming = asyncio.create_task(stream(server, speech[: 16_000 * 8], pause_s=0.05))
        while (seen := await asyncio.to_thread(state, server))[0] == 200:
            await asyncio.sleep(0.02)
        async with httpx.AsyncClient() as http:
            live = (await http.get(f"{server.url}/health/live")).status_code
            info = (await http.get(f"{server.url}/info")).json()["state"]
        while (await asyncio.to_thread(state, server))[0] != 200:
            await asyncio.sleep(0.02)
        return seen, live, info, await streaming

    seen, live, info, (client, close) = play(scenario())
    assert (seen, live, info) == ((503, "failed"), 200, "failed")
    assert client.text == "" and close == (1000, "finished")
    assert client.of("utterance") and client.of("error")[-1]["code"] == "decode_failed"
    assert client.of("error")[-1]["lost"] is True


def test_while_the_model_is_loaded_the_port_answers_and_a_stop_is_obeyed(start):
    server = start("--backend", "fake", "--model", "load:100").listening()
    assert state(server) == (503, "loading")
    begun = time.monotonic()
    server.interrupt()
    assert server.wait(20) == 0 and time.monotonic() - begun < 10
