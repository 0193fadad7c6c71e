"""The native protocol, asked over a real socket of a real server process that runs the recogniser without a model.

That one says a word per second of speech, so what it must say is known.
"""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
import websockets

from native_client import connect, play

TYPES_OF_FULL_MODE = {"ready", "language", "speech_start", "speech_end", "partial", "final", "utterance", "finished"}


async def whole(server, audio, *, query="", start=None, frame=3200, finish="message"):
    async with connect(server.ws, query) as client:
        if start is not None:
            await client.say("start", **start)
        await client.stream(audio, frame=frame)
        if finish == "message":
            await client.say("finish")
        else:
            await client.send(b"")
        messages, close = await client.rest()
        return client, messages, close


def words(text):
    return [int(word[1:]) for word in text.split()]


# Modes.


def test_a_plain_client_gets_only_finals_that_the_old_page_understands(fake, speech):
    client, messages, close = play(whole(fake, speech, finish="empty frame"))
    assert {m["type"] for m in messages} == {"final"}
    assert all({"from", "to", "content"} <= m.keys() for m in messages)
    assert words(client.text) == list(range(len(words(client.text)))) and len(words(client.text)) >= 20
    assert close == (1000, "finished")


def test_what_a_plain_client_prints_is_lines(fake, speech):
    async def scenario():
        async with websockets.connect(fake.ws) as socket:
            await socket.send(speech.tobytes())
            await socket.send(b"")
            return "".join([message async for message in socket])

    lines = play(scenario()).splitlines(keepends=True)
    assert len(lines) >= 2 and all(line.endswith("}\n") and json.loads(line)["content"] for line in lines)


def test_a_plain_client_that_speaks_json_is_told_the_end(fake, speech):
    _, messages, close = play(whole(fake, speech))
    assert {m["type"] for m in messages} == {"final", "finished"} and messages[-1]["type"] == "finished"
    assert close == (1000, "finished")


def test_full_mode_tells_everything_in_order(fake, speech):
    client, messages, close = play(whole(fake, speech, start={}))
    assert {m["type"] for m in messages} == TYPES_OF_FULL_MODE
    assert messages[0]["type"] == "ready" and messages[0]["version"] == 1
    assert messages[0]["audio"] == {"encoding": "pcm_s16le", "sample_rate": 16000, "channels": 1}
    assert messages[-1]["type"] == "finished" and messages[-1]["finals"] == len(client.of("final"))
    assert close == (1000, "finished")
    assert [m["seq"] for m in messages] == list(range(1, len(messages) + 1))
    positions = [m["audio_ms"] for m in messages]
    assert positions == sorted(positions) and positions[-1] == len(speech) * 1000 // 16000


def test_finals_never_overlap_and_join_to_the_utterances(fake, speech):
    client, _, _ = play(whole(fake, speech, start={}))
    times = [time for m in client.of("final") for time in (m["start_ms"], m["end_ms"])]
    assert times == sorted(times)
    assert [m["id"] for m in client.of("final")] == list(range(1, len(client.of("final")) + 1))
    for utterance in client.of("utterance"):
        finals = [m["text"] for m in client.of("final") if m["utterance"] == utterance["utterance"]]
        assert "".join(finals).strip() == utterance["text"]
    for final in client.of("final"):
        assert "".join(word["word"] for word in final["words"]) == final["text"]


def test_a_partial_starts_after_all_that_is_final(fake, speech):
    _, messages, _ = play(whole(fake, speech, start={}))
    end = 0
    for message in messages:
        if message["type"] == "final":
            end = message["end_ms"]
        elif message["type"] == "partial" and message["text"]:
            assert message["start_ms"] >= end


def test_a_client_may_do_without_partials_and_word_times(fake, speech):
    client, messages, _ = play(whole(fake, speech, start={"partials": False, "words": False}))
    assert not client.of("partial") and not any("words" in m for m in messages)


@pytest.mark.parametrize("frame", [1, 777, 16_000, 400_000])
def test_the_text_does_not_depend_on_how_the_audio_was_split(fake, speech, frame):
    audio = np.frombuffer(speech[: 16_000 * 8].tobytes(), np.uint8)
    expected, _, _ = play(whole(fake, audio, frame=3200))
    if frame == 1:  # byte by byte where it matters, or it would take a minute
        audio_frames = [audio[:1], audio[1:2], audio[2:5], audio[5:]]

        async def odd():
            async with connect(fake.ws) as client:
                for piece in audio_frames:
                    await client.send(piece)
                await client.say("finish")
                await client.rest()
                return client

        assert play(odd()).text == expected.text
    else:
        client, _, _ = play(whole(fake, audio, frame=frame))
        assert client.text == expected.text


@pytest.mark.parametrize(
    ("query", "convert"),
    [
        ("encoding=pcm_f32le", lambda x: (x / 32768).astype("<f4")),
        ("channels=2", lambda x: np.repeat(x, 2)),
        ("sample_rate=8000", lambda x: x[::2]),
        ("sample_rate=48000", lambda x: np.repeat(x, 3)),
        ("encoding=alaw&sample_rate=8000", lambda x: np.full(len(x) // 2, 0xD5, np.uint8)),
        ("encoding=mulaw&sample_rate=8000", lambda x: np.full(len(x) // 2, 0xFF, np.uint8)),
    ],
)
def test_every_encoding_keeps_the_clock(fake, speech, query, convert):
    audio = speech[: 16_000 * 6]
    client, messages, close = play(whole(fake, convert(audio), query=query))
    assert abs(messages[-1]["audio_ms"] - 6000) <= 1 and close == (1000, "finished")
    assert bool(client.text) == ("law" not in query)  # those two are silence


def test_the_start_message_overrides_the_query(fake, speech):
    async def scenario():
        async with connect(fake.ws, "language=de&vad_threshold=0.4") as client:
            await client.say("start", language="French")
            return await client.receive()

    ready = play(scenario())
    assert (ready["language"], ready["vad_threshold"]) == ("fr", 0.4)


def test_a_start_changes_of_the_query_only_what_it_names(fake):
    async def scenario():
        async with connect(fake.ws, "version=1&sample_rate=48000&language=de&partials=false&prompt=Kiel") as client:
            await client.say("start", audio={"encoding": "pcm_f32le"}, prompt="Bonn")
            return await client.receive()

    ready = play(scenario())
    assert ready["audio"] == {"encoding": "pcm_f32le", "sample_rate": 48000, "channels": 1}
    assert (ready["language"], ready["partials"], ready["prompt"]) == ("de", False, "Bonn")


def test_configure_before_the_start_holds_against_the_query_and_yields_to_the_start(fake):
    async def scenario():
        async with connect(fake.ws, "language=de&endpoint_ms=900") as client:
            await client.say("configure", language="fr", partials=False, endpoint_ms=700)
            await client.say("start", endpoint_ms=800)
            return await client.receive(), await client.receive()

    for answer in (answers := play(scenario())):
        assert (answer["language"], answer["partials"]) == ("fr", False)
    assert [answer["endpoint_ms"] for answer in answers] == [700, 800]


# While it runs.


def test_a_flush_gives_all_words_so_far_and_the_stream_goes_on(fake, speech):
    async def scenario():
        async with connect(fake.ws) as client:
            await client.say("start")
            await client.stream(speech[: 16_000 * 4])
            await client.say("flush", id="a1")
            flushed = await client.until("flushed")
            before = client.text
            await client.stream(speech[16_000 * 4 : 16_000 * 8])
            await client.say("finish")
            messages, _ = await client.rest()
            return flushed, before, client.text, messages

    flushed, before, text, messages = play(scenario())
    assert flushed["id"] == "a1" and flushed["audio_ms"] == 4000
    assert words(before) == [0, 1, 2, 3] and text.startswith(before) and len(words(text)) >= 7
    assert "flush" in {m["reason"] for m in messages if m["type"] == "final"}


@pytest.mark.parametrize("id", ["x", 7, None])
def test_every_flush_is_answered_by_its_id_even_if_nothing_was_heard(fake, id):
    async def scenario():
        async with connect(fake.ws) as client:
            await client.say("flush", id=id)
            await client.say("flush", id=id)
            return [(await client.until("flushed"))["id"] for _ in range(2)]

    assert play(scenario()) == [id, id]


def test_two_silent_seconds_of_the_socket_flush(fake, speech):
    async def scenario():
        async with connect(fake.ws) as client:
            await client.stream(speech[: 16_000 * 3])
            return await client.until("final", reason="idle")

    assert "w2" in play(scenario())["content"]


def test_configure_is_acknowledged_with_what_is_in_force(fake, speech):
    async def scenario():
        async with connect(fake.ws) as client:
            await client.say("start", partials=False)
            await client.stream(speech[: 16_000 * 3])
            await client.say("configure", language="de", endpoint_ms=700, partials=True)
            configured = await client.until("configured")
            await client.stream(speech[16_000 * 3 : 16_000 * 8], pause_s=0.01)
            await client.say("finish")
            await client.rest()
            return configured, client

    configured, client = play(scenario())
    assert (configured["language"], configured["endpoint_ms"], configured["partials"]) == ("de", 700, True)
    assert {m["language"] for m in client.of("utterance")} == {"de"}


def test_a_ping_is_answered_in_both_modes(fake):
    async def scenario(start):
        async with connect(fake.ws) as client:
            if start:
                await client.say("start")
            await client.say("ping", id=5)
            return (await client.until("pong"))["id"]

    assert [play(scenario(start)) for start in (True, False)] == [5, 5]


def test_text_before_the_start_is_answered_and_a_start_may_still_come(fake, speech):
    async def scenario():
        async with connect(fake.ws) as client:
            await client.say("ping", id=1)
            await client.say("configure", language="de")
            await client.say("flush", id="early")
            await client.say("start", partials=False)
            await client.stream(speech[: 16_000 * 3])
            await client.say("finish")
            return (await client.rest())[0]

    messages = play(scenario())
    assert [m["type"] for m in messages[:4]] == ["pong", "configured", "flushed", "ready"]
    assert messages[3]["language"] == "de" and messages[-1]["type"] == "finished"


# Bad input.


async def exchange(server, *messages, query="", then="finish"):
    """Send texts and frames, then finish; all that came back and the close."""
    async with connect(server.ws, query) as client:
        try:
            for message in messages:
                await client.send(message)
            if then:
                await client.say(then)
        except websockets.ConnectionClosed:
            pass
        return await client.rest()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "bad_json"),
        ("[1]", "unknown_type"),
        ('{"no": "type"}', "unknown_type"),
        ('{"type": "sing"}', "unknown_type"),
        ('{"type": "flush", "id": [1]}', "invalid_request"),
        ('{"type": "configure", "endpoint_ms": -5}', "invalid_request"),
        ('{"type": "configure", "colour": "red"}', "invalid_request"),
        ('{"type": "configure", "language": "klingon"}', "unsupported_language"),
        ('{"type": "start"}', "already_started"),
    ],
)
def test_a_text_that_is_wrong_is_named_and_loses_nothing(fake, speech, text, code):
    messages, close = play(exchange(fake, '{"type": "start"}', speech[: 16_000 * 2].tobytes(), text))
    (error,) = [m for m in messages if m["type"] == "error"]
    assert (error["code"], error["fatal"]) == (code, False)
    assert "w1" in "".join(m["text"] for m in messages if m["type"] == "final")
    assert messages[-1]["type"] == "finished" and close == (1000, "finished")


def test_a_start_after_audio_is_refused_and_the_plain_stream_goes_on(fake, speech):
    messages, close = play(exchange(fake, speech[: 16_000 * 2].tobytes(), '{"type": "start"}'))
    assert [m["code"] for m in messages if m["type"] == "error"] == ["start_after_audio"]
    assert "w1" in "".join(m["content"] for m in messages if m["type"] == "final") and close[0] == 1000


@pytest.mark.parametrize("type_", ["finish", "flush", "configure", "start"])
def test_whatever_comes_after_finish_is_refused_and_finished_is_still_last(fake, speech, type_):
    audio, late = speech[: 16_000 * 2].tobytes(), json.dumps({"type": type_})
    messages, close = play(exchange(fake, '{"type": "start"}', audio, '{"type": "finish"}', late, then=None))
    # The stream may have finished before it was read.
    assert [m["code"] for m in messages if m["type"] == "error"] in [["already_finished"], []]
    assert not [m for m in messages if m["type"] in ("configured", "flushed")]
    assert messages[-1]["type"] == "finished" and close == (1000, "finished")


def test_an_empty_frame_finishes_in_full_mode_too_and_a_second_one_is_nothing(fake, speech):
    messages, close = play(exchange(fake, '{"type": "start"}', speech[:32_000].tobytes(), b"", b"", then=None))
    assert messages[-1]["type"] == "finished" and close == (1000, "finished")


def test_an_odd_byte_alone_is_no_sample_and_a_flush_after_it_is_answered(fake):
    messages, _ = play(exchange(fake, '{"type": "start"}', b"\0", '{"type": "flush", "id": 1}'))
    assert [(m["type"], m["audio_ms"]) for m in messages] == [("ready", 0), ("flushed", 0), ("finished", 0)]


def test_flushes_are_answered_in_their_order_around_one_that_the_clock_gave(start, speech):
    server = start("--backend", "fake", "--model", "0.1", "--idle-flush-s", "0.1").ready()

    async def scenario():
        async with connect(server.ws) as client:
            await client.say("start")
            await client.stream(speech[: 16_000 * 2])
            await client.say("flush", id=1)
            await client.stream(speech[16_000 * 2 : 16_000 * 4])
            await client.until("speech_end", utterance=2)  # the idle flush, while the first is still being decoded
            await client.say("flush", id=2)
            await client.say("flush", id=2)
            await client.say("finish")
            return (await client.rest())[0]

    messages = play(scenario())
    answers = [(m["type"], m.get("id", m.get("reason"))) for m in messages if m["type"] in ("flushed", "finished")]
    assert answers == [("flushed", 1), ("flushed", 2), ("flushed", 2), ("finished", None)]
    reasons = [m["reason"] for m in messages if m["type"] == "final" and m["reason"] in ("flush", "idle")]
    assert reasons == ["flush", "idle"]


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"audio": {"sample_rate": 4000}}, "unsupported_audio", "audio.sample_rate"),
        ({"audio": {"encoding": "opus"}}, "unsupported_audio", "audio.encoding"),
        ({"audio": {"channels": 6}}, "unsupported_audio", "audio.channels"),
        ({"audio": {"bits": 24}}, "invalid_request", "audio.bits"),
        ({"language": "klingon"}, "unsupported_language", "language"),
        ({"model": "gpt-9"}, "unknown_model", "model"),
        ({"policy": "hope"}, "invalid_request", "policy"),
        ({"version": 2}, "invalid_request", "version"),
        ({"lenguage": "de"}, "invalid_request", "lenguage"),
        ({"vad_threshold": 3}, "invalid_request", "vad_threshold"),
    ],
)
def test_a_start_that_cannot_be_followed_ends_the_connection(fake, fields, code, param):
    messages, close = play(exchange(fake, json.dumps({"type": "start", **fields}), then=None))
    assert [(m["type"], m["code"], m["param"], m["fatal"]) for m in messages] == [("error", code, param, True)]
    assert close == (1008, code)


@pytest.mark.parametrize("query", ["sample_rate=96000", "encoding=mp3", "langauge=de", "channels=two"])
def test_a_query_that_cannot_be_followed_ends_the_connection_at_once(fake, query):
    messages, close = play(exchange(fake, query=query, then=None))
    assert [(m["type"], m["fatal"]) for m in messages] == [("error", True)] and close[0] == 1008


def test_a_frame_that_is_too_large_ends_the_connection_after_all_that_came_before(fake, speech):
    messages, close = play(exchange(fake, '{"type": "start"}', speech[: 16_000 * 2].tobytes(), bytes(1_048_577)))
    assert "w1" in "".join(m["text"] for m in messages if m["type"] == "final")
    assert messages[-1]["code"] == "frame_too_large" and close == (1009, "frame_too_large")


def test_audio_after_finish_ends_the_connection_after_the_last_words(fake, speech):
    messages, close = play(
        exchange(fake, '{"type": "start"}', speech[: 16_000 * 2].tobytes(), '{"type": "finish"}', b"\0\0", then=None)
    )
    assert "w1" in "".join(m["text"] for m in messages if m["type"] == "final")
    # The stream may have finished before the audio was read.
    assert (messages[-1].get("code"), close) in [
        ("audio_after_finish", (1008, "audio_after_finish")),
        (None, (1000, "finished")),
    ]


def test_an_odd_last_byte_is_no_sample_and_no_error(fake):
    messages, close = play(exchange(fake, bytes(32_001)))
    assert messages[-1]["audio_ms"] == 1000 and close == (1000, "finished")


def test_no_error_is_sent_to_a_plain_client_that_never_sent_text(fake, speech):
    client, messages, _ = play(whole(fake, speech[: 16_000 * 3], finish="empty frame"))
    assert {m["type"] for m in messages} == {"final"} and client.text


# Pages of other origins.


def refusal(url, **options):
    async def scenario():
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url, **options)
        return refused.value.response

    response = play(scenario())
    return response.status_code, json.loads(response.body)["code"], response.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost.evil.example", "http://10.0.0.1"])
def test_pages_of_foreign_origins_are_refused(fake, origin):
    assert refusal(fake.ws, additional_headers={"Origin": origin})[:2] == (403, "foreign_origin")


@pytest.mark.parametrize("origin", ["null", "http://localhost:3000", "http://127.0.0.1", "https://[::1]:8443"])
def test_pages_of_this_machine_and_from_disk_are_welcome(fake, origin):
    async def scenario():
        async with websockets.connect(fake.ws, additional_headers={"Origin": origin}):
            return True

    assert play(scenario())
    response = httpx.get(f"{fake.url}/info", headers={"Origin": origin})
    assert response.headers["access-control-allow-origin"] in {origin, "*"}


# Plain HTTP.


def test_info_has_the_predecessors_keys_and_types(fake):
    info = httpx.get(f"{fake.url}/info").json()
    kinds = {
        "backend": str, "model_size": str, "language": str, "sampling_rate": int, "minimum_chunk_size": float,
        "voice_activity_controller": bool, "use_voice_activity_detection": bool,
    }  # fmt: skip
    assert {name: type(info[name]) for name in kinds} == kinds
    assert (info["backend"], info["state"], info["fallback_reason"]) == ("fake", "ready", None)
    assert info["key_required"] is False


def test_health_says_that_the_server_is_alive_and_ready(fake):
    assert httpx.get(f"{fake.url}/health/live").json() == {"status": "alive"}
    assert httpx.get(f"{fake.url}/health/ready").json()["status"] == "ready"


def test_the_web_page_is_at_the_top_and_asked_for_anew_each_time(fake):
    page = httpx.get(fake.url)
    assert page.headers["content-type"].startswith("text/html") and page.headers["cache-control"] == "no-cache"
    assert page.content == (Path(__file__).parents[2] / "clients" / "web_client.html").read_bytes()


@pytest.mark.parametrize("path", ["/", "/info", "/health/live", "/health/ready"])
def test_a_probe_may_ask_with_head(fake, path):
    answer = httpx.head(fake.url + path)
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_foreign_page_is_not_let_to_read_info_and_a_local_one_is(fake):
    def preflight(origin):
        headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        answer = httpx.options(f"{fake.url}/info", headers=headers)
        return answer.status_code, answer.headers.get("access-control-allow-origin")

    assert preflight("http://localhost:3000") == (200, "http://localhost:3000")
    assert preflight("https://evil.example") == (400, None)


def test_what_does_not_exist_is_not_found_and_nothing_is_loaded_from_elsewhere(fake):
    assert {httpx.get(f"{fake.url}{path}").status_code for path in ("/nothing", "/docs", "/redoc")} == {404}
    assert "/info" in httpx.get(f"{fake.url}/openapi.json").json()["paths"]


def test_the_log_has_neither_keys_nor_words_even_if_it_is_to_have_everything(start, speech):
    server = start("--backend", "fake", "--log-level", "debug", "--api-key", "sesame").ready()
    client, _, _ = play(whole(server, speech[: 16_000 * 3], query="api_key=sesame", start={"prompt": "Kiel"}))
    assert "w1" in client.text
    httpx.get(f"{server.url}/info?api_key=sesame")
    server.interrupt()
    assert server.wait() == 0
    assert not any(secret in server.text for secret in ("sesame", "Kiel", "w1"))


def test_what_is_said_is_logged_only_if_that_is_asked_for(start, speech):
    server = start("--backend", "fake", "--log-transcripts").ready()
    client, _, _ = play(whole(server, speech[: 16_000 * 3]))
    assert server.says(f"session 1, 0.0 to 3.0 s: {client.text.strip()}"), server.text
