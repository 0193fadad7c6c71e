"""`reswhis models` as it is called, against hubs on this machine.

huggingface_hub reads its address when it is imported, so what asks a hub is a process of its own.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest
from backends.hub_server import COMMIT, hub

from reswhis.backends import hub as client
from reswhis.backends.download import PIECE
from reswhis.backends.model_formats import CTRANSLATE2
from reswhis.backends.models import HubModel
from reswhis.cli import main

TINY = CTRANSLATE2.sizes["tiny"]
PATIENCE_S = 60
PULLS = """
import contextlib, io, json, sys
from reswhis.cli import main
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["models", *json.loads(line)])
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


class Puller:
    """A process that knows one hub and runs one action after another."""

    def __init__(self, endpoint, **environ):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, "-c", PULLS], env=without_hub(endpoint, **environ), **pipes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate(timeout=PATIENCE_S)

    def pull(self, cache, name="tiny", code=0):
        """What it prints."""
        self.process.stdin.write(json.dumps(["pull", name, "--model-cache-dir", str(cache)]) + "\n")
        self.process.stdin.flush()
        ended, out, err = json.loads(self.process.stdout.readline())
        assert ended == code, err
        return out, err


class Shop:
    """A hub with tiny, and a process that pulls from it."""

    def __init__(self, endpoint, asked, cuts, claims, puller):
        self.endpoint, self.asked, self.cuts, self.claims, self.pull = endpoint, asked, cuts, claims, puller.pull


@pytest.fixture(scope="module")
def open_shop(micro):
    cuts, claims = {}, {}
    with hub({TINY: micro}, cuts=cuts, claims=claims) as (endpoint, asked), Puller(endpoint) as puller:
        yield Shop(endpoint, asked, cuts, claims, puller)


@pytest.fixture
def shop(open_shop):
    yield open_shop
    for changed in (open_shop.cuts, open_shop.claims, open_shop.asked.sent):
        changed.clear()


@pytest.fixture(scope="module")
def whole(open_shop, tmp_path_factory):
    """A cache into which tiny has been pulled, and what was said."""
    cache = tmp_path_factory.mktemp("pulled")
    out, err = open_shop.pull(cache)
    open_shop.asked.sent.clear()
    return cache, out, err


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def pulled(whole, cache):
    """A copy of it, to be damaged; links stay links."""
    shutil.copytree(whole[0], cache, symlinks=True)
    return cache


def without_hub(endpoint, **environ):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "RESWHIS_"))}
    return {**clean, "HF_ENDPOINT": endpoint, **environ}


def ask(capfd, cache, *argv, code=0):
    """What an action that asks no hub prints."""
    assert main(["models", *argv, "--model-cache-dir", str(cache)]) == code
    return capfd.readouterr()


def info(capfd, cache, *argv, code=0):
    return json.loads(ask(capfd, cache, "info", "tiny", "--json", "--url", closed(), *argv, code=code).out)


def closed():
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def weights(cache):
    return cache / f"models--{TINY.replace('/', '--')}" / "snapshots" / COMMIT / "model.bin"


def cached(cache):
    return client.cached(HubModel("tiny", TINY, CTRANSLATE2), cache)


def wait_for(condition):
    for _ in range(PATIENCE_S * 50):
        if condition():
            return True
        threading.Event().wait(0.02)
    return False


def test_what_is_pulled_is_said_listed_and_found_without_the_hub(capfd, whole, micro):
    cache, out, err = whole
    assert out.startswith("tiny is here: ") and str(cache) in out
    assert "downloading the model tiny" in err and "100 %" in err
    assert cached(cache) == weights(cache).parent and weights(cache).read_bytes() == (micro / "model.bin").read_bytes()
    listed = json.loads(ask(capfd, cache, "list", "--json").out)
    states = {model["name"]: model["state"] for model in listed["models"]}
    assert states.pop("tiny") == "whole" and set(states.values()) == {"absent"}
    told = info(capfd, cache, "--verify")
    assert (told["state"], told["mel_bins"], told["languages"]) == ("whole", 80, 99)
    assert told["server"]["answers"] is False and told["path"] == str(weights(cache).parent)


@pytest.mark.skipif(sys.platform == "win32", reason="no interrupt can be sent to it alone")
def test_a_download_that_was_interrupted_goes_on_where_it_was(capfd, cache, shop, micro):
    size, come = (micro / "model.bin").stat().st_size, 5 * PIECE
    with hub({TINY: micro}, stalls={"model.bin": come + 1000}) as (endpoint, asked):
        command = [sys.executable, "-m", "reswhis", "models", "pull", "tiny", "--model-cache-dir", str(cache)]
        first = subprocess.Popen(command, env=without_hub(endpoint), stderr=subprocess.PIPE, text=True)
        assert asked.stalled.wait(PATIENCE_S)
        assert wait_for(lambda: [path.stat().st_size for path in cache.glob("*/blobs/*.incomplete")] == [come])
        first.send_signal(signal.SIGINT)
        said = first.communicate(timeout=PATIENCE_S)[1]
    assert first.returncode == 130 and "goes on from" in said and "Traceback" not in said
    half = info(capfd, cache, code=1)
    assert (half["state"], half["path"]) == ("incomplete", None) and half["bytes"] >= come
    assert cached(cache) is None
    assert "going on from" in shop.pull(cache)[1]
    assert [(start, count) for name, start, count in shop.asked.sent if name == "model.bin"] == [(come, size - come)]
    assert info(capfd, cache, "--verify")["state"] == "whole"


def test_a_connection_that_is_cut_again_and_again_costs_no_byte_twice(cache, shop, micro):
    size = (micro / "model.bin").stat().st_size
    shop.cuts["model.bin"] = 8 * PIECE
    shop.pull(cache)
    assert [start for name, start, _ in shop.asked.sent if name == "model.bin"] == list(range(0, size, 8 * PIECE))
    assert shop.asked.bytes_of("model.bin") == size and cached(cache) is not None


def test_truncated_weights_are_named_not_taken_and_mended(capfd, pulled, shop, micro):
    with weights(pulled).open("r+b") as file:
        file.truncate(1_000_000)
    told = info(capfd, pulled, code=1)
    assert told["state"] == "damaged" and "model.bin has 1 MB of" in told["trouble"]
    assert cached(pulled) is None
    page = ask(capfd, pulled, "info", "tiny", "--url", closed(), code=1).out
    assert "model.bin has 1 MB of" in page and "reswhis models pull tiny" in page
    assert "mending tiny: model.bin has 1 MB of" in shop.pull(pulled)[1]
    assert {name for name, *_ in shop.asked.sent} == {"model.bin"}
    assert weights(pulled).read_bytes() == (micro / "model.bin").read_bytes()


def test_a_changed_byte_is_found_by_verifying_and_mended_by_pulling(capfd, pulled, shop):
    with weights(pulled).open("r+b") as file:
        file.seek(1_000_000)
        file.write(bytes(100))
    assert info(capfd, pulled)["state"] == "whole"
    assert "model.bin is not what the hub has" in info(capfd, pulled, "--verify", code=1)["trouble"]
    shop.pull(pulled)
    assert {name for name, *_ in shop.asked.sent} == {"model.bin"}
    assert info(capfd, pulled, "--verify")["state"] == "whole"


def test_where_there_are_no_links_nothing_is_kept_twice_and_damage_is_found_too(capfd, cache, shop, micro):
    with Puller(shop.endpoint, HF_HUB_DISABLE_SYMLINKS="1") as puller:
        puller.pull(cache)
    assert not weights(cache).is_symlink() and cached(cache) is not None
    assert info(capfd, cache)["bytes"] < 1.1 * sum(file.stat().st_size for file in micro.iterdir())
    assert info(capfd, cache, "--verify")["state"] == "whole"
    with weights(cache).open("r+b") as file:
        file.write(bytes(100))
    assert info(capfd, cache, "--verify", code=1)["state"] == "damaged"


def test_a_disk_that_is_too_small_is_found_before_anything_is_fetched(cache, shop):
    shop.claims["model.bin"] = 5 * 10**18
    err = shop.pull(cache, code=1)[1]
    assert err.startswith("reswhis: tiny cannot be fetched: 5000000000.0 GB are needed in ")
    assert err.endswith(" are free.\n") and len(err.splitlines()) == 1 and shop.asked.sent == []


def test_a_cache_that_is_a_file_is_said_to_be_one(capfd, cache, shop):
    cache.write_text("")
    assert "Not a directory" in shop.pull(cache, code=2)[1]
    assert info(capfd, cache)["state"] == "absent"


@pytest.mark.parametrize("kind", ["refused", "black hole"])
def test_without_a_hub_there_is_one_sentence_and_code_2(cache, kind):
    with socket.create_server(("127.0.0.1", 0)) as black_hole:
        endpoint = closed() if kind == "refused" else f"http://127.0.0.1:{black_hole.getsockname()[1]}"
        with Puller(endpoint) as puller:
            out, err = puller.pull(cache, code=2)
    reason = "ConnectError" if kind == "refused" else "gives no answer within 5 s"
    assert out == "" and len(err.splitlines()) == 1
    assert err.startswith("reswhis: The model tiny cannot be fetched (") and reason in err


def test_offline_what_is_whole_can_be_pulled_and_nothing_else(cache, whole):
    with Puller(closed(), HF_HUB_OFFLINE="1") as puller:
        err = puller.pull(cache, code=2)[1]
        assert err == "reswhis: The model tiny cannot be fetched (HF_HUB_OFFLINE is set): unset it.\n"
        out, err = puller.pull(whole[0])
        assert out.startswith("tiny is here already, and whole") and "HF_HUB_OFFLINE is set" in err


def test_a_removed_model_is_gone_and_a_copy_of_another_name_is_not(capfd, pulled):
    copy = pulled / "models--someone--whisper-copy"
    shutil.copytree(weights(pulled).parents[2], copy, symlinks=True)
    (copy / "blobs" / "0123.incomplete").write_bytes(bytes(1000))
    out = ask(capfd, pulled, "rm", "someone/whisper-copy", "--yes").out
    assert out.startswith("removed someone/whisper-copy: ") and out.endswith(" freed\n")
    assert not copy.exists() and cached(pulled) is not None
    assert "is not in" in ask(capfd, pulled, "rm", "someone/whisper-copy", "--yes", code=1).err


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_on_a_terminal_it_asks_before_it_removes(pulled):
    import pty

    for answer, code, there in (("\n", 1, True), ("y\n", 0, False)):
        terminal, theirs = pty.openpty()
        command = [sys.executable, "-m", "reswhis", "models", "rm", "tiny", "--model-cache-dir", str(pulled)]
        pipes = {"stdin": theirs, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, env=without_hub(closed()), **pipes)
        os.write(terminal, answer.encode())
        err = process.communicate(timeout=PATIENCE_S)[1]
        os.close(terminal)
        os.close(theirs)
        assert err.startswith("Remove tiny, ") and "? [y/N] " in err
        assert process.returncode == code and (cached(pulled) is not None) is there


def test_a_server_does_not_load_truncated_weights_and_says_how_to_mend_them(pulled, start):
    with weights(pulled).open("r+b") as file:
        file.truncate(1_000_000)
    server = start("--model", "tiny", "--device", "cpu", "--model-cache-dir", str(pulled))
    assert server.wait() == 2
    assert "tiny is damaged on this machine (model.bin has 1 MB of" in server.text
    assert "`reswhis models pull tiny`" in server.text and "Traceback" not in server.text


def test_half_a_download_can_be_removed(capfd, cache):
    blobs = cache / f"models--{TINY.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "0123.incomplete").write_bytes(bytes(2_000_000))
    assert info(capfd, cache, code=1)["state"] == "incomplete"
    assert ask(capfd, cache, "rm", "tiny").out == "removed tiny: 2 MB freed\n"
    assert info(capfd, cache)["state"] == "absent"


def test_the_list_fits_a_terminal_and_has_what_others_have_put_into_the_cache(capfd, pulled):
    shutil.copytree(weights(pulled).parents[2], pulled / "models--someone--whisper-german", symlinks=True)
    other = pulled / "models--someone--llama" / "snapshots" / COMMIT
    other.mkdir(parents=True)
    (other / "model.bin").write_bytes(bytes(3_000_000))
    page = ask(capfd, pulled, "list").out
    assert "\x1b" not in page
    lines = [line for line in page.splitlines() if line and not line.startswith("cache: ")]
    assert max(map(len, lines)) <= 80
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert rows["tiny"][:6] == ["39", "M", "~78", "MB", "99", "yes"] and rows["tiny"][6] != "-"
    assert rows["large-v3-turbo"][-2:] == ["no", "-"] and rows["base.en"][4:6] == ["English", "no"]
    assert rows["someone/whisper-german"][0] == "faster-whisper"
    assert "other models: 1, 3 MB" in page and "turbo is large-v3-turbo" in page


def test_info_says_which_model_a_server_has(capfd, cache, start, micro):
    server = start("--model", str(micro), "--device", "cpu", "--workers", "1").ready()
    has, has_not = (ask(capfd, cache, "info", name, "--url", server.url).out for name in (str(micro), "tiny"))
    assert f"yes, by the server at {server.url}\n" in has
    assert f"no, the server at {server.url} has {micro} (faster-whisper)" in has_not


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["pull"], "required: NAME"),
        (["pull", "tinny"], "did you mean 'tiny'"),
        (["pull", "auto"], "name a model"),
        (["rm", "tiny", "--jason"], "unknown flag --jason"),
        (["lst"], "invalid choice: 'lst'"),
        (["list", "--backend", "pocketsphinx"], "--backend with one of faster-whisper"),
        (["info", "tiny", "--url", "ftp://x"], "--url must be like http"),
    ],
)
def test_a_wrong_request_is_refused_in_a_sentence(capfd, argv, said):
    assert main(["models", *argv]) == 2
    err = capfd.readouterr().err
    assert said in err and err.startswith("reswhis: ") and len(err.splitlines()) == 1


def test_a_directory_of_ones_own_is_neither_fetched_nor_removed(capfd, micro):
    for action in ("pull", "rm"):
        assert main(["models", action, str(micro)]) == 2
        assert "a directory of your own" in capfd.readouterr().err
    assert (micro / "model.bin").exists()
