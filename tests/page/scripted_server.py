"""A server that says to the page what a test tells it to, and counts what it is sent."""

import contextlib
import json
import threading

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response
from websockets.sync.server import serve

INFO = {"version": "1", "state": "ready", "sessions": 0, "max_sessions": 5, "key_required": False, "model_size": "m"}
INFO["endpoints"] = ["/captions"]
LIMITS = {"idle_timeout_s": 60, "max_frame_bytes": 1 << 20, "max_session_s": 7200}


class Connection:
    def __init__(self, socket):
        self.socket = socket
        self.samples = 0
        self._said = 0
        self.start = json.loads(socket.recv())
        self.rate = self.start["audio"]["sample_rate"]

    def say(self, type_, **fields):
        self._said += 1
        numbered = {"type": type_, "seq": self._said, "audio_ms": self.samples * 1000 // self.rate}
        self.socket.send(json.dumps({**numbered, **fields}))

    def break_off(self):
        self.socket.socket.close()

    def read(self):
        with contextlib.suppress(ConnectionClosed, OSError):
            for message in self.socket:
                if isinstance(message, bytes):
                    self.samples += len(message) // 2
                elif (said := json.loads(message))["type"] == "flush":
                    self.say("flushed", id=said["id"])


class ScriptedServer:
    """``with ScriptedServer(page) as server``: serves that page, too."""

    def __init__(self, page):
        self._page = page.read_bytes()
        self.connections = []
        self.is_up = True

    def __enter__(self):
        self._server = serve(self._begin, "127.0.0.1", 0, process_request=self._answer)
        self.url = f"http://localhost:{self._server.socket.getsockname()[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()

    def _begin(self, socket):
        connection = Connection(socket)
        self.connections.append(connection)  # before the page may know of it, or a test could ask too early
        number = len(self.connections)
        token = {"viewer_token": f"token{number}"} if connection.start.get("captions") else {}
        connection.say("ready", session_id=f"session{number}", model="m", language="en", limits=LIMITS, **token)
        connection.read()

    def _answer(self, _socket, request):
        match request.path:
            case "/ws/transcribe":
                return None if self.is_up else _response(503, b"")
            case "/":
                return _response(200, self._page, "text/html")
            case "/info":
                return _response(200, json.dumps({**INFO, "state": "ready" if self.is_up else "loading"}).encode())
            case _:
                return _response(200, b"{}")


def _response(status, body, kind="application/json"):
    headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Access-Control-Allow-Origin": "*"}
    return Response(status, "", Headers(headers), body)
