"""A loopback server that answers the hub library as the hub does, from a `Store`."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from saebook.hub.rehearsal.store import Store, StoredFile

TOKEN = "hf_rehearsal"
"""The token that has access to the stand-ins of gated repositories."""

_API = re.compile(
    r"/api/(?P<kind>model|dataset)s/(?P<repo>[\w.-]+/[\w.-]+)"
    r"(?:/(?P<what>revision|tree|paths-info)/(?P<commit>[^/]+)(?:/(?P<path>.*))?)?"
)
_FILE = re.compile(
    r"(?P<kind>/datasets)?/(?P<repo>[\w.-]+/[\w.-]+)/resolve/(?P<commit>[^/]+)/(?P<path>.+)"
)


class Refusal(Exception):
    """An answer other than the one asked for."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message or code)
        self.status, self.code, self.message = status, code, message or code


@contextmanager
def served(store: Store) -> Iterator[str]:
    """Serve a store on a free loopback port for the time of the block; gives its address."""

    class Handler(_Handler):
        held = store

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    held: Store
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path = unquote(urlsplit(self.path).path)
        try:
            if match := _API.fullmatch(path):
                self._send_json(self._api(match, body))
            elif match := _FILE.fullmatch(path):
                self._send_file(match)
            else:
                raise Refusal(404, message="no such address")
        except Refusal as refusal:
            self._refuse(refusal)

    def _api(self, match: re.Match[str], body: bytes) -> Any:
        kind, repo, what = match["kind"], match["repo"], match["what"]
        commit, files = self._open(kind, repo, match["commit"] or "main", listing=True)
        if what == "tree":
            return [_listed(f) for f in files if f.name.startswith(match["path"] or "")]
        if what == "paths-info":
            wanted = _wanted_paths(body, self.headers.get("Content-Type", ""))
            return [_listed(f) for f in files if f.name in wanted]
        head = self.held.head(repo, kind) or {}
        return {
            "id": repo,
            "sha": commit,
            "private": False,
            "gated": "manual" if head["gated"] else False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "siblings": [_sibling(f) for f in files],
        }

    def _open(
        self, kind: str, repo: str, revision: str, listing: bool = False
    ) -> tuple[str, list[StoredFile]]:
        """Commit and files, once access is settled; a gated repository still shows its listing."""
        head = self.held.head(repo, kind)
        if head is None:
            raise Refusal(404, "RepoNotFound", "Repository not found")
        if head["gated"] and not listing:
            self._must_have_access(repo)
        commit = head["commit"] if revision == "main" else revision
        files = self.held.files(repo, commit, kind)
        if files is None:
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit, files

    def _must_have_access(self, repo: str) -> None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if given != TOKEN:
            status = 403 if given else 401
            raise Refusal(status, "GatedRepo", f"Access to {repo} is restricted.")

    def _send_file(self, match: re.Match[str]) -> None:
        kind = "dataset" if match["kind"] else "model"
        commit, files = self._open(kind, match["repo"], match["commit"])
        found = [f for f in files if f.name == match["path"]]
        if not found:
            raise Refusal(404, "EntryNotFound", "Entry not found")
        file = found[0]
        data = file.path.read_bytes()
        etag = file.sha256 if file.is_large else file.blob
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if file.is_large:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(file.size)}
        status, data, more = _ranged(data, self.headers.get("Range"))
        self._send(status, data, "application/octet-stream", {**headers, **more})

    def _send_json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), "application/json", {})

    def _refuse(self, refusal: Refusal) -> None:
        headers = {"X-Error-Code": refusal.code, "X-Error-Message": refusal.message}
        body = json.dumps({"error": refusal.message}).encode()
        headers = {name: value for name, value in headers.items() if value}
        self._send(refusal.status, body, "application/json", headers)

    def _send(self, status: int, data: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _listed(file: StoredFile) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "file", "path": file.name, "size": file.size, "oid": file.blob}
    if file.is_large:
        told["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 134}
    return told


def _sibling(file: StoredFile) -> dict[str, Any]:
    told: dict[str, Any] = {"rfilename": file.name, "size": file.size, "blobId": file.blob}
    if file.is_large:
        told["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": 134}
    return told


def _wanted_paths(body: bytes, kind: str) -> list[str]:
    if "json" in kind:
        return list(json.loads(body)["paths"])
    return parse_qs(body.decode()).get("paths", [])


def _ranged(data: bytes, asked: str | None) -> tuple[int, bytes, dict[str, str]]:
    """The bytes asked for: all, or one range."""
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "")
    if match is None:
        return 200, data, {}
    start, end = int(match[1]), int(match[2] or len(data) - 1)
    if start >= len(data):
        return 416, b"", {"Content-Range": f"bytes */{len(data)}"}
    part = data[start : end + 1]
    return 206, part, {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(data)}"}
