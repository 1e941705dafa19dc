"""Keeps a library equal to folders while they change, until it is stopped.

What has changed is never taken from the system's word: an event says only that it is time to sync, and a sync compares
everything. So nothing is missed for good where events are lost, folders vanish and come back, or a network's file
system sends none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from fireside.interrupts import interrupts_held
from rag.find import absolute
from rag.ignore import IGNORE_FILES
from rag.ingest import Broken, Progress, Report, Told, sync
from rag.library import Library
from rag.loaders.formats import is_supported

# A batch ends when nothing has changed for a quarter of a second, and after 3 s where there is no such moment.
_QUIET_MS = 250
_LONGEST_BATCH_MS = 3000
_LOOK_MS = 500
# Without any event a sync follows all the same, after a minute or after fifty times what the last one took; where the
# system gives no events, after ten seconds.
_SWEEP_SECONDS = 60.0
_BLIND_SWEEP_SECONDS = 10.0
_SWEEP_SHARE = 50.0

Identity = tuple[int, int] | None
"""Device and number of a file or folder; None where it is not there."""


def watch(
    library: Library,
    given: Sequence[str | Path],
    chunk_tokens: int,
    reported: Callable[[Report], None],
    told: Told | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    overlap: int = 0,
) -> None:
    """Sync these files and folders now and after each batch of changes, until `stop` is set or Ctrl-C comes.

    reported: called after each sync. A file that failed is not read again before it changes; it is in each report.
    One that is written while it is read is read again once it is quiet. A folder that is empty at the start, or that
    went and came back empty, may be a drive that is not mounted: its documents stay until something is in it.
    Raises StorageError as `sync` does.
    """
    roots = [absolute(each) for each in given]
    stop = stop or threading.Event()
    broken: Broken = {}
    filled: dict[Path, Identity] = {}
    while not stop.is_set():
        identities = [_identity(root) for root in roots]
        due = 0.0
        with closing(_batches(roots, stop)) as batches:
            # The first batch comes once the folders are watched: what changes during a sync is in a later one.
            for changed, pause in batches:
                if [_identity(root) for root in roots] != identities:
                    break  # what is watched is the folder that was there: look at the new one
                if not changed and time.monotonic() < due:
                    continue
                began = time.monotonic()
                empty = [root for root in roots if _is_empty(root)]
                absent = [root for root in empty if filled.get(root) != _identity(root)]
                filled.update({root: _identity(root) for root in roots if root not in empty})
                reported(sync(library, given, chunk_tokens, progress, told, broken, absent, overlap))
                due = time.monotonic() + max(pause, _SWEEP_SHARE * (time.monotonic() - began))


def _batches(roots: Sequence[Path], stop: threading.Event) -> Generator[tuple[bool, float], None, None]:
    """Whether something that matters has changed since the last time, and how long a sync may wait if nothing does.

    Something comes about twice a second.
    """
    with interrupts_held():
        import watchfiles

    try:
        for batch in watchfiles.watch(
            *[root for root in roots if root.exists()],
            watch_filter=None,
            debounce=_LONGEST_BATCH_MS,
            step=_QUIET_MS,
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
            stop_event=stop,
            ignore_permission_denied=True,
        ):
            yield any(_matters(roots, Path(path)) for _, path in batch), _SWEEP_SECONDS
    except OSError:
        # More folders than the system watches for one person, or one that went between two looks.
        while not stop.wait(_LOOK_MS / 1000):
            yield False, _BLIND_SWEEP_SECONDS


def _matters(roots: Sequence[Path], path: Path) -> bool:
    """Whether a change of `path` can change what is indexed."""
    for root in roots:
        with suppress(ValueError):
            names = path.relative_to(root).parts
            if any(name.startswith(".") for name in names[:-1]):
                return False
            if not names or names[-1] in IGNORE_FILES:
                return True
            # Of what is gone nobody knows whether it was a folder.
            return not names[-1].startswith(".") and (is_supported(path) or path.is_dir() or not path.exists())
    return False


def _is_empty(path: Path) -> bool:
    try:
        return path.is_dir() and next(path.iterdir(), None) is None
    except OSError:
        return False


def _identity(path: Path) -> Identity:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
