"""As much of a model hub as it takes to download from it, on this machine."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub(repositories):
    """Serve directories by repository id; yields the endpoint and the list of paths that were asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = urlparse(self.path).path
            asked.append(path)
            for repository, folder in repositories.items():
                files = {file.name: file for file in folder.iterdir()}
                if path.startswith(f"/api/models/{repository}/tree/"):
                    return self.json([{"type": "file", "path": name, **size(file)} for name, file in files.items()])
                if path in (f"/api/models/{repository}", f"/api/models/{repository}/revision/main"):
                    siblings = [{"rfilename": name, **size(file)} for name, file in files.items()]
                    return self.json({"id": repository, "sha": COMMIT, "siblings": siblings})
                if path.startswith(f"/{repository}/resolve/") and (file := files.get(path.rsplit("/", 1)[1])):
                    return self.answer(200, file.read_bytes(), "application/octet-stream")
            return self.answer(404, b"{}", "application/json", {"X-Error-Code": "RepoNotFound"})

        def json(self, content):
            self.answer(200, json.dumps(content).encode(), "application/json")

        def answer(self, status, body, kind, headers=None):
            self.send_response(status)
            etag = hashlib.sha1(body).hexdigest()
            told = {"Content-Type": kind, "Content-Length": len(body), "ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
            for name, value in {**told, **(headers or {})}.items():
                self.send_header(name, str(value))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def size(file):
    content = file.read_bytes()
    return {"size": len(content), "oid": hashlib.sha1(content).hexdigest()}
