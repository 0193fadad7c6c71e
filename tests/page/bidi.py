"""Firefox through WebDriver BiDi: only what the page's tests need, over one WebSocket and without a driver between."""

import base64
import contextlib
import itertools
import json
import os
import re
import subprocess
import threading
import time
from pathlib import Path

from websockets.sync.client import connect

START_S = 60
PREFERENCES = {
    "media.navigator.streams.fake": True,  # a tone as the microphone
    "media.navigator.permission.disabled": True,
    "datareporting.policy.dataSubmissionEnabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "app.update.enabled": False,
}


class Firefox:
    """One window. Use as a context manager."""

    def __init__(self, executable, profile, env=None):
        profile = Path(profile)
        settings = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items())
        (profile / "user.js").write_text("".join(settings))
        command = [executable, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0"]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env={**os.environ, **(env or {})}
        )
        self._ids = itertools.count(1)
        said = (re.search(r"listening on (ws://\S+)", line) for line in self.process.stderr)
        found = next((match[1] for match in said if match), None)
        assert found, "Firefox does not start"
        threading.Thread(target=self.process.stderr.read, daemon=True).start()  # its pipe must not fill
        self._stack = contextlib.ExitStack()
        self._socket = self._stack.enter_context(connect(f"{found}/session", max_size=None, open_timeout=START_S))
        self.call("session.new", capabilities={})
        self._context = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._stack.close()
        self.process.terminate()
        self.process.wait(START_S)
        self.process.stderr.close()

    def call(self, method, **params):
        id = next(self._ids)
        self._socket.send(json.dumps({"id": id, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=START_S))
            if answer.get("id") == id:
                assert answer["type"] == "success", answer
                return answer["result"]

    def go(self, url):
        self.call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def evaluate(self, expression):
        """The value of a JavaScript expression, by way of JSON."""
        target = {"context": self._context}
        wrapped = f"Promise.resolve({expression}).then(value => JSON.stringify(value ?? null))"
        answer = self.call("script.evaluate", expression=wrapped, target=target, awaitPromise=True, userActivation=True)
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def until(self, expression, timeout=30):
        deadline = time.monotonic() + timeout
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < deadline, (expression, self.evaluate("document.body.innerText"))
            time.sleep(0.1)
        return value

    def set_files(self, selector, *files):
        find = f"document.querySelector({selector!r})"
        target = {"context": self._context}
        found = self.call("script.evaluate", expression=find, target=target, awaitPromise=False)
        element = {"sharedId": found["result"]["sharedId"]}
        self.call("input.setFiles", context=self._context, element=element, files=[str(file) for file in files])

    def set_viewport(self, width, height):
        viewport = {"width": width, "height": height}
        self.call("browsingContext.setViewport", context=self._context, viewport=viewport)

    def screenshot(self, path):
        data = self.call("browsingContext.captureScreenshot", context=self._context)["data"]
        Path(path).write_bytes(base64.b64decode(data))
