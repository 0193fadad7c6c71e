"""Makes listen.svg: what two terminals show, one with a server and one with a client. From the repository's root:

uv run python docs/make_picture.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

RECORDINGS = ("flite-028", "flite-022", "flite-013")
PORT = "8000"


def main() -> None:
    with tempfile.TemporaryDirectory() as empty:  # as on a machine that has no model and reaches no hub
        env = os.environ | {"HF_HOME": empty, "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
        command = [sys.executable, "-m", "reswhis", "--port", PORT]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
        log: list[str] = []
        ready = threading.Event()

        def read() -> None:
            for line in server.stderr or ():
                log.append(re.sub(r"^\S+ (\S+),\d+ (\S+) +\S+: ", r"\1 \2 ", line.rstrip()))
                if " ready:" in line:
                    ready.set()

        threading.Thread(target=read, daemon=True).start()
        ready.wait(60)
        shown = Text()
        for name in RECORDINGS:
            file = f"tests/recordings/{name}.flac"
            listen = [sys.executable, "-m", "reswhis", "listen", "--simulate", file]
            out = subprocess.run(listen, capture_output=True, text=True, check=True).stdout
            shown.append("$ ", "dim").append(f"uv run reswhis listen --simulate {file}\n", "bold")
            shown.append(out)
        server.terminate()
        server.wait()
    console = Console(record=True, width=112, file=open(os.devnull, "w"))  # noqa: SIM115
    served = Text().append("$ ", "dim").append("pip install uv && uv run reswhis\n", "bold").append("\n".join(log[:5]))
    console.print(Group(Panel(served, title="server"), Panel(shown, title="client")))
    console.save_svg(str(Path(__file__).with_name("listen.svg")), title="reswhis")


if __name__ == "__main__":
    main()
