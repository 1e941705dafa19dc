"""The sha256 of model files, computed once: kept by path, size, time of change and inode.

Hashing reads the whole file (half a minute for 30 GB), and every load wants the digest: adapters and saved KV states
are bound to it.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from fireside import atomic, paths
from fireside.errors import ModelError, StorageError
from fireside.models.bundled import sha256_of
from fireside.models.gguf_header import parts

_SETTLED_S = 2.0  # a file changed later than this before it was hashed could change again within one tick of its clock


def digests_file() -> Path:
    """Where the digests are kept. It is a cache: without it they are computed again."""
    return paths.models_folder() / ".sha256.json"


def known_sha256(path: Path) -> str:
    """The sha256 of the model file `path`, as hexadecimal digits; from the last time, if the file is the same since.

    Of a model in several files, the sha256 of their digests, a line each. Raises ModelError if it cannot be read.
    """
    digests = [file_sha256(part) for part in parts(path)]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def remember_sha256(path: Path, sha256: str) -> None:
    """Keep a digest that was computed elsewhere, of a file that nothing writes to any more."""
    _keep(path.absolute(), _stamp(path), sha256)


def file_sha256(path: Path) -> str:
    """Like `known_sha256`, of this one file. Raises ModelError if it cannot be read."""
    path = path.absolute()
    try:
        before = _stamp(path)
        entry = _read().get(str(path))
        if isinstance(entry, dict) and entry.get("stamp") == before and isinstance(entry.get("sha256"), str):
            return str(entry["sha256"])
        began = time.time()
        digest = sha256_of(path)
        if _stamp(path) == before and began - before[1] / 1e9 > _SETTLED_S:
            _keep(path, before, digest)
        return digest
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from error


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _read() -> dict[str, Any]:
    try:
        document = json.loads(digests_file().read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _keep(path: Path, stamp: list[int], sha256: str) -> None:
    entries = {name: entry for name, entry in _read().items() if Path(name).exists()}
    entries[str(path)] = {"stamp": stamp, "sha256": sha256}
    try:
        atomic.write_text(digests_file(), json.dumps(entries, indent=1))
    except StorageError:
        return  # The next load computes it again.
