"""A client of the gRPC door for tests: grpc's own channel, with messages as bytes. Needs the extra ``grpc``."""

import re
import threading

import grpc

LIMIT_S = 30
METHOD = "/speech.SpeechToText/StreamingRecognize"
WITH_HYPOTHESIS = "/speech.SpeechToTextWithHypothesis/StreamingRecognize"


def addresses(server):
    """Of all ports of a server's process, in their order."""
    return re.findall(r"grpc://(\S+:\d+)", server.text)


class Call:
    """Says what it is given when it is given, and has what the server says since."""

    def __init__(self, channel, method=METHOD, *, key=None, metadata=(), timeout=LIMIT_S):
        self._more = threading.Condition()
        self._waiting, self._ended = [], False
        metadata = [*metadata, ("authorization", f"Bearer {key}")] if key else list(metadata)
        self._call = channel.stream_stream(method)(self._messages(), metadata=metadata, timeout=timeout)

    def _messages(self):
        while True:
            with self._more:
                self._more.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                message = self._waiting.pop(0)
            yield message

    def say(self, *messages):
        with self._more:
            self._waiting += messages
            self._more.notify()
        return self

    def finish(self):
        """Half-close."""
        with self._more:
            self._ended = True
            self._more.notify()
        return self

    def next(self):
        return next(self._call)

    def is_taken(self):
        """Wait for the server's first word, of which there is none if it refuses."""
        return self._call.initial_metadata() is not None and not self._call.done()

    def rest(self):
        """What it says until the end."""
        said = []
        try:
            said.extend(self._call)
        except grpc.RpcError:
            self.finish()
        return said

    @property
    def status(self):
        """Wait for it."""
        return self._call.code().name, self._call.details()

    def trailing(self, name):
        return dict(self._call.trailing_metadata()).get(name)

    def cancel(self):
        self._call.cancel()
        self.finish()
