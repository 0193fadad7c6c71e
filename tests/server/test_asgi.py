"""The same application under a stock uvicorn."""

import os
import socket
import subprocess
import sys
import time

import httpx

from native_client import connect, play


def test_the_application_serves_under_any_asgi_server(speech):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "reswhis.asgi:app", "--port", str(port)]
    server = subprocess.Popen(command, env={**os.environ, "RESWHIS_BACKEND": "fake"}, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not answers(f"http://127.0.0.1:{port}/health/ready"):
            assert server.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)

        async def scenario():
            async with connect(f"ws://127.0.0.1:{port}/ws/transcribe") as client:
                await client.stream(speech[:48_000])
                await client.say("finish")
                await client.rest()
                return client.text

        assert play(scenario()).split() == ["w0", "w1", "w2"]
    finally:
        server.terminate()
        server.wait(10)


def answers(url):
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False
