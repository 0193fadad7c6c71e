"""A whole visit to a server, over a real socket."""

import asyncio
import io
import socket
from http import HTTPStatus

import numpy as np
import pytest
from client.scripted_server import problem, scripted_server, transcribe

from reswhis.audio.pcm import AudioFormat
from reswhis.client.connection import Listener
from reswhis.client.native import NativeSession
from reswhis.client.plain_displays import LineDisplay
from reswhis.client.session import ListenError, Request
from reswhis.client.source import FileSource
from reswhis.client.target import Target

AUDIO = (np.arange(24_000) % 1000).astype(np.int16)
PIECE = 1600
PLAIN = Request()


class Run:
    """A listener and what it prints."""

    def __init__(self, url, request=PLAIN, source=None, key="", greeting="", patience_s=5.0):
        self.out, self.remarks = io.StringIO(), io.StringIO()
        self.source = source or FileSource(AUDIO, piece=PIECE, speed=0)
        session, display = NativeSession(request), LineDisplay(self.out, self.remarks)
        self.listener = Listener(
            Target(url, key), session, self.source, display, greeting=greeting, patience_s=patience_s
        )

    async def fails(self) -> str:
        with pytest.raises(ListenError) as failure:
            await self.listener.run()
        return str(failure.value)


def visit(script, work, refuse=lambda n: None):
    async def run():
        async with scripted_server(script, refuse) as (url, visitors):
            return await work(url, visitors)

    return asyncio.run(run())


def test_all_audio_arrives_and_all_text_is_printed():
    async def work(url, visitors):
        run = Run(url)
        await run.listener.run()
        return run, visitors[0]

    run, visitor = visit(transcribe, work)
    assert bytes(visitor.audio) == AUDIO.tobytes()
    assert run.out.getvalue() == "0000 0120 how\n0120 0250 are\n0250 1400 you?\n"
    assert run.remarks.getvalue() == ""


def test_floats_arrive_as_floats():
    async def work(url, visitors):
        await Run(url, Request(AudioFormat("pcm_f32le"))).listener.run()
        return visitors[0]

    visitor = visit(transcribe, work)
    assert visitor.start["audio"]["encoding"] == "pcm_f32le"
    assert (np.frombuffer(visitor.audio, "<f4") * 32768).tolist() == AUDIO.tolist()


def test_a_text_is_printed_before_the_audio_ends():
    printed = asyncio.Event()

    class Out(io.StringIO):
        def flush(self):
            printed.set()

    class Speaker(FileSource):
        """Goes on only when what was said before can be read."""

        async def pieces(self):
            async for piece in super().pieces():
                yield piece
            await printed.wait()

    async def work(url, visitors):
        speaker, display = Speaker(AUDIO, piece=PIECE, speed=0), LineDisplay(Out(), io.StringIO())
        async with asyncio.timeout(5):
            await Listener(Target(url), NativeSession(Request()), speaker, display).run()

    visit(transcribe, work)
    assert printed.is_set()


def test_a_key_is_shown_to_the_server():
    keys = []

    async def script(visitor):
        keys.append(visitor.socket.request.headers.get("Authorization"))
        await transcribe(visitor)

    async def work(url, visitors):
        await Run(url, key="secret").listener.run()
        await Run(url).listener.run()

    visit(script, work)
    assert keys == ["Bearer secret", None]


def test_stopping_finishes_what_was_heard():
    async def work(url, visitors):
        long = FileSource(np.tile(AUDIO, 100), piece=PIECE, speed=1)
        run = Run(url, source=long)
        task = asyncio.create_task(run.listener.run())
        while not run.out.getvalue():
            await asyncio.sleep(0.01)
        assert run.listener.stop()
        await task
        return run, visitors[0]

    run, visitor = visit(transcribe, work)
    assert visitor.finished and 300 <= visitor.audio_ms < 1500
    assert run.out.getvalue().endswith("0250 1400 you?\n")


def test_before_the_server_is_ready_there_is_nothing_to_stop():
    assert not Run("ws://127.0.0.1:9/").listener.stop()


def test_a_server_that_reads_nothing_until_it_has_written_everything_is_no_deadlock():
    texts = 3000

    async def script(visitor):
        await visitor.greet()
        for n in range(texts):
            await visitor.say(n, n + 1, f" word{n} {'x' * 1000}")
        await visitor.hear_all()
        await visitor.finish()

    async def work(url, visitors):
        run = Run(url, source=FileSource(np.zeros(16_000 * 60, np.int16), piece=PIECE, speed=0))
        await run.listener.run()
        return run

    assert visit(script, work).out.getvalue().count("\n") == texts


def test_a_model_that_loads_is_waited_for():
    def loading(n):
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "loading the model", **{"Retry-After": "0"}) if n < 4 else None

    async def work(url, visitors):
        run = Run(url, greeting="Speak now.")
        await run.listener.run()
        return run

    run = visit(transcribe, work, loading)
    assert run.remarks.getvalue() == "waiting for the server: loading the model\nSpeak now.\n"
    assert run.out.getvalue().count("\n") == 3


def test_waiting_has_an_end():
    def full(n):
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "as many sessions as it takes", **{"Retry-After": "3"})

    async def work(url, visitors):
        return await Run(url, patience_s=1).fails()

    assert visit(transcribe, work, full) == "The server takes no one now (HTTP 503: as many sessions as it takes)."


@pytest.mark.parametrize(
    ("status", "key", "sentence"),
    [
        (
            HTTPStatus.UNAUTHORIZED,
            "",
            "The server wants a key (HTTP 401: no): give it with --api-key or RESWHIS_API_KEY.",
        ),
        (HTTPStatus.UNAUTHORIZED, "x", "The server does not know this key (HTTP 401: no)."),
        (HTTPStatus.FORBIDDEN, "", "The server refuses the connection (HTTP 403: no): "),
        (HTTPStatus.SERVICE_UNAVAILABLE, "", "The server takes no one now (HTTP 503: no)."),
        (HTTPStatus.NOT_FOUND, "", "What answers at URL is not a reswhis server (HTTP 404: no)."),
    ],
)
def test_a_refusal_is_told_in_a_sentence(status, key, sentence):
    async def work(url, visitors):
        return (await Run(url, key=key).fails()).replace(url, "URL")

    assert visit(transcribe, work, lambda n: problem(status, "no")).startswith(sentence)


def test_where_no_server_is_the_sentence_says_how_to_start_one():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"ws://127.0.0.1:{port}/"
    assert asyncio.run(Run(url).fails()) == (
        f"No server can be reached at {url} (connection refused); `reswhis` starts one."
    )


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"])
def test_what_speaks_no_websocket_is_not_a_reswhis_server(answer):
    async def run():
        async def other(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        async with await asyncio.start_server(other, "127.0.0.1", 0) as server:
            return await Run(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/").fails()

    assert "is not a reswhis server" in asyncio.run(run())


def test_a_websocket_server_of_another_kind_is_told_as_such():
    async def echo(visitor):
        async for message in visitor.socket:
            await visitor.socket.send(message)

    async def work(url, visitors):
        return await Run(url).fails()

    assert visit(echo, work) == "What answers there does not speak reswhis's protocol."


def test_a_dropped_connection_is_told_with_what_arrived():
    async def drop(visitor):
        await visitor.greet()
        await visitor.hear(0.5)
        await visitor.say(0, 400, " how")
        visitor.socket.transport.close()

    async def work(url, visitors):
        run = Run(url, source=FileSource(np.tile(AUDIO, 100), piece=PIECE, speed=1))
        return run, await run.fails()

    run, sentence = visit(drop, work)
    assert sentence.startswith("The connection was lost: 0.") and sentence.endswith(" 0.5 s received.")
    assert run.out.getvalue() == "0000 0400 how\n"


def test_a_close_before_the_end_is_told_with_its_code():
    async def close(visitor):
        await visitor.greet()
        await visitor.hear(0.5)
        await visitor.socket.close(1012, "server_restart")

    async def work(url, visitors):
        return await Run(url).fails()

    assert visit(close, work).startswith("The server has closed the connection (1012 server_restart): ")


def test_a_fatal_error_is_told_in_the_servers_words():
    async def refuse(visitor):
        await visitor.send("error", code="unknown_model", message="this server has tiny", fatal=True)
        await visitor.socket.close(1008, "unknown_model")

    async def work(url, visitors):
        return await Run(url).fails()

    assert visit(refuse, work) == "The server refuses the session: this server has tiny"


def test_a_source_that_fails_gets_its_tail_before_it_is_told():
    class Unplugged(FileSource):
        async def pieces(self):
            async for piece in super().pieces():
                yield piece
            raise ListenError("The microphone has stopped.")

    async def work(url, visitors):
        run = Run(url, source=Unplugged(AUDIO, piece=PIECE, speed=0))
        return run, await run.fails()

    run, sentence = visit(transcribe, work)
    assert sentence == "The microphone has stopped."
    assert run.out.getvalue().endswith("0250 1400 you?\n")


def test_cancelled_it_leaves_at_once():
    async def deaf(visitor):
        await visitor.greet()
        await visitor.socket.wait_closed()

    async def work(url, visitors):
        run = Run(url, source=FileSource(np.zeros(16_000 * 600, np.int16), piece=PIECE, speed=0))
        task = asyncio.create_task(run.listener.run())
        while not run.listener.stop():
            await asyncio.sleep(0.01)
        task.cancel()
        async with asyncio.timeout(1):
            with pytest.raises(asyncio.CancelledError):
                await task

    visit(deaf, work)
