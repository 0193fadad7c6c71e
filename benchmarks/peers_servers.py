"""The servers that `peers.py` puts beside reswhis, each in a virtual environment of its own, and how they are started.

All get the same CTranslate2 weights, and English for the language; what else could be set is left as it comes, but for
limits on how many clients get in. whisper-live keeps no more than four and, in batches, turns new ones away while its
queue is long: it is told to take all, so that its latency can be seen.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from capacity_servers import Running, fingerprint

PYTHON = "3.11"
START_S = 180
"""The first time torch is imported from a disk takes most of a minute."""
LOOP = Path(__file__).with_name("peers_local_agreement.py")

WHISPER_LIVE = """
import sys
from whisper_live.server import TranscriptionServer
port, model, batches = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "batches"
TranscriptionServer().run(
    "127.0.0.1", port, backend="faster_whisper", faster_whisper_custom_model_path=model, single_model=True,
    max_clients=10_000, batch_enabled=batches, batch_max_queue_wait_s=1000.0, batch_max_admissions_per_s=1000.0,
)
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """Of a peer; several rows may share one."""

    name: str
    packages: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    """Of what they ask for: it is for a microphone and needs a compiler and headers."""

    def folder(self, venvs: Path) -> Path:
        return venvs / self.name

    def python(self, venvs: Path) -> Path:
        return self.folder(venvs) / "bin" / "python"

    def install(self, venvs: Path) -> None:
        subprocess.run(["uv", "venv", "--quiet", "--python", PYTHON, self.folder(venvs)], check=True)
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as overrides:
            overrides.writelines(f"{name} ; sys_platform == 'never'\n" for name in self.left_out)
            overrides.flush()
            command = ["uv", "pip", "install", "--python", self.python(venvs), "--overrides", overrides.name]
            subprocess.run([*command, *self.packages], check=True)

    def versions(self, venvs: Path) -> str:
        listed = subprocess.run(
            ["uv", "pip", "freeze", "--quiet", "--python", self.python(venvs)],
            check=True, capture_output=True, text=True,
        ).stdout.splitlines()  # fmt: skip
        wanted = {package.partition("=")[0].lower() for package in (*self.packages, "ctranslate2")}
        return ", ".join(line for line in listed if line.partition("==")[0].lower() in wanted)


ENVIRONMENTS = {
    "whisper-live": Environment("whisper-live", ("whisper-live",), ("pyaudio",)),
    "whisperlivekit": Environment("whisperlivekit", ("whisperlivekit", "faster-whisper")),
    "faster-whisper": Environment("faster-whisper", ("faster-whisper", "websockets")),
}


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    dialect: str
    environment: Environment
    command: tuple[str, ...]
    """After the environment's ``bin``; ``{port}`` and ``{model}`` are filled in."""
    venvs: Path
    model: Path

    compares = False

    @property
    def fingerprint(self) -> str:
        return fingerprint((*self.command, self.environment.versions(self.venvs)), [self.model / "model.bin", LOOP])

    @contextmanager
    def serve(self) -> Iterator[Running]:
        port = _free_port()
        program, *rest = (part.format(port=port, model=self.model) for part in self.command)
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(
                [self.environment.folder(self.venvs) / "bin" / program, *rest],
                stdout=log, stderr=log, env=environment,
            )  # fmt: skip
            try:
                _wait_for(port, process, log)
                yield Running(f"http://127.0.0.1:{port}", process.pid)
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def peers(venvs: Path, model: Path) -> list[Peer]:
    live, kit, loop = ENVIRONMENTS["whisper-live"], ENVIRONMENTS["whisperlivekit"], ENVIRONMENTS["faster-whisper"]
    serve = ("python", "-c", WHISPER_LIVE.replace("{", "{{").replace("}", "}}"), "{port}", "{model}")
    kit_command = (
        "whisperlivekit-server", "--host", "127.0.0.1", "--port", "{port}", "--model_dir", "{model}", "--lan", "en",
        "--backend", "faster-whisper", "--backend-policy", "localagreement", "--pcm-input", "--warmup-file", "",
        "--log-level", "WARNING",
    )  # fmt: skip
    loop_command = ("python", str(LOOP), "{port}", "{model}")
    return [
        Peer("whisper-live", "whisper-live", live, (*serve, "one by one"), venvs, model),
        Peer("whisper-live, batch_enabled", "whisper-live", live, (*serve, "batches"), venvs, model),
        Peer("whisperlivekit, localagreement", "whisperlivekit", kit, kit_command, venvs, model),
        Peer("faster-whisper, LocalAgreement", "native", loop, loop_command, venvs, model),
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: IO[str]) -> None:
    """Until it takes connections. Raises RuntimeError with what it wrote, if it ends or takes too long."""
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    log.seek(0)
    raise RuntimeError(f"the peer does not start:\n{log.read()[-2000:]}")
