"""Who works on a kept run: a lock that the system lets go when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fireside import paths
from fireside.errors import FiresideError, StorageError


@contextmanager
def owned(run: int) -> Iterator[None]:
    """Work on `run` as the only one, as long as the context lasts.

    Raises FiresideError where somebody works on it already, in this program or another; StorageError where the lock
    cannot be made.
    """
    path = paths.ensure_folder(paths.run_locks_folder()) / str(run)
    try:
        descriptor = _locked(path)
    except BlockingIOError:
        raise FiresideError(
            f"run {run} is under way: a program is at work on it, or goes on from it",
            "wait until it has ended, or end it there",
        ) from None
    except OSError as error:
        raise StorageError(f"cannot lock {path}: {error.strerror}", "check the folder's permissions") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path) -> int:
    """A descriptor of the file at `path`, locked. Raises OSError, BlockingIOError where another one is."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its holder may have removed it since it was opened: a lock on what is no longer there holds nobody off.
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
