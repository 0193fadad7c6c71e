"""Several models in one server: who gets which, when they come, and when they go."""

import asyncio
import shutil
import time
from contextlib import AsyncExitStack

import httpx
import pytest
import websockets

from reswhis.cli.arguments import load
from reswhis.core.errors import ConfigurationError

from native_client import connect, play
from server_process import Process

OWN = "fake:0"
TTL_S = 0.3
LOADED, LOADING, NOT_LOADED = "loaded", "loading", "not loaded"


@pytest.fixture(scope="module")
def server():
    """Room for its own model and two others, which go soon."""
    arguments = ("--allowed-models", "0.01,load:1,fail:1", "--model-ttl-s", str(TTL_S))
    process = Process("--backend", "fake", *arguments)
    yield process.ready()
    process.stop()


async def info(server):
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{server.url}/info")).json()


async def states(server):
    return {model["name"]: model["state"] for model in (await info(server))["models"]}


async def until(server, name, state):
    while (await states(server))[name] != state:
        await asyncio.sleep(0.02)


async def ready(client, model):
    """Ask for the model, and wait for it."""
    await client.say("start", model=model)
    return (await client.until("ready"))["model"]


async def whole(server, audio, *, query="", **start):
    """A whole session in full mode, or with a query in plain mode."""
    async with connect(server.ws, query) as client:
        if not query:
            await client.say("start", **start)
        await client.send(audio)
        await client.say("finish")
        messages, close = await client.rest()
        return client.text, messages, close


def test_each_session_is_on_the_model_that_it_asks_for_and_all_others_on_the_servers_own(server, speech):
    async def scenario():
        starts = [{}, {"model": ""}, {"model": OWN}, {"model": "0.01"}]
        sessions = await asyncio.gather(*(whole(server, speech[:80_000], **start) for start in starts))
        plain = await whole(server, speech[:80_000], query="model=0.01")
        return sessions, plain

    sessions, plain = play(scenario())
    assert [messages[0]["model"] for _, messages, _ in sessions] == [OWN, OWN, OWN, "fake:0.01"]
    assert {text for text, *_ in [*sessions, plain]} == {" w0 w1 w2 w3 w4"}
    assert plain[1][0]["type"] == "final" and plain[2] == (1000, "finished")
    assert server.says("the model 0.01 is loaded")


def test_a_session_is_ready_when_its_model_is_and_what_it_says_before_is_heard(server, speech):
    async def scenario():
        await until(server, "load:1", NOT_LOADED)
        async with connect(server.ws) as client:
            await client.say("start", model="load:1")
            await client.stream(speech[:80_000])
            await client.say("ping", id=1)
            await until(server, "load:1", LOADING)
            assert (await states(server))[OWN] == LOADED
            assert httpx.get(f"{server.url}/health/ready").status_code == 200
            await client.say("finish")
            messages, close = await client.rest()
        return client.text, messages, close

    text, messages, close = play(scenario())
    assert (messages[0]["type"], messages[0]["audio_ms"]) == ("ready", 0) and any(m["type"] == "pong" for m in messages)
    assert text == " w0 w1 w2 w3 w4" and messages[-1]["audio_ms"] == 5000 and close == (1000, "finished")


def test_whoever_asks_at_once_waits_for_one_load(server, speech):
    async def scenario():
        await until(server, "load:1", NOT_LOADED)
        before = server.text.count("loading the model load:1")
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connect(server.ws)) for _ in range(5)]
            await asyncio.gather(*(ready(client, "load:1") for client in clients))  # the last, too, before it goes
            await asyncio.gather(*(said(client) for client in clients))
            return before, {client.text for client in clients}

    async def said(client):
        await client.send(speech[:32_000])
        await client.say("finish")
        await client.rest()

    before, texts = play(scenario())
    assert texts == {" w0 w1"}
    assert server.says("loading the model load:1") and server.text.count("loading the model load:1") == before + 1


def test_a_model_stays_while_a_session_is_on_it_and_goes_soon_after(server):
    async def scenario():
        async with connect(server.ws) as client:
            await ready(client, "0.01")
            await asyncio.sleep(3 * TTL_S)
            during = await states(server)
            gauge = httpx.get(f"{server.url}/metrics").text
        await until(server, "0.01", NOT_LOADED)
        return during, gauge

    during, gauge = play(scenario())
    assert during == {OWN: LOADED, "0.01": LOADED, "load:1": NOT_LOADED, "fail:1": NOT_LOADED}
    assert 'reswhis_model_loaded{model="0.01"} 1.0' in gauge and 'reswhis_model_loaded{model="load:1"} 0.0' in gauge
    assert 'reswhis_model_loaded{model="0.01"} 0.0' in httpx.get(f"{server.url}/metrics").text
    assert httpx.get(f"{server.url}/health/ready").json()["models"] == [OWN]


def test_where_all_are_in_use_the_next_is_told_when_to_come_back(server):
    async def scenario():
        async with connect(server.ws) as one, connect(server.ws) as other:
            await ready(one, "0.01")
            await ready(other, "load:1")
            async with connect(server.ws) as third:
                await third.say("start", model="fail:1")
                messages, close = await third.rest()
            async with connect(server.ws) as fourth:
                await ready(fourth, "load:1")  # it is there
        return messages, close

    (error,), close = play(scenario())
    assert (error["code"], error["fatal"], close) == ("overloaded", True, (1013, "overloaded"))
    assert error["retry_after_s"] > 0 and "fail:1" in error["message"]
    assert 'reswhis_sessions_refused_total{reason="overloaded"} 1.0' in httpx.get(f"{server.url}/metrics").text


def test_a_further_model_that_always_fails_harms_only_its_sessions(server, speech):
    async def scenario():
        async with connect(server.ws) as client:
            await ready(client, "fail:1")
            await client.stream(speech[: 16_000 * 6], pause_s=0.02)
            status = httpx.get(f"{server.url}/health/ready").status_code
            text, *_ = await whole(server, speech[:32_000])
            await client.say("finish")
            _, close = await client.rest()
        return client.of("error"), status, text, close

    errors, status, text, close = play(scenario())
    assert errors and {error["code"] for error in errors} == {"decode_failed"} and close == (1000, "finished")
    assert (status, text) == (200, " w0 w1") and server.says("makes its backend anew")


@pytest.mark.parametrize("query", ["", "model=gpt-9"])
def test_a_model_that_is_not_on_the_list_is_refused_with_those_that_are(server, query):
    async def scenario():
        async with connect(server.ws, query) as client:
            if not query:
                await client.say("start", model="gpt-9")
            return await client.rest()

    (error,), close = play(scenario())
    assert (error["code"], error["param"], error["fatal"]) == ("unknown_model", "model", True)
    assert all(name in error["message"] for name in (OWN, "0.01", "load:1", "fail:1")) and close[0] == 1008


def test_the_model_of_a_session_cannot_be_changed(server):
    async def scenario():
        async with connect(server.ws) as client:
            await client.say("start")
            await client.say("configure", model="0.01")
            await client.say("finish")
            return await client.rest()

    messages, close = play(scenario())
    assert [(m["type"], m.get("param"), m.get("fatal")) for m in messages] == [
        ("ready", None, None),
        ("error", "model", False),
        ("finished", None, None),
    ]
    assert close == (1000, "finished")


def test_who_goes_while_a_model_loads_is_not_waited_for_and_who_stays_is_told_of_a_stop(speech):
    server = Process("--backend", "fake", "--allowed-models", "load:100").ready()

    async def scenario():
        async with connect(server.ws) as client:
            await client.say("start", model="load:100")
            await client.stream(speech[: 16_000 * 10])
            await until(server, "load:100", LOADING)
            client.socket.transport.abort()
        while (await info(server))["sessions"]:
            await asyncio.sleep(0.02)
        async with connect(server.ws) as client:
            await client.say("start", model="load:100")
            await client.send(speech[:32_000])
            await until(server, "load:100", LOADING)
            server.interrupt()
            messages, close = await client.rest()
        return messages, close

    try:
        (error,), close = play(scenario())
        assert error["code"] == "server_restart" and close == (1012, "server_restart")
        begun = time.monotonic()
        assert server.wait(20) == 0 and time.monotonic() - begun < 10
        assert "Traceback" not in server.text
    finally:
        server.stop()


@pytest.mark.parametrize("names", ["auto", "tiny,AUTO"])
def test_what_is_no_name_cannot_be_allowed(names):
    with pytest.raises(ConfigurationError, match="auto"):
        load(["--allowed-models", names], {})


def test_an_allowed_model_that_does_not_exist_ends_the_start():
    process = Process("--backend", "faster-whisper", "--model", "base", "--allowed-models", "tiny,lage-v3")
    try:
        assert process.wait() == 2 and "large-v3" in process.text and "Traceback" not in process.text
    finally:
        process.stop()


def test_real_models_of_two_forms_and_one_that_is_damaged(tmp_path, micro, micro_v3, recordings):
    damaged = tmp_path / "damaged"
    shutil.copytree(micro, damaged)
    (damaged / "model.bin").write_bytes((damaged / "model.bin").read_bytes()[:100_000])
    names = [str(micro_v3), str(damaged)]
    server = Process(
        *("--backend", "faster-whisper", "--model", str(micro), "--language", "en", "--encoder-context", "full"),
        *("--allowed-models", ",".join(names), "--workers", "1"),
    ).ready()
    audio = recordings[0].audio

    async def scenario():
        own = await whole(server, audio)
        further = await whole(server, audio, model=names[0])
        refused = []
        for _ in range(2):
            async with connect(server.ws) as client:
                with pytest.raises(websockets.ConnectionClosed):
                    await ready(client, names[1])
                refused.append((client.messages, client.socket.close_code))
        return own, further, refused, await states(server)

    try:
        own, further, refused, seen = play(scenario())
        assert own[0].split() and own[0].split() == further[0].split()
        assert [messages[0]["model"] for _, messages, _ in (own, further)] == [str(micro), names[0]]
        for (error,), code in refused:
            assert (error["code"], error["param"], code) == ("model_unavailable", "model", 1011)
            assert str(damaged) in error["message"] and "\n" not in error["message"]
        assert seen == {str(micro): LOADED, names[0]: LOADED, names[1]: NOT_LOADED}
        assert httpx.get(f"{server.url}/health/ready").status_code == 200
    finally:
        server.stop()
