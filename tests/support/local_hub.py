"""A Hugging Face hub on this machine, as badly behaved as a test wants it."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import gguf
import numpy as np

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class LocalHub:
    """The hub's content and manners.

    files: of the repository `org/model`, by path; those of more than 1,000 bytes are "large files" with a sha256.
    cuts: the next responses with a file end after so many bytes. wrong: paths whose sha256 is told wrong.
    statuses: the next requests for a file are answered with these. cdn: address that files are redirected to.
    page: entries of a listing's page. log: (path with query, headers) of every request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    wrong: set[str] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)
    token: str = ""
    cdn: str = ""
    page: int = 1000
    etag: str = ""
    ranges: bool = True
    address: str = ""
    log: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def asked(self, text: str) -> list[dict[str, str]]:
        """The headers of all requests whose path holds `text`."""
        return [headers for path, headers in self.log if text in path]

    def entry(self, path: str) -> dict[str, object]:
        """A file as the listing shows it."""
        data = self.files[path]
        found: dict[str, object] = {"type": "file", "path": path, "size": len(data)}
        found["oid"] = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
        if len(data) > 1000:
            digest = "0" * 64 if path in self.wrong else hashlib.sha256(data).hexdigest()
            found["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 134}
        return found


@contextmanager
def serving(hub: LocalHub) -> Iterator[LocalHub]:
    """Serve `hub` while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            hub.log.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
            parts = urlsplit(self.path)
            if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                self.plain(401)
            elif parts.path == "/api/models/org/model/tree/main":
                self.listing(parse_qs(parts.query))
            elif match := re.fullmatch(r"/org/model/resolve/([^/]+)/(.+)|/blob/()(.+)", parts.path):
                self.file(unquote(match[2] or match[4]), redirect=match[4] is None)
            else:
                self.plain(404)

        def plain(self, status: int, **headers: str) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": "0", **headers}.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()

        def listing(self, query: dict[str, list[str]]) -> None:
            start = int(query.get("cursor", ["0"])[0])
            entries: list[dict[str, object]] = [{"type": "directory", "path": "folder", "size": 0, "oid": "0"}]
            entries += [hub.entry(path) for path in hub.files]
            body = json.dumps(entries[start : start + hub.page]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Repo-Commit", COMMIT)
            if start + hub.page < len(entries):
                following = f"https://hub.invalid/api/models/org/model/tree/main?cursor={start + hub.page}"
                self.send_header("Link", f'<{following}>; rel="next"')
            self.end_headers()
            self.wfile.write(body)

        def file(self, path: str, *, redirect: bool) -> None:
            data = hub.files.get(path)
            if hub.statuses and (status := hub.statuses.pop(0)):
                self.plain(status)
            elif data is None:
                self.plain(404)
            elif hub.cdn and redirect:
                self.plain(302, Location=f"{hub.cdn}/blob/{path}")
            else:
                self.content(data)

        def content(self, data: bytes) -> None:
            etag = f'"{hub.etag or hashlib.md5(data).hexdigest()}"'
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            same = self.headers.get("If-Range", etag) == etag
            start = int(asked[1]) if asked and same and hub.ranges else 0
            if start >= len(data) > 0:
                self.plain(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            self.send_header("ETag", etag)
            self.end_headers()
            cut = hub.cuts.pop(0) if hub.cuts else len(data)
            self.wfile.write(data[start : start + cut])
            if start + cut < len(data):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def small_gguf(folder: Path, *, rows: int = 512, seed: int = 0) -> bytes:
    """A GGUF file of a model that is none: a header like a model's, and `rows` times 1,024 bytes of noise."""
    path = folder / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("model")
    writer.add_block_count(1)
    writer.add_context_length(2048)
    writer.add_embedding_length(256)
    writer.add_feed_forward_length(512)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_file_type(0)
    writer.add_tensor("token_embd.weight", np.random.default_rng(seed).standard_normal((rows, 256), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()
