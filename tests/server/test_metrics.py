"""``GET /metrics`` of a real server against what its clients saw."""

import asyncio
from collections import Counter

import httpx
import pytest
import websockets
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from native_client import connect, play

SECRET = "sesame"


@pytest.fixture(scope="module")
def server(start):
    """Every second window of a session fails, and there is room for one."""
    return start("--backend", "fake", "--model", "fail:2", "--max-sessions", "1").ready()


async def numbers(server, **headers):
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{server.url}/metrics", headers=headers)
    assert answer.status_code == 200
    found = text_string_to_metric_families(answer.text)
    return {(s.name, *sorted(s.labels.values())): s.value for family in found for s in family.samples}


async def until(server, holds, **headers):
    while not holds(seen := await numbers(server, **headers)):
        await asyncio.sleep(0.02)
    return seen


def by(name, **counts):
    return {(name, label): count for label, count in counts.items()}


def test_the_counts_add_up_to_what_the_client_saw_and_hold_nothing_private(server, speech):
    async def scenario():
        before = await until(server, lambda seen: not seen[("reswhis_clients",)])
        async with connect(server.ws) as client:
            await client.say("start", prompt="Kiel", hotwords="Fehmarn", diagnostics=True)
            await client.stream(speech[: 16_000 * 6], pause_s=0.02)
            await client.say("flush", id="Laboe")
            await client.until("flushed")
            during = await numbers(server)
            await client.stream(speech[16_000 * 6 : 16_000 * 10], pause_s=0.02)
            await client.say("finish")
            await client.rest()
        after = await until(server, lambda seen: not seen[("reswhis_clients",)])
        return client, before, during, after

    client, before, during, after = play(scenario())
    rise = Counter({key: after[key] - before.get(key, 0) for key in after})
    words, failed = Counter(), Counter()
    for message in client.of("final"):
        words[message["reason"]] += len(message["text"].split())
    for message in client.of("error"):
        failed["final" if message["lost"] else "partial"] += 1
    assert words and failed  # else it shows nothing
    expected = {
        **by("reswhis_committed_words_total", **words),
        **by("reswhis_decode_failures_total", **failed),
    }
    counted = {key: count for key, count in rise.items() if key[0] in {name for name, _ in expected} and count}
    assert counted == expected
    utterances = sum(count for (name, *_), count in rise.items() if name == "reswhis_utterances_total")
    assert utterances == len(client.of("utterance")) >= 2
    assert rise[("reswhis_received_audio_seconds_total",)] == pytest.approx(client.messages[-1]["audio_ms"] / 1000)
    assert rise[("reswhis_detector_cpu_seconds_total",)] > 0
    for kind in ("partial", "final"):
        windows = rise[("reswhis_decoded_windows_total", kind)]
        assert windows == rise[("reswhis_queue_seconds_count", kind)]
        assert windows == rise[("reswhis_lag_seconds_count", kind)] + failed[kind]
    assert rise[("reswhis_decoded_audio_seconds_total", "final")] >= 9  # an utterance's last window has all of it
    assert rise[("reswhis_sessions_begun_total",)] == rise[("reswhis_sessions_ended_total", "finished")] == 1
    assert [seen[("reswhis_sessions_active",)] for seen in (before, during, after)] == [0, 1, 0]
    page = httpx.get(f"{server.url}/metrics").text
    private = ("Kiel", "Fehmarn", "Laboe", client.messages[0]["session_id"], "w1", "127.0.0.1")
    assert not [secret for secret in private if secret in page]


def test_a_client_for_whom_there_is_no_room_is_counted(server):
    full = ("reswhis_sessions_refused_total", "full")

    async def scenario():
        before = await numbers(server)
        async with connect(server.ws):
            held = await until(server, lambda seen: seen[("reswhis_clients",)] == 1)
            with pytest.raises(websockets.InvalidStatus, match="503"):
                async with connect(server.ws):
                    pass
        return before[full], held, (await numbers(server))[full]

    before, held, after = play(scenario())
    assert after == before + 1
    assert (held[("reswhis_sessions_active",)], held[("reswhis_clients_max",)]) == (0, 1)  # it has begun nothing


def test_a_session_that_ends_by_an_error_is_counted_by_its_code(server):
    async def scenario():
        async with connect(server.ws) as client:
            await client.say("start")
            await client.send("x" * 100_000)
            messages, _ = await client.rest()
        key = ("reswhis_sessions_ended_total", messages[-1]["code"])
        return await until(server, lambda seen: seen.get(key))

    play(scenario())


def test_prometheus_gets_the_format_it_prefers_and_a_probe_none(server):
    accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    modern = httpx.get(f"{server.url}/metrics", headers={"Accept": accept})
    plain = httpx.get(f"{server.url}/metrics")
    probed = httpx.head(f"{server.url}/metrics")
    assert modern.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert any(f.name == "reswhis_build" for f in openmetrics.text_string_to_metric_families(modern.text))
    assert (probed.status_code, probed.content) == (200, b"")
    assert "/metrics" in httpx.get(f"{server.url}/info").json()["endpoints"]


async def refused(server):
    for status, options in (("401", {}), ("403", {"origin": "https://evil.example"})):
        with pytest.raises(websockets.InvalidStatus, match=status):
            async with connect(server.ws, **options):
                pass
    seen = await numbers(server, Authorization=f"Bearer {SECRET}")
    assert [seen[("reswhis_sessions_refused_total", why)] for why in ("unauthorized", "foreign_origin")] == [1, 1]


def test_it_answers_who_has_the_key_while_the_model_loads_and_while_it_decodes(start, speech):
    server = start(
        "--backend", "fake", "--model", "10,load:1", "--api-key", SECRET, "--drain-timeout-s", "0"
    ).listening()
    key = {"Authorization": f"Bearer {SECRET}"}

    async def scenario():
        loading = await numbers(server, **key)
        with pytest.raises(websockets.InvalidStatus, match="503"):
            async with connect(server.ws, f"api_key={SECRET}"):
                pass
        await until(server, lambda seen: seen[("reswhis_state", "ready")], **key)
        async with connect(server.ws, f"api_key={SECRET}") as client:
            await client.say("start")
            await client.stream(speech[: 16_000 * 5], pause_s=0.02)  # the first window is not to have all of it
            decoding = await until(server, lambda seen: seen[("reswhis_backlog_seconds",)] > 2, **key)
        left = await until(server, lambda seen: seen[("reswhis_sessions_ended_total", "disconnected")], **key)
        return loading, decoding, left

    loading, decoding, left = play(scenario())
    play(refused(server))
    without = httpx.get(f"{server.url}/metrics")
    assert (without.status_code, without.json()["code"]) == (401, "unauthorized")
    assert httpx.get(f"{server.url}/metrics?api_key={SECRET}").status_code == 200
    assert (loading[("reswhis_state", "loading")], loading[("reswhis_workers_ready",)]) == (1, 0)
    assert not any(name == "reswhis_model_info" for name, *_ in loading)
    assert left[("reswhis_sessions_refused_total", "loading")] == 1
    assert (decoding[("reswhis_workers_ready",)], decoding[("reswhis_sessions_active",)]) == (1, 1)
    assert decoding[("reswhis_decode_seconds_count",)] == 0  # the first has not come back
    assert left[("reswhis_backlog_seconds",)] == left[("reswhis_sessions_active",)] == 0
