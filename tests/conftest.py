"""What tests of several layers share: whisper-micro, built once per run, and the recordings."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from filelock import FileLock

from server_process import Process

HERE = Path(__file__).parent

# More threads than cores decode here at once: one that has nothing to do must not spin. Servers inherit it.
os.environ.setdefault("KMP_BLOCKTIME", "0")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Many processes are started here: what they import is compiled once, not in each of them, whatever the shell has set.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# A shell lets what it starts in the background ignore it, and so would the processes that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config):
    """Twice as many as there are cores: many tests wait for a server."""
    return 2 * (os.cpu_count() or 1)


def pytest_ignore_collect(collection_path, config):
    """Each process of a run imports all that it collects, and the clients of others are large."""
    if collection_path == HERE / "conformance" and "not conformance" in config.option.markexpr:
        return True
    return None


def pytest_collection_modifyitems(items):
    """What waits long is begun first, so that the other processes have work meanwhile."""
    for item in items:
        if item.path.parent == HERE / "page":
            item.add_marker("browser")
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


class Recording(NamedTuple):
    name: str
    audio: np.ndarray
    """int16, 16 kHz."""
    text: str
    words: list[dict]
    """``word``, ``start``, ``end`` in seconds, and whether these are ``exact``."""
    voice: str


@pytest.fixture(scope="session")
def start():
    """Start a server that ends with the test run."""
    with contextlib.ExitStack() as stack:

        def begin(*arguments, **options):
            process = Process(*arguments, **options)
            stack.callback(process.stop)
            return process

        yield begin


@pytest.fixture(scope="session")
def micro(tmp_path_factory):
    """The directory of whisper-micro for CTranslate2, int8."""
    return _build(tmp_path_factory, "v2")


@pytest.fixture(scope="session")
def micro_v3(tmp_path_factory):
    """The same in large-v3's form: 128 mel bins, 51 866 tokens."""
    return _build(tmp_path_factory, "v3")


@pytest.fixture(scope="session")
def micro_en(tmp_path_factory):
    """The same in the form of the models for English alone: 51 864 tokens. It hears less well."""
    return _build(tmp_path_factory, "en")


@pytest.fixture(scope="session")
def micro_openai(tmp_path_factory):
    """whisper-micro as openai-whisper keeps its models; needs torch."""
    return _build(tmp_path_factory, "v2", "openai")


@pytest.fixture(scope="session")
def micro_openai_v3(tmp_path_factory):
    """The same in large-v3's form."""
    return _build(tmp_path_factory, "v3", "openai")


@pytest.fixture(scope="session")
def micro_mlx(tmp_path_factory):
    """whisper-micro for mlx-whisper; building it needs nothing that the others do not."""
    return _build(tmp_path_factory, "v2", "mlx")


@pytest.fixture(scope="session")
def micro_mlx_v3(tmp_path_factory):
    """The same in large-v3's form."""
    return _build(tmp_path_factory, "v3", "mlx")


@pytest.fixture(scope="session")
def recordings():
    import soundfile

    rows = [json.loads(line) for line in (HERE / "recordings" / "references.jsonl").read_text("utf-8").splitlines()]
    found = []
    for row in rows:
        audio, rate = soundfile.read(HERE / "recordings" / row["file"], dtype="int16")
        assert rate == 16_000
        found.append(Recording(row["file"], audio, row["text"], row["words"], row["voice"]))
    return found


def _build(tmp_path_factory, generation, form="ct2"):
    """Built by the first process that asks; the others of the same run wait for it."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    out = shared / f"whisper-micro-{generation}-{form}"
    with FileLock(f"{out}.lock"):
        if not out.exists():
            part = out.with_suffix(".part")
            build = HERE / "models" / "whisper-micro" / "build.py"
            subprocess.run(
                [sys.executable, build, part, "--generation", generation, "--format", form],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            part.rename(out)
    return out
