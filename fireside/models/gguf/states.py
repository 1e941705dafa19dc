"""KV states of conversations on disk, so that a conversation goes on without computing its past again.

A state is two files: `ID.kv`, written by llama.cpp, and `ID.json`, which says what it belongs to and holds its sha256.
llama.cpp aborts the process on a damaged file, so nothing is given to it that was not checked. States are a cache:
whatever does not fit or cannot be read is dropped, and the prompt is computed instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside import atomic, paths
from fireside.errors import StorageError
from fireside.prefix import common_prefix

if TYPE_CHECKING:
    from fireside.models.gguf.context import AdapterSet, Context

_FORMAT = 1
_SECONDS_OF_A_SAVE = 600.0  # far more than any takes; a partial file older than that belongs to a process that died
_FORGOTTEN = "forgotten"  # a file that changes whenever everything is forgotten


@dataclass(frozen=True)
class State:
    """A state on disk: its tokens, and how the conversation it holds was computed."""

    path: Path
    tokens: tuple[int, ...]
    adapters: str
    sha256: str


class StateFiles:
    """The states in one folder that belong to one model, loaded in one way."""

    def __init__(self, folder: Path, origin: str, most_bytes: int) -> None:
        """origin: all a state depends on beside tokens and adapters (model hash, llama.cpp build, cache type)."""
        self._folder, self._origin, self._most_bytes = folder, origin, most_bytes
        self._known: dict[Path, State] | None = None
        self._mark = _forgotten_at()

    def forgotten(self) -> bool:
        """Whether all was forgotten since this was last asked: then what is in memory must not be written."""
        before, self._mark = self._mark, _forgotten_at()
        if before != self._mark:
            self._known = None
        return before != self._mark

    def find(self, tokens: list[int], adapters: AdapterSet, *, longer_than: int, whole: bool = False) -> State | None:
        """The state that shares most with the beginning of `tokens`, if that is more than `longer_than` tokens.

        whole: only states all of whose tokens are shared, for models that cannot go back.
        """
        mark = _adapters_mark(adapters)
        shared = {
            state.path: common_prefix(state.tokens, tuple(tokens))
            for state in self._states().values()
            if state.adapters == mark
        }
        if whole:
            shared = {path: count for path, count in shared.items() if count == len(self._states()[path].tokens)}
        best = max(shared, key=lambda path: shared[path], default=None)
        return self._states()[best] if best is not None and shared[best] > longer_than else None

    def intact(self, state: State) -> bool:
        """Whether the file of `state` is what was written; where it is not, the state is dropped."""
        with contextlib.suppress(OSError):
            if _sha256(state.path) == state.sha256:
                return True
        self.drop(state)
        return False

    def touch(self, state: State) -> None:
        """Note that `state` was of use, so that others are deleted before it."""
        with contextlib.suppress(OSError):
            os.utime(state.path)

    def save(self, context: Context, sequence: int, tokens: Sequence[int], adapters: AdapterSet) -> None:
        """Write the state of `sequence`; states it goes on from, and the oldest where space is short, are dropped.

        Nothing is said where that fails (a full disk): the next start is slower, and nothing is lost.
        """
        mark = _adapters_mark(adapters)
        earlier = list(self._states().values())
        name = secrets.token_hex(8)
        path = self._folder / f"{name}.kv"
        partial = self._folder / f"{name}.part"
        try:
            paths.ensure_folder(self._folder)
            if not context.save(sequence, tokens, partial):
                raise OSError("llama.cpp could not write it")
            if partial.stat().st_size > self._most_bytes:
                raise OSError("it alone is larger than all states may be")
            partial.chmod(0o600)
            state = State(path, tuple(tokens), mark, _sha256(partial))
            partial.rename(path)
            atomic.write_text(path.with_suffix(".json"), json.dumps(_sealed(state, self._origin)))
            if _forgotten_at() != self._mark:
                raise OSError("all was forgotten while it was written")
        except (OSError, StorageError):
            for left in (partial, path, path.with_suffix(".json")):
                with contextlib.suppress(OSError):
                    left.unlink(missing_ok=True)
            return
        for other in earlier:
            if other.adapters == mark and state.tokens[: len(other.tokens)] == other.tokens:
                self.drop(other)
        self._states()[path] = state
        self._keep_within()

    def _states(self) -> dict[Path, State]:
        """What lies in the folder and belongs to this model, read once."""
        if self._known is None:
            self._known = {}
            for described in sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []:
                state = _read(described, self._origin)
                if state is not None:
                    self._known[state.path] = state
        return self._known

    def drop(self, state: State) -> None:
        """Delete `state`."""
        for path in (state.path, state.path.with_suffix(".json")):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        self._states().pop(state.path, None)

    def _keep_within(self) -> None:
        """Delete what ended saves left, and the files longest not used, of whatever model, beyond the bounds."""
        for partial in self._folder.glob("*.part"):
            with contextlib.suppress(OSError):
                if time.time() - partial.stat().st_mtime > _SECONDS_OF_A_SAVE:
                    partial.unlink()
        sizes: dict[Path, tuple[int, int]] = {}
        for path in self._folder.glob("*.kv"):
            with contextlib.suppress(OSError):
                sizes[path] = (path.stat().st_mtime_ns, path.stat().st_size)
        total = sum(size for _, size in sizes.values())
        for path in sorted(sizes, key=lambda each: sizes[each]):
            if total <= self._most_bytes:
                return
            total -= sizes[path][1]
            for left in (path, path.with_suffix(".json")):
                with contextlib.suppress(OSError):
                    left.unlink(missing_ok=True)
            self._states().pop(path, None)


def kv_folder() -> Path:
    """Where the states lie."""
    return paths.home() / "kv"


def forget_all() -> None:
    """Delete every state, so that a deleted conversation leaves nothing behind; a later start computes anew."""
    folder = kv_folder()
    # The mark first: a worker that saves at this moment sees it before its next save.
    with contextlib.suppress(StorageError):
        atomic.write_text(folder / _FORGOTTEN, secrets.token_hex(8))
    for path in folder.glob("*"):
        if path.name != _FORGOTTEN:
            with contextlib.suppress(OSError):
                path.unlink()


def _forgotten_at() -> str:
    try:
        return (kv_folder() / _FORGOTTEN).read_text("utf-8")
    except (OSError, ValueError):
        return ""


def _sealed(state: State, origin: str) -> dict[str, Any]:
    """What `ID.json` holds: the description, and the sha256 of the description itself."""
    described = {
        "format": _FORMAT,
        "origin": origin,
        "adapters": state.adapters,
        "tokens": list(state.tokens),
        "sha256": state.sha256,
    }
    return {**described, "seal": _seal(described)}


def _seal(described: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _read(path: Path, origin: str) -> State | None:
    """The state that `path` describes, or None where it is damaged or belongs to something else."""
    try:
        document = json.loads(path.read_text("utf-8"))
        seal = document.pop("seal")
        if seal != _seal(document) or document["format"] != _FORMAT or document["origin"] != origin:
            return None
        tokens = tuple(int(token) for token in document["tokens"])
        return State(path.with_suffix(".kv"), tokens, str(document["adapters"]), str(document["sha256"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _adapters_mark(adapters: AdapterSet) -> str:
    return json.dumps([[str(path), modified, scale] for path, modified, scale in adapters])


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
