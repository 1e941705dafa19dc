"""Where Chroma keeps the vectors of a library: a folder in this process, or a server reached over HTTP."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from fireside.errors import StorageError
from fireside.interrupts import interrupts_held

TOKEN_VARIABLE = "CHROMA_API_KEY"
"""The environment variable with the token that a server asks for; it is sent over https, or to this machine, only."""

_SERVER_SECONDS = 60.0
_IMPORTING = threading.Lock()


@dataclass(frozen=True)
class Opened:
    """Chroma's system, the collection in it, and whether that holds what was written when it got its fingerprint."""

    system: Any
    collection: Any
    intact: bool

    def close(self) -> None:
        """Let go of it. What broke while it was open may fail to close, too, and then stays as it is."""
        with contextlib.suppress(Exception):
            _stop(self.system, self.collection._client)


@dataclass(frozen=True)
class Folder:
    """A folder that belongs to one library alone. collection: the name of its collection."""

    path: Path
    collection: str

    @property
    def stamp_file(self) -> Path:
        """The file that says what the folder holds (`rag/vectors.py`)."""
        return self.path / "stamp"

    @property
    def beforehand(self) -> Folder:
        """The folder beside it where the collection of the library's next encoder is filled before it serves."""
        return Folder(self.path.with_name(f"{self.path.name}.next"), self.collection)

    def take_beforehand(self) -> bool:
        """Put the folder filled beforehand in the place of this one, if it is finished and of this collection; whether
        that was done. Nobody may have this one open."""
        filled = self.beforehand
        try:
            stamp = filled.stamp_file.read_text("ascii")
            if filled.fingerprint(None) not in stamp:
                return False
            self.clear()
            filled.path.rename(self.path)
        except (OSError, UnicodeDecodeError):  # there is none, or another is made in its place
            return False
        return True

    def opened(self, fingerprint: str) -> Opened:
        """Open the folder, made anew where its files are not those of this fingerprint: they are not even read, for
        Chroma reads a damaged HNSW file without a check, which may end the whole process."""
        # A large library's files are read while Chroma is imported: half a second on a slow machine.
        with ThreadPoolExecutor(1) as thread:
            present = thread.submit(self.fingerprint, None)
            _import_chroma()
        intact = bool(fingerprint) and fingerprint == present.result()
        if not intact:
            self.clear()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        system, server = _system(is_persistent=True, persist_directory=str(self.path))
        return Opened(system, _collection(server, self.collection, {}), intact)

    def fingerprint(self, collection: Any) -> str:
        """A checksum of the HNSW files, which Chroma writes only while it adds or deletes, and the collection's name.

        Below some 1,000 vectors it keeps them in its SQLite file alone: HNSW files without `index_metadata.pickle`
        beside them are made anew, with whatever was in the memory, each time the folder is opened, and never read.
        """
        digest = 0
        made = [file.parent for file in self.path.glob("*/index_metadata.pickle")]
        for file in sorted(file for folder in made for file in folder.iterdir()):
            digest = zlib.crc32(str(file.relative_to(self.path)).encode(), digest)
            with file.open("rb") as stream:
                while piece := stream.read(1 << 20):
                    digest = zlib.crc32(piece, digest)
        return f"{digest:08x}-{self.collection}"

    def clear(self) -> None:
        """Throw all of it away."""
        shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True)
class Server:
    """A collection on a Chroma server, `http://HOST:PORT`, or `https://HOST/TENANT/DATABASE` in a cloud.

    The server's certificate is checked, against SSL_CERT_FILE where that is set. stamp_file: as in `Folder`, here
    beside the record.
    """

    address: str
    collection: str
    stamp_file: Path

    def opened(self, fingerprint: str) -> Opened:
        """Connect, and make the collection if it is not there. Raises StorageError where no server answers, or where it
        refuses the token."""
        parts = urlsplit(self.address)
        token = os.environ.get(TOKEN_VARIABLE) if self._is_private else None
        place = dict(zip(("tenant", "database"), filter(None, parts.path.split("/")), strict=False))
        try:
            system, server = _system(
                chroma_api_impl="chromadb.api.fastapi.FastAPI",
                chroma_server_host=parts.hostname,
                chroma_server_http_port=parts.port or (443 if parts.scheme == "https" else 8000),
                chroma_server_ssl_enabled=parts.scheme == "https",
                chroma_server_headers={"x-chroma-token": token} if token else None,
            )
            server._session.timeout = _SERVER_SECONDS  # Chroma's client waits for ever
            server._session.event_hooks["response"].append(self._refuse_without_token)
            try:
                collection = _collection(server, self.collection, place)
            except BaseException:
                _stop(system, server)
                raise
        except StorageError:
            raise
        except Exception as error:  # httpx's and Chroma's own classes
            raise self.failed(error) from error
        return Opened(system, collection, fingerprint == self.fingerprint(collection))

    @property
    def _is_private(self) -> bool:
        """Whether nobody on the way can read what is sent."""
        parts = urlsplit(self.address)
        if parts.scheme == "https":
            return True
        # A proxy would take what is meant for this machine through another one.
        proxied = bool(getproxies().keys() & {"http", "all"}) and not proxy_bypass(parts.hostname or "")
        return parts.hostname in ("localhost", "127.0.0.1", "::1") and not proxied

    def _refuse_without_token(self, response: Any) -> None:
        """Raises StorageError where this answer says that the server wants another token, or one at all."""
        if response.status_code not in (401, 403):
            return
        if not os.environ.get(TOKEN_VARIABLE):
            said, hint = "asks for a token", f"set {TOKEN_VARIABLE}"
        elif not self._is_private:
            said, hint = "asks for a token, which is sent over https only", "give the address with https://"
        else:
            said = f"refuses the token in {TOKEN_VARIABLE}"
            hint = "check the token, and that it is for this tenant and database (https://HOST/TENANT/DATABASE)"
        raise StorageError(f"the Chroma server {self.address} that holds this library's vectors {said}", hint)

    def fingerprint(self, collection: Any) -> str:
        """The id the server gave the collection when it was made."""
        return str(collection.id)

    def clear(self) -> None:
        """Throw the collection away."""
        opened = self.opened("")
        model = opened.collection._model
        try:
            opened.collection._client.delete_collection(model.name, tenant=model.tenant, database=model.database)
        except StorageError:
            raise
        except Exception as error:  # see `opened`
            raise self.failed(error) from error
        finally:
            opened.close()

    def failed(self, error: Exception) -> StorageError:
        """What it means that the server answered with this error, or not at all."""
        said = str(error).splitlines()
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return StorageError(
                f"the certificate of the Chroma server {self.address} is not one that this machine trusts",
                "check the address, or name the file with your own authority's certificate in SSL_CERT_FILE",
            )
        return StorageError(
            f"the Chroma server {self.address} that holds this library's vectors does not work: "
            f"{said[0] if said else type(error).__name__}",
            "start it (chroma run --path FOLDER --port PORT), or give the library another one",
        )


def checked_address(address: str) -> str:
    """The address of a server, checked for its form. Raises StorageError."""
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        good = False
    if good and "@" in parts.netloc:  # the address is kept and shown: nothing secret may be in it
        raise StorageError(
            f"what holds a name or a password is not the address of a Chroma server: {parts.hostname}",
            f"leave it out; a token belongs in {TOKEN_VARIABLE}",
        )
    if not good or parts.query or parts.fragment:
        raise StorageError(
            f"{address!r} is not the address of a Chroma server",
            f"write it as http://HOST:PORT or https://HOST/TENANT/DATABASE; a token belongs in {TOKEN_VARIABLE}",
        )
    return address.rstrip("/")


def _system(**settings: Any) -> tuple[Any, Any]:
    """Chroma's system with these settings and its API, telemetry off.

    `chromadb.PersistentClient` would share one system a path in the whole process, which does not see what another
    process has written since and which one user can stop under another. Here each index has its own.
    """
    _import_chroma()
    from chromadb.api import ServerAPI
    from chromadb.config import Settings, System

    system = System(
        Settings(_env_file=None, anonymized_telemetry=False, chroma_otel_collection_endpoint="", **settings)
    )
    server = system.instance(ServerAPI)
    system.start()
    return system, server


def _import_chroma() -> None:
    with _dotenv_files_ignored(), interrupts_held():
        importlib.import_module("chromadb.api.models.Collection")


def _stop(system: Any, server: Any) -> None:
    system.stop()
    if session := getattr(server, "_session", None):  # Chroma's client leaves its connections open
        session.close()


def _collection(server: Any, name: str, place: dict[str, str]) -> Any:
    """The collection of this name in cosine space, made if it is not there.

    Without an embedding function Chroma can neither download nor run a model; `Collection.configuration` is never
    read, since it would build whatever function a server names.
    """
    from chromadb.api.models.Collection import Collection

    model = server.get_or_create_collection(name, configuration={"hnsw": {"space": "cosine"}}, **place)
    return Collection(client=server, model=model, embedding_function=None)


@contextlib.contextmanager
def _dotenv_files_ignored() -> Iterator[None]:
    """Chroma's import reads a file `.env` in the current folder, which is none of ours: one that came with somebody's
    documents could name another implementation or an address to report to."""
    from pydantic_settings import sources

    source: Any = sources.DotEnvSettingsSource
    with _IMPORTING:  # two threads that put back what they found could put back the other's
        read = source._read_env_files
        source._read_env_files = lambda self: {}
        try:
            yield
        finally:
            source._read_env_files = read
