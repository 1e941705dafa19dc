"""Encrypted pages: the name in the URL is the one the certificate is checked against, whatever address is dialled."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
from fetch_world import PUBLIC, SECRET, World, served

from agents.fetch.client import fetch
from fireside.errors import ToolError

x509 = pytest.importorskip("cryptography.x509")


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a new certificate for `name`, and a client's that trusts it."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "chain.pem").write_bytes(
        pem
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "chain.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_the_certificate_is_checked_against_the_name(tmp_path: Path) -> None:
    server, trusting = certificate(tmp_path, "public.example")
    asked: list[str | None] = []
    server.sni_callback = lambda connection, name, context: asked.append(name)
    world = World(tls=trusting)
    world.names["other.example"] = [(PUBLIC,)]
    async with served(world, server):
        fetched = await fetch("https://public.example/", world.network())
        assert fetched.data == SECRET
        assert asked == ["public.example"]
        assert world.dialled == [(PUBLIC, 443)]
        with pytest.raises(ToolError, match=r"'other\.example' cannot be reached"):
            await fetch("https://other.example/", world.network())
        world.tls = ssl.create_default_context()
        with pytest.raises(ToolError, match="cannot be reached"):
            await fetch("https://public.example/", world.network())


async def test_an_encrypted_page_does_not_lead_to_an_unencrypted_one(tmp_path: Path) -> None:
    server, trusting = certificate(tmp_path, "public.example")
    world = World(tls=trusting, redirects={"/a": "http://public.example/b", "/c": "/d"})
    async with served(world, server):
        assert (await fetch("https://public.example/c", world.network())).url == "https://public.example/d"
        world.forget()
        with pytest.raises(ToolError, match="unencrypted"):
            await fetch("https://public.example/a", world.network())
        assert world.dialled == [(PUBLIC, 443)]
