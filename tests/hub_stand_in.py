"""A stand-in for the Hugging Face hub, as far as snapshot_download needs it.

It serves files from memory and can be told to misbehave. Clients find it through
HF_ENDPOINT.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/(tree|revision)/([^/?]+)")
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class HubStandIn:
    """Use as a context manager; `url` is what HF_ENDPOINT should be.

    Args:
        repositories: {(repository, revision): {file name: content}}; data sets are
            named "datasets/owner/name".

    Attributes:
        mode: "well", or how it misbehaves: "missing" (404 to everything), "broken" (500
            to everything), "slow" (4 seconds before the listing and before the
            weights), "silent" (it picks up and says nothing), "cut" (the connection
            closes in the middle of every large file), "short" (a file that is too
            small).
        requests: "METHOD path" of everything that was asked, in order.
    """

    def __init__(
        self, repositories: dict[tuple[str, str], dict[str, bytes]], mode: str = "well"
    ) -> None:
        self.repositories, self.mode, self.requests = repositories, mode, []
        self.leaving = threading.Event()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stand_in.answer(self)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> HubStandIn:
        threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            daemon=True,
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leaving.set()
        self._server.shutdown()
        self._server.server_close()

    def downloaded(self) -> set[str]:
        """Names of the files whose content was asked for."""
        return {
            FILE.search(line)[4]
            for line in self.requests
            if line.startswith("GET") and FILE.search(line)
        }

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Look one request up and answer it in the current mode."""
        self.requests.append(f"{handler.command} {handler.path}")
        if self.mode == "silent":
            self.leaving.wait(60)
            handler.close_connection = True
            return
        if self.mode in ("missing", "broken"):
            return self.send(handler, 404 if self.mode == "missing" else 500, b"{}")
        if api := API.match(handler.path):
            kind, name, what, revision = api.groups()
            files = self.repositories.get(
                (name if kind == "models" else f"datasets/{name}", revision)
            )
            if files is None:
                return self.send(handler, 404, b"{}", {"X-Error-Code": "RepoNotFound"})
            if what == "revision":
                siblings = [{"rfilename": path} for path in files]
                sha = commit(revision) if "%2F" in revision else revision
                return self.send(
                    handler,
                    200,
                    json.dumps({"id": name, "sha": sha, "siblings": siblings}).encode(),
                )
            if self.mode == "slow":
                time.sleep(4)
            tree = [
                {"type": "file", "path": p, "size": len(c), "oid": _digest(c)}
                for p, c in files.items()
            ]
            return self.send(handler, 200, json.dumps(tree).encode())
        if asked := FILE.match(handler.path):
            dataset, name, revision, path = asked.groups()
            content = self.repositories.get(((dataset or "") + name, revision), {}).get(
                path
            )
            if content is None:
                return self.send(handler, 404, b"", {"X-Error-Code": "EntryNotFound"})
            return self.send_file(handler, content, revision)
        return self.send(handler, 404, b"{}")

    def send_file(
        self, handler: BaseHTTPRequestHandler, content: bytes, revision: str
    ) -> None:
        """A whole file, what is left of it, or less than was promised."""
        large = len(content) > 50_000
        headers = {
            "ETag": f'"{_digest(content)}"',
            "X-Repo-Commit": revision,
            "Accept-Ranges": "bytes",
        }
        start = int(re.sub(r"\D", "", handler.headers.get("Range", "")) or 0)
        if self.mode == "slow" and large:
            time.sleep(4)
        if handler.command == "GET" and large and self.mode == "short":
            content = content[: len(content) // 2]
        promised = len(content) - start
        if start:
            headers["Content-Range"] = (
                f"bytes {start}-{len(content) - 1}/{len(content)}"
            )
        body = content[start:]
        if handler.command == "GET" and large and self.mode == "cut":
            body = content[start : len(content) // 2]
            handler.close_connection = True
        self.send(handler, 206 if start else 200, body, headers, promised)

    @staticmethod
    def send(
        handler: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict | None = None,
        length: int | None = None,
    ) -> None:
        """Status, headers and (unless only asked for the headers) the body."""
        handler.send_response(status)
        for name, value in {
            **(headers or {}),
            "Content-Length": len(body) if length is None else length,
        }.items():
            handler.send_header(name, str(value))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)


def commit(branch: str) -> str:
    """The commit that a branch such as refs%2Fconvert%2Fparquet stands for.

    Its files belong under both names.
    """
    return _digest(branch.encode())


def _digest(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
