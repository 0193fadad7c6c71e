"""A real server in a process of its own, for tests and benchmarks."""

import os
import re
import signal
import subprocess
import sys
import threading

import httpx

START_S = 60
LOG_S = 10
FORMER = {
    "BACKEND",
    "MODEL_SIZE",
    "LANGUAGE",
    "SAMPLING_RATE",
    "MINIMUM_CHUNK_SIZE",
    "USE_BATCHED_INFERENCE",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
} | {f"USE_VOICE_ACTIVITY_{name}" for name in ("CONTROLLER", "DETECTION")}
"""Variables of those before us, which the tester's own environment may have for other reasons."""


class Process:
    """A server on a port of its own. Its log is read all the time, so that it cannot fill a pipe."""

    def __init__(self, *arguments, env=None):
        command = [sys.executable, "-m", "reswhis", "--port", "0", *arguments]
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith("RESWHIS_") and name not in FORMER
        }
        self.process = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**clean, "HF_HUB_OFFLINE": "1", **(env or {})},
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0,
        )
        self.log = []
        self._listening = threading.Event()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)
            if found := re.search(r"listening on (http://\S+)", line):
                self.url = found[1]
                self._listening.set()
        self._listening.set()

    def listening(self):
        assert self._listening.wait(START_S), self.text
        assert self.process.poll() is None, self.text
        return self

    def ready(self):
        self.listening()
        for _ in range(START_S * 20):
            if httpx.get(f"{self.url}/health/ready").status_code == 200:
                return self
            assert self.process.poll() is None, self.text
            threading.Event().wait(0.05)
        raise AssertionError(self.text)

    @property
    def ws(self):
        return f"{self.url.replace('http', 'ws', 1)}/ws/transcribe"

    @property
    def text(self):
        return "".join(self.log)

    def says(self, text):
        """Whether it is in the log, which may reach us later than what a client was sent."""
        for _ in range(LOG_S * 20):
            if text in self.text:
                return True
            threading.Event().wait(0.05)
        return False

    def interrupt(self):
        self.process.send_signal(signal.CTRL_BREAK_EVENT if sys.platform == "win32" else signal.SIGTERM)

    def wait(self, timeout=START_S):
        code = self.process.wait(timeout)
        self._reading.join(timeout)
        return code

    def stop(self):
        if self.process.poll() is None:
            self.interrupt()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.process.stderr.close()
