"""As much of a model hub as it takes to download from it, on this machine."""

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 100_000
"""From this size on files are not in git itself and are known by their SHA-256."""


class Asked(list):
    """The paths that were asked for, in order."""

    def __init__(self):
        super().__init__()
        self.sent = []
        """Of each content that was asked for: name, first byte, and how many were sent."""
        self.stalled = threading.Event()
        """A download has come to where it stands still."""

    def bytes_of(self, name):
        return sum(count for sent, _, count in self.sent if sent == name)


@contextmanager
def hub(repositories, *, stalls=None, cuts=None, claims=None):
    """Serve directories by repository id; yields the endpoint and what was asked for.

    Args:
        stalls: by file, after how many bytes the first download of it stands still, for as long as the hub lives.
        cuts: by file, after how many bytes every connection that brings it is cut.
        claims: by file, what the listing says is its size.

    All three may be changed while it serves.
    """
    asked, over = Asked(), threading.Event()
    stalls, cuts, claims = ({} if given is None else given for given in (stalls, cuts, claims))

    def described(file):
        content = file.read_bytes()
        size, etag = claims.get(file.name, len(content)), etag_of(content)
        lfs = {"lfs": {"sha256": etag, "size": size, "pointerSize": 134}} if len(content) >= LARGE else {}
        return {"size": size, "blobId": etag[:40], **lfs}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = urlparse(self.path).path
            asked.append(path)
            for repository, folder in repositories.items():
                files = {file.name: file for file in folder.iterdir()}
                if path in (f"/api/models/{repository}", f"/api/models/{repository}/revision/main"):
                    siblings = [{"rfilename": name, **described(file)} for name, file in files.items()]
                    content = json.dumps({"id": repository, "sha": COMMIT, "siblings": siblings})
                    return self.answer(200, content.encode(), "application/json")
                if path.startswith(f"/{repository}/resolve/") and (file := files.get(path.rsplit("/", 1)[1])):
                    return self.file(file)
            return self.answer(404, b"{}", "application/json", {"X-Error-Code": "RepoNotFound"})

        def file(self, file):
            content = file.read_bytes()
            asked_for = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(asked_for[1]) if asked_for else 0
            headers = {"ETag": f'"{etag_of(content)}"', "X-Repo-Commit": COMMIT}
            if asked_for:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.begin(206 if asked_for else 200, len(content) - start, "application/octet-stream", headers)
            if self.command == "HEAD":
                return
            stall = stalls.pop(file.name, None)
            end = min(len(content), stall or len(content), start + cuts.get(file.name, len(content)))
            self.wfile.write(content[start:end])
            asked.sent.append((file.name, start, end - start))
            if stall is not None:
                asked.stalled.set()
                over.wait()
            self.close_connection = end < len(content)

        def answer(self, status, body, kind, headers=None):
            self.begin(status, len(body), kind, headers or {})
            if self.command == "GET":
                self.wfile.write(body)

        def begin(self, status, length, kind, headers):
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": length, **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def etag_of(content):
    """As the hub names it: by its SHA-256, or, if it is small, as git does."""
    if len(content) >= LARGE:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
