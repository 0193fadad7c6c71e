"""Others read a session along: a real server, a speaker, and viewers that have nothing but the session's token."""

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
import soundfile
import uvicorn

from reswhis.core import events as ev
from reswhis.core.errors import Overloaded
from reswhis.core.types import Word
from reswhis.server.journal import Journal
from reswhis.server.shared_sessions import SharedSessions
from reswhis.server.sharing import Sharing
from reswhis.transports.caption_events import CaptionEvent, caption_event
from reswhis.transports.caption_feed import AT_ONCE, CaptionFeeds
from reswhis.transports.uvicorn_http import bounded_http
from reswhis.transports.viewers import Captions

from native_client import connect, play

SECRET = "sesame"
SECOND = 16_000
FORMATS = ("txt", "srt", "vtt", "json", "tsv")


@pytest.fixture(scope="module")
def server(start):
    return start("--backend", "fake", "--api-key", SECRET, "--max-viewers", "2").ready()


class Viewer:
    """Reads server-sent events until the server ends them, or until it is told to leave."""

    def __init__(self, answer):
        self.answer = answer
        self.events = []
        self._lines = answer.aiter_lines()

    async def next(self):
        """None: there are no more."""
        event = {}
        async for line in self._lines:
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif "data" in event:
                event["data"] = json.loads(event["data"])
                self.events.append(event)
                return event
            else:
                event = {}  # how long to wait before coming again
        return None

    async def until(self, name):
        while (event := await self.next())["event"] != name:
            pass
        return event

    async def rest(self):
        while await self.next():
            pass
        return self.events

    @property
    def text(self):
        return "".join(event["data"]["text"] for event in self.events if event["event"] == "final")


@contextlib.asynccontextmanager
async def viewing(address, token, headers=None, **query):
    async with (
        httpx.AsyncClient(timeout=30, verify=False) as http,
        http.stream("GET", f"{address}/events", params={"viewer_token": token, **query}, headers=headers) as answer,
    ):
        yield Viewer(answer)


async def get(address, path, token, **headers):
    async with httpx.AsyncClient(timeout=30, verify=False) as http:
        return await http.get(f"{address}/{path}", params={"viewer_token": token}, headers=headers)


@contextlib.asynccontextmanager
async def speaking(server, **fields):
    """A client whose session others may read along, and what they need for that."""
    async with connect(server.ws, f"api_key={SECRET}") as client:
        await client.say("start", **{"captions": True, **fields})
        ready = await client.until("ready")
        yield client, f"{server.url}/v1/sessions/{ready['session_id']}", ready["viewer_token"]


async def spoken(server, speech, seconds=8):
    """A session that has ended: its client, address and token."""
    async with speaking(server) as (client, address, token):
        await client.stream(speech[: seconds * SECOND])
        await client.say("flush", id=1)
        await client.until("flushed")
        await client.stream(speech[seconds * SECOND : (seconds + 2) * SECOND])
        await client.say("finish")
        await client.rest()
    return client, address, token


def test_a_viewer_reads_what_the_speaker_reads_from_its_first_word_to_its_end(server, speech):
    async def scenario():
        async with speaking(server) as (client, address, token):
            await client.stream(speech[: 3 * SECOND], pause_s=0.01)
            await client.until("final")
            async with viewing(address, token) as late:  # the beginning is told anew
                await client.stream(speech[3 * SECOND : 6 * SECOND], pause_s=0.01)
                await client.say("finish")
                await asyncio.gather(client.rest(), late.rest())
                return client, late

    client, late = play(scenario())
    assert late.answer.headers["content-type"].startswith("text/event-stream")
    assert late.text == client.text != ""
    of = {name: [e["data"] for e in late.events if e["event"] == name] for name in ("utterance", "finished")}
    fields = ("utterance", "text", "start_ms", "end_ms", "language")
    assert of["utterance"] == [{name: message[name] for name in fields} for message in client.of("utterance")]
    assert of["finished"] == [{"error": None}] == [late.events[-1]["data"]]
    numbers = [int(event["id"]) for event in late.events if "id" in event]
    assert numbers == sorted(set(numbers))
    assert all(("id" in event) == (event["event"] != "partial") for event in late.events)


def test_who_comes_again_goes_on_where_it_was(server, speech):
    async def scenario():
        _, address, token = await spoken(server, speech)
        async with viewing(address, token) as viewer:
            everything = await viewer.rest()
        resumed = []
        for place, event in enumerate(everything):
            how = {"headers": {"Last-Event-ID": event["id"]}, "after": "0"} if place % 2 else {"after": event["id"]}
            async with viewing(address, token, **how) as viewer:
                resumed.append((viewer.answer.status_code, await viewer.rest()))
        async with viewing(address, token, recent=1) as viewer:
            return everything, resumed, await viewer.rest()

    everything, resumed, recent = play(scenario())
    *broken, (after_all, _) = resumed
    assert [rest for _, rest in broken] == [everything[place + 1 :] for place in range(len(everything) - 1)]
    assert after_all == 204  # by which a browser knows that nothing more will come
    assert [event["event"] for event in everything].count("utterance") >= 2
    assert recent == everything[-len(recent) :] and [e["event"] for e in recent].count("utterance") == 1


def test_the_transcript_can_be_had_while_it_is_said_and_after_in_every_format(server, speech):
    async def scenario():
        async with speaking(server) as (client, address, token):
            nothing = {name: (await get(address, f"transcript.{name}", token)).text for name in FORMATS}
            await client.stream(speech[: 4 * SECOND])
            await client.until("final")
            during = (await get(address, "transcript.txt", token)).text
            await client.say("finish")
            await client.rest()
        return client, nothing, during, {name: await get(address, f"transcript.{name}", token) for name in FORMATS}

    client, nothing, during, after = play(scenario())
    said = client.text.strip()
    assert nothing["txt"] == nothing["srt"] == "" and nothing["vtt"] == "WEBVTT\n\n"
    assert during.strip() and said.startswith(during.strip())
    assert after["txt"].text.strip() == said == after["json"].json()["text"]
    words = [word["word"] for segment in after["json"].json()["segments"] for word in segment["words"]]
    assert words == [word["word"] for final in client.of("final") for word in final["words"]]
    assert "-->" in after["srt"].text and after["vtt"].text.startswith("WEBVTT\n\n00:")
    assert after["json"].json()["duration"] == 4
    types = {name: answer.headers["content-type"] for name, answer in after.items()}
    assert types["vtt"] == "text/vtt; charset=utf-8" and types["json"] == "application/json"
    assert {answer.headers["cache-control"] for answer in after.values()} == {"no-store"}


def test_without_the_token_there_is_no_such_session_whatever_else_one_has(server, speech):
    async def scenario():
        async with speaking(server) as (client, address, token), speaking(server) as (_, _, of_another):
            answers = [
                await get(address, path, wrong, Authorization=f"Bearer {SECRET}")
                for path in ("events", "transcript.txt")
                for wrong in ("", SECRET, token[:-1], token + "=", of_another, "\x00\r\n", "ü" * 9000)
            ]
            unknown = f"{server.url}/v1/sessions/nobody"
            answers += [await get(unknown, "events", ""), await get(unknown, "transcript.json", token)]
            answers.append(await get(address, "transcript.exe", token))
            async with httpx.AsyncClient(verify=False) as http:
                by_header = await http.get(f"{address}/transcript.txt", headers={"Authorization": f"Bearer {token}"})
            await client.say("finish")
            return answers, by_header

    answers, by_header = play(scenario())
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert answers[0].json()["code"] == "unknown_session"
    assert by_header.status_code == 200


def test_a_place_that_is_no_number_is_refused_and_one_that_is_not_there_yet_is_the_end(server, speech):
    async def scenario():
        async with speaking(server) as (client, address, token):
            wrong = [await get(address, "events", token, **{"Last-Event-ID": text}) for text in ("x", "-1", "9" * 40)]
            async with viewing(address, token, after=10**9) as viewer:
                await client.stream(speech[: 2 * SECOND])
                await client.say("finish")
                await client.rest()
                await viewer.rest()
            return client, wrong, viewer

    client, wrong, viewer = play(scenario())
    assert [(answer.status_code, answer.json()["code"]) for answer in wrong] == [(400, "invalid_request")] * 3
    assert viewer.text == client.text != ""


def test_nobody_reads_along_unless_the_client_says_so(server, speech):
    async def scenario():
        async with connect(server.ws, f"api_key={SECRET}") as client:
            await client.say("start")
            ready = await client.until("ready")
            answer = await get(f"{server.url}/v1/sessions/{ready['session_id']}", "transcript.txt", "")
        async with connect(server.ws, f"api_key={SECRET}&captions=true") as plain:
            await plain.send(speech[:SECOND])
            _, close = await plain.rest()
        return ready, answer, plain.messages[-1], close

    ready, answer, error, close = play(scenario())
    assert "viewer_token" not in ready and answer.status_code == 404
    # Whom could it tell the token?
    assert (error["code"], error["param"], close[0]) == ("invalid_request", "captions", 1008)


def test_what_was_said_last_is_decoded_for_the_viewers_of_a_client_that_vanishes(server, speech):
    async def scenario():
        fields = {"policy": "endpoint", "vad": False}
        async with speaking(server, **fields) as (client, address, token), viewing(address, token) as viewer:
            await client.stream(speech[: 5 * SECOND])
            await client.say("ping")
            await client.until("pong")  # all has arrived
            client.socket.transport.abort()
            return await viewer.rest(), (await get(address, "transcript.txt", token)).text

    events, transcript = play(scenario())
    assert [event["event"] for event in events[-3:]] == ["final", "utterance", "finished"]
    assert events[-1]["data"] == {"error": None}
    assert transcript.split() == events[-2]["data"]["text"].split() == [f"w{n}" for n in range(5)]


def test_there_are_as_many_viewers_as_may_be_and_one_that_leaves_makes_room(server):
    async def scenario():
        async with speaking(server) as (_, address, token), viewing(address, token) as first:
            async with viewing(address, token) as second, viewing(address, token) as third:
                await third.answer.aread()
                seen = [viewer.answer.status_code for viewer in (first, second, third)]
            while True:  # the server hears of it a moment later
                async with viewing(address, token) as again:
                    if again.answer.status_code == 200:
                        return seen, third.answer
                    await again.answer.aread()

    seen, refused = play(scenario())
    assert seen == [200, 200, 503] and refused.headers["retry-after"] and refused.json()["code"] == "overloaded"


def test_viewers_are_told_the_end_when_the_server_stops_and_it_does_not_wait_for_them(start, speech):
    server = start("--backend", "fake").ready()

    async def scenario():
        async with speaking(server) as (client, address, token), viewing(address, token) as viewer:
            await client.stream(speech[: 3 * SECOND])
            await viewer.until("final")
            server.interrupt()
            await asyncio.gather(client.rest(), viewer.rest())
            return client, viewer

    client, viewer = play(scenario())
    assert viewer.text == client.text and viewer.events[-1] == {**viewer.events[-1], "event": "finished"}
    assert server.wait(10) == 0
    assert "Traceback" not in server.text and "ERROR" not in server.text


def test_the_examples_of_the_documentation_do_what_it_says(server, speech, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "captions.md").read_text("utf-8")
    program, script = (re.search(f"```{language}\n(.*?)```", page, re.DOTALL)[1] for language in ("python", "sh"))
    soundfile.write(tmp_path / "recording.wav", speech[:SECOND], SECOND)
    address = server.url.removeprefix("http://")
    program = program.replace("localhost:8000", address).replace("/transcribe", f"/transcribe?api_key={SECRET}")
    run = {"capture_output": True, "text": True, "cwd": tmp_path, "timeout": 30}
    link = subprocess.run([sys.executable, "-c", program], check=True, **run).stdout.strip()
    assert link.startswith(f"{server.url}/captions#") and httpx.get(link, verify=False).status_code == 200
    said = parse_qs(link.partition("#")[2])
    if shutil.which("bash") and shutil.which("curl") and sys.platform != "win32":
        variables = {**os.environ, "SESSION": said["session"][0], "VIEWER_TOKEN": said["viewer_token"][0]}
        script = script.replace("localhost:8000", address)
        transcript = subprocess.run(["bash", "-c", script], check=True, env=variables, **run).stdout
        assert transcript.startswith("1\n00:00:") and transcript.split()[-1] == "w0"


def test_none_of_this_has_left_a_trace_of_an_error_or_of_a_token_in_the_log(server):
    assert not [word for word in ("Traceback", "ERROR", "viewer_token", SECRET) if word in server.text]


# The registry.


def ended(sessions, name, entries=1):
    journal = Journal()
    for _ in range(entries - 1):
        journal.append(ev.SpeechStarted(1, 0.0), 0)
    journal.append(ev.Closed(), 0)
    shared = sessions.share(Sharing(name, f"token of {name}"), journal)
    sessions.keep(shared)
    return shared


def found(sessions, *names):
    return [name for name in names if sessions.find(name, f"token of {name}")]


def test_a_session_is_kept_for_its_time_and_then_let_go():
    async def scenario():
        sessions = SharedSessions(keep_s=0.01)
        ended(sessions, "a")
        assert found(sessions, "a")
        while len(sessions):
            await asyncio.sleep(0.001)
        assert not found(sessions, "a")

    play(scenario(), limit_s=5)


def test_the_oldest_are_let_go_when_too_many_or_too_long_ones_are_kept():
    async def scenario():
        many = SharedSessions(max_kept=2)
        for name in "abc":
            ended(many, name)
        long = SharedSessions(max_kept_entries=10)
        live = long.share(Sharing("live", "token of live"), Journal())
        for name, entries in {"a": 4, "b": 4, "c": 6}.items():
            ended(long, name, entries)
        nothing = SharedSessions(keep_s=0)
        ended(nothing, "a")
        assert found(many, *"abc") == ["b", "c"]
        assert found(long, "live", *"abc") == ["live", "b", "c"] and long.find("live", "token of live") is live
        assert not nothing.keeps and not len(nothing)
        for sessions in (many, long):
            sessions.close()
        assert found(long, "live", *"abc") == ["live"]

    play(scenario())


def test_viewers_are_counted_over_all_sessions():
    sessions = SharedSessions(max_viewers=1)
    a, b = (sessions.share(Sharing(name, "token"), Journal()) for name in "ab")
    with sessions.viewing(a):
        assert (a.viewers, b.viewers) == (1, 0)
        with pytest.raises(Overloaded), sessions.viewing(b):
            pass
    with sessions.viewing(b):
        assert (a.viewers, b.viewers) == (0, 1)


# What viewers are told.

WORDS = (Word(1.0, 1.5, " Grüße", 0.9), Word(1.5, 2.0, " an\nalle", 0.8))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            ev.Tentative(2, WORDS),
            CaptionEvent("partial", '{"utterance":2,"text":" Grüße an\\nalle","start_ms":1000,"end_ms":2000}', None),
        ),
        (ev.Tentative(2, ()), CaptionEvent("partial", '{"utterance":2,"text":""}', None)),
        (
            ev.Committed(2, WORDS[:1], ev.Reason.AGREEMENT),
            CaptionEvent("final", '{"utterance":2,"text":" Grüße","start_ms":1000,"end_ms":1500}', 7),
        ),
        (
            ev.UtteranceEnded(2, "Grüße", 0.7, 2.1, None, ev.Reason.ENDPOINT),
            CaptionEvent("utterance", '{"utterance":2,"text":"Grüße","start_ms":700,"end_ms":2100,"language":null}', 7),
        ),
        (ev.LanguageDetected("de", 0.98765), CaptionEvent("language", '{"language":"de","probability":0.988}', 7)),
        (
            ev.DecodeFailed(3, 1.0, 2.0, is_final=True),
            CaptionEvent("lost", '{"utterance":3,"start_ms":1000,"end_ms":2000}', 7),
        ),
        (ev.Closed("engine_stopped"), CaptionEvent("finished", '{"error":"engine_stopped"}', 7)),
        (ev.DecodeFailed(3, 1.0, 2.0, is_final=False), None),
        (ev.SpeechStarted(1, 0.0), None),
        (ev.Flushed("1"), None),
        (ev.Suppressed(WORDS, "loop"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_event_as_viewers_get_it(event, expected):
    assert caption_event(7, event) == expected


# Many of them, and slow ones.


def tentative(text):
    return ev.Tentative(1, (Word(0.0, 1.0, text, 0.9),))


def committed(text):
    return ev.Committed(1, (Word(0.0, 1.0, text, 0.9),), ev.Reason.AGREEMENT)


def texts(parts):
    return re.findall('"text":" (.*?)"', b"".join(parts).decode())


async def turns(number=100):
    for _ in range(number):
        await asyncio.sleep(0)


def test_an_event_is_encoded_once_for_all_and_a_few_readers_at_a_time_are_told():
    async def scenario():
        journal, feeds, told = Journal(), CaptionFeeds(), []

        async def read():
            with feeds.reading(journal) as feed:
                async for part in feed.follow():
                    told.append(part)

        readers = [asyncio.create_task(read()) for _ in range(10 * AT_ONCE)]
        await turns()
        journal.append(committed(" one"), 0)
        counts = [0]
        while counts[-1] < len(readers):
            await asyncio.sleep(0)
            counts.append(len(told))
        assert max(after - before for before, after in itertools.pairwise(counts)) == AT_ONCE
        assert len({id(part) for part in told}) == 1 and texts(told[:1]) == ["one"]
        journal.append(ev.Closed(), 0)
        await asyncio.gather(*readers)
        assert not len(feeds)

    play(scenario(), limit_s=5)


def test_a_reader_that_is_slow_gets_all_that_lasts_and_the_newest_that_does_not():
    async def scenario():
        journal, feeds = Journal(), CaptionFeeds()
        with feeds.reading(journal) as feed:
            slow = feed.follow()
            journal.append(tentative(" on"), 0)
            parts = [await anext(slow)]
            for number in range(1000):
                journal.append(tentative(f" {number}?"), 0)
                journal.append(committed(f" {number}"), 0)
            journal.append(tentative(" last?"), 0)
            while not texts(parts)[-1].endswith("last?"):
                parts.append(await anext(slow))
            assert texts(parts) == ["on", *map(str, range(1000)), "last?"]
            assert max(map(len, parts)) < 10_000
            parts.clear()
            again = asyncio.create_task(anext(slow))
            await turns()
            journal.append(ev.SpeechStarted(2, 1.0), 0)  # of which readers are told nothing
            journal.append(committed(" last."), 0)
            assert texts([await again]) == ["last."]
            await slow.aclose()

    play(scenario(), limit_s=5)


def test_a_viewer_that_takes_nothing_is_let_go_and_the_others_are_told_meanwhile():
    async def scenario():
        sessions, feeds, journal = SharedSessions(), CaptionFeeds(), Journal()
        shared = sessions.share(Sharing("id", "token"), journal)
        taken = []

        async def stuck(message):
            if b"event:" in message.get("body", b""):
                await asyncio.Event().wait()

        async def take(message):
            taken.append(message.get("body", b""))

        async def view(send, write_timeout_s):
            answer = Captions(sessions, shared, feeds, 0, write_timeout_s=write_timeout_s)
            await answer({"type": "http", "method": "GET"}, asyncio.Event().wait, send)

        quick = asyncio.create_task(view(take, 60))
        slow = asyncio.create_task(view(stuck, 0.05))
        await turns()
        journal.append(committed(" one"), 0)
        assert shared.viewers == 2
        await slow
        assert shared.viewers == 1 == len(feeds)
        journal.append(ev.Closed(), 0)
        await quick
        assert shared.viewers == 0 and not len(feeds)
        assert texts(taken) == ["one"] and b"event: finished" in b"".join(taken)

    play(scenario(), limit_s=5)


# Who takes nothing.


def test_a_client_that_takes_nothing_of_an_answer_is_cut_off_and_a_slow_one_is_not():
    """In this process, since from outside nobody could tell when its task has ended."""
    ends = []

    async def application(scope, receive, send):
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(2):
            await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        ends.append(scope["path"])

    async def fetch(address, path):
        loop = asyncio.get_running_loop()
        client = socket.socket()
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(client, address)
        await loop.sock_sendall(client, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        return client

    async def scenario():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)  # else the system takes megabytes at once
            config = uvicorn.Config(
                application, http=bounded_http(0.2), log_config=None, lifespan="off", timeout_graceful_shutdown=1
            )
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve([listener]))
            with await fetch(listener.getsockname(), "/stuck"), await fetch(listener.getsockname(), "/slow") as slow:
                taken = 0
                while part := await asyncio.get_running_loop().sock_recv(slow, 16_384):
                    taken += len(part)
                    if taken < 300_000:  # then what waits for it has been less and less for longer than the bound
                        await asyncio.sleep(0.01)
                assert taken > 2 * 2**20
                assert ends == ["/stuck", "/slow"]  # the task of the first one's answer saw it go
            server.should_exit = True
            await serving

    play(scenario(), limit_s=20)
