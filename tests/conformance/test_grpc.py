"""Stubs that protoc makes of whisper_realtime_server's own definitions, of every version, against a real server."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from native_client import connect, play

pytestmark = pytest.mark.conformance
NEEDED = "uv sync --extra grpc --group conformance"
grpc = pytest.importorskip("grpc", reason=f"grpcio is not installed: {NEEDED}")
protoc = pytest.importorskip("grpc_tools.protoc", reason=f"grpcio-tools is not installed: {NEEDED}")

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CLIENT = HERE / "grpc_stub_client.py"
RECORDING = ROOT / "tests" / "recordings" / "flite-022.flac"
FORMS = {
    "first": ("plain", "with-hypothesis"),
    "v0_1": ("plain", "with-hypothesis"),
    "v0_2": ("with-hypothesis",),
    "speech": ("plain",),
}
"""Of v0.2 without the hypothesis there is another test: it needs a server that expects it."""
CLIENTS = [(module, form) for module, forms in FORMS.items() for form in forms]
LIMIT_S = 60


@pytest.fixture(scope="module")
def stubs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stubs")
    protos = [(ROOT / "proto", "speech.proto")]
    protos += [(HERE / "grpc_protos", f"{module}.proto") for module in FORMS if module != "speech"]
    for directory, file in protos:
        options = [f"-I{directory}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
        assert protoc.main(["protoc", *options, file]) == 0
    return folder


@pytest.fixture(scope="module")
def server(start):
    return start("--backend", "fake", "--grpc", "--ports", "0", "0").ready()


@pytest.fixture(scope="module")
def native(server, recordings):
    """What is committed of the same audio on the native path."""
    audio = next(each.audio for each in recordings if each.name == RECORDING.name)

    async def listen():
        async with connect(server.ws) as client:
            await client.stream(audio, frame=8000, pause_s=0.05)
            await client.send(b"")
            await client.rest()
            return client.text

    return play(listen())


@pytest.fixture(scope="module")
def said(server, stubs):
    """By client: all at once, on one port."""
    port, _ = ports(server)
    with ThreadPoolExecutor(len(CLIENTS)) as pool:
        calls = {client: pool.submit(run, stubs, *client, port) for client in CLIENTS}
        return {client: call.result() for client, call in calls.items()}


def ports(server):
    return re.findall(r"grpc://(\S+:\d+)", server.text)


def run(stubs, module, form, address):
    command = [sys.executable, CLIENT, stubs, module, form, address, RECORDING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def text(said):
    return "".join(words for _, _, words in said["confirmed"])


@pytest.mark.parametrize("client", CLIENTS, ids=" ".join)
def test_clients_of_every_version_at_once_on_one_port_get_the_words_of_the_native_path(said, native, client):
    assert said[client]["code"] == "OK"
    assert text(said[client]) == native == " w0 w1 w2 w3 w4"
    times = [ms for start, end, _ in said[client]["confirmed"] for ms in (start, end)]
    assert times == sorted(times)


@pytest.mark.parametrize("client", CLIENTS, ids=" ".join)
def test_the_tentative_words_come_to_those_who_have_a_place_for_them(said, client):
    module, form = client
    assert bool(said[client]["others"]) == (module == "speech" or form == "with-hypothesis")


def test_clients_of_v02_without_the_hypothesis_are_served_where_the_server_expects_them(start, stubs):
    server = start("--backend", "fake", "--grpc", "--ports", "0", "--grpc-dialect", "0.2").ready()
    (port,) = ports(server)
    for module in ("v0_2", "v0_1", "speech"):
        assert text(run(stubs, module, "plain", port)) == " w0 w1 w2 w3 w4"


def test_reswhis_listen_prints_the_same(server):
    _, port = ports(server)
    command = [sys.executable, "-m", "reswhis", "listen", "--protocol", "grpc", "--port", port.rpartition(":")[2]]
    done = subprocess.run(
        [*command, "--simulate", RECORDING, "--speed", "4"], capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    assert " ".join(re.findall(r"w\d", done.stdout)) == "w0 w1 w2 w3 w4"
    assert re.match(r"0000 \d{4} w0$", done.stdout.splitlines()[0])
