"""What a newcomer sees: ``reswhis listen --simulate`` over the committed recordings of flite, word errors pooled.

    uv run python benchmarks/listen.py [--backend pocketsphinx]

Server and client are the commands themselves, in processes of their own, the files at the pace of their sound.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from common import RECORDINGS, errors, recordings

# The tests' folder is on the path from here on.
# isort: split
from server_process import Process


def listen(server: Process, name: str) -> str:
    port = server.url.rpartition(":")[2]
    command = [sys.executable, "-m", "reswhis", "listen", "--port", port, "--simulate", str(RECORDINGS / name)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return " ".join(line.split(maxsplit=2)[2] for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="pocketsphinx")
    args = parser.parse_args()
    server = Process("--backend", args.backend).ready()
    rows = recordings(prefix="flite")
    try:
        texts = [listen(server, row.name) for row in rows]
    finally:
        server.stop()
    print(f"{args.backend}: {errors([row.text for row in rows], texts)}")


if __name__ == "__main__":
    main()
