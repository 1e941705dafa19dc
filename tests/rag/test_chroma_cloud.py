"""A Chroma server that asks for a token, over TLS and with tenants, as a cloud does: a real one behind a gate."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from chroma_process import chroma_run, free_port

from fireside.errors import StorageError
from rag import ingest
from rag.chroma import TOKEN_VARIABLE, Server
from rag.library import Library

pytestmark = pytest.mark.usefixtures("read_here")

TOKEN = "ck-birch"


class Gate(BaseHTTPRequestHandler):
    """Lets requests with the token through to the server behind it; notes the path of each and the token it had."""

    protocol_version = "HTTP/1.1"
    behind: str
    seen: list[tuple[str, str | None]]

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        token = self.headers.get("x-chroma-token")
        self.seen.append((self.path, token))
        if token == TOKEN:
            connection = http.client.HTTPConnection(self.behind)
            connection.request(self.command, self.path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            status, said = response.status, response.read()
            connection.close()
        else:
            status, said = 401, b"who are you?"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_DELETE = do_PUT = answer

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextlib.contextmanager
def gate(behind: str, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, type[Gate]]]:
    """The address of a gate before the server at `behind`, and its handler."""
    handler = type("Handler", (Gate,), {"behind": urlsplit(behind).netloc, "seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}", handler
        finally:
            server.shutdown()
            thread.join()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a new certificate for 127.0.0.1, and the file to trust it by."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cabin")])
    now = datetime.datetime.now(datetime.UTC)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(host, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder / "trusted.pem", folder / "private.pem"
    trusted.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted


def test_a_library_in_a_cloud(library: Library, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest.add(library, [folder], 200)
    before = library.search("when to drain the pump", 9)
    context, trusted = certificate(tmp_path)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with chroma_run(tmp_path / "server", free_port()) as behind, gate(behind, context) as (address, handler):
        httpx.post(f"{behind}/api/v2/tenants", json={"name": "hut"}).raise_for_status()
        httpx.post(f"{behind}/api/v2/tenants/hut/databases", json={"name": "papers"}).raise_for_status()
        address += "/hut/papers"
        with pytest.raises(StorageError, match=r"certificate of the Chroma server .* is not one") as caught:
            library.use_server(address)
        assert "SSL_CERT_FILE" in (caught.value.hint or "")
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with pytest.raises(StorageError, match="asks for a token") as caught:
            library.use_server(address)
        assert caught.value.hint == f"set {TOKEN_VARIABLE}"
        monkeypatch.setenv(TOKEN_VARIABLE, "wrong")
        with pytest.raises(StorageError, match="refuses the token in CHROMA_API_KEY") as caught:
            library.use_server(address)
        assert "this tenant and database" in (caught.value.hint or "")
        assert library.search("when to drain the pump", 9) == before  # nothing has changed so far
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        handler.seen.clear()
        library.use_server(address)
        assert library.search("when to drain the pump", 9) == before
        assert {token for _, token in handler.seen} == {TOKEN}
        collections = [path for path, _ in handler.seen if "/collections" in path]
        assert collections
        assert all("/tenants/hut/databases/papers/" in path for path in collections)
        library.close()
        monkeypatch.setenv(TOKEN_VARIABLE, "revoked")
        with pytest.raises(StorageError, match="refuses the token"):
            library.search("when to drain the pump", 9)


def test_a_token_is_sent_in_clear_to_this_machine_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "wrong")
    with gate("http://127.0.0.1:9") as (address, handler):
        with pytest.raises(StorageError, match="refuses the token"):
            Server(address, "chunks", tmp_path / "stamp").opened("")
        assert {token for _, token in handler.seen} == {"wrong"}
        handler.seen.clear()
        # Any other name of this machine is taken for another machine.
        with pytest.raises(StorageError, match="sent over https only"):
            Server(address.replace("127.0.0.1", "127.1"), "chunks", tmp_path / "stamp").opened("")
        assert {token for _, token in handler.seen} == {None}


@pytest.mark.parametrize(
    ("proxy", "none", "private"),
    [
        ("", "", True),
        ("http://proxy:3128", "", False),
        ("http://proxy:3128", "localhost,127.0.0.1", True),
    ],
)
def test_a_proxy_would_carry_the_token_off_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str, none: str, private: bool
) -> None:
    for name in ("all_proxy", "ALL_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", none)
    assert Server("http://127.0.0.1:8000", "chunks", tmp_path / "stamp")._is_private == private
    assert Server("https://cloud.example/t/d", "chunks", tmp_path / "stamp")._is_private
