"""Answers whoever speaks plain HTTP to a port that speaks TLS: a redirect, or a sentence, instead of a dead line.

People type an address without ``https://`` in front, and browsers then try http first. Knows nothing of what is
served. Used by :mod:`.tls` for every context of ours.
"""

from __future__ import annotations

import json
import re
import ssl

TLS_HANDSHAKE = 0x16
"""The first byte that any TLS client sends."""
MAX_HEAD = 16 * 1024
REQUEST = re.compile(rb"([A-Z]{3,10}) (/[!-~]*) HTTP/1\.[01]\r\n")
HOST = re.compile(rb"\r\nhost:[ \t]*([a-z0-9._:\[\]-]+)[ \t]*\r\n", re.IGNORECASE)
UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
SORRY = "this port speaks TLS only: put https:// (or wss://) before the address instead of http:// (or ws://)"


class _Handshake(ssl.SSLObject):
    """Looks at what a client sends first, before OpenSSL does."""

    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    _head = b""
    _is_tls = False
    _is_answered = False

    def do_handshake(self) -> None:
        if not self._is_tls:
            self._look()
        super().do_handshake()

    def _look(self) -> None:
        said = self.incoming.read()
        if self._is_answered:  # not cut off, which could cost it the answer; the event loop's timeout ends it
            raise ssl.SSLWantReadError
        self._head += said
        if self._head and (self._head[0] == TLS_HANDSHAKE or not self._head[:1].isalpha()):
            self._is_tls = True  # or rubbish, which OpenSSL refuses
            self.incoming.write(self._head)
            self._head = b""
        elif b"\r\n\r\n" in self._head or len(self._head) > MAX_HEAD:
            self._is_answered = True
            self.outgoing.write(answer(self._head))  # the event loop sends it when told that more is wanted
            raise ssl.SSLWantReadError
        elif self._head:
            raise ssl.SSLWantReadError


class Context(ssl.SSLContext):
    """For servers, under asyncio and uvloop, which both do TLS in memory."""

    sslobject_class = _Handshake

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(made, _Handshake)
        made.incoming, made.outgoing = incoming, outgoing
        return made


def answer(head: bytes) -> bytes:
    """To a page's request a redirect to the same place; to anything else what is wrong, as the doors say it."""
    request, host = REQUEST.match(head), HOST.search(head)
    if request and host and request[1] in (b"GET", b"HEAD") and not UPGRADE.search(head):
        # Temporary: browsers remember a permanent one, also when the port speaks plain HTTP again.
        return _response(b"307 Temporary Redirect", b"Location: https://" + host[1] + request[2])
    return _response(b"400 Bad Request")


def _response(status: bytes, *headers: bytes) -> bytes:
    body = json.dumps({"type": "error", "code": "tls_required", "message": SORRY, "fatal": True}).encode()
    lines = [
        b"HTTP/1.1 " + status,
        *headers,
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        b"Connection: close",
    ]
    return b"\r\n".join([*lines, b"", body])
