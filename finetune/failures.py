"""What a failure of training, checking or exporting means to the person."""

from __future__ import annotations

import errno

from fireside.errors import FiresideError, StorageError, TrainingError


def explained(error: Exception, what: str, smaller: str, log: str) -> FiresideError:
    """Any failure of `what` ("the run", "the export"), in the person's terms.

    smaller: what takes less memory. log: where to look when nobody knows what happened.
    """
    if isinstance(error, FiresideError):
        return error
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return TrainingError(f"there is not enough memory for {what}", smaller)
    if disk_is_full(error):
        return StorageError(f"the disk is full: {what} could not be saved", "free some space where FIRESIDE_HOME is")
    return TrainingError(f"{what} stopped unexpectedly: {type(error).__name__}: {error}", log)


def disk_is_full(error: Exception) -> bool:
    """Whether a write failed for want of room. safetensors and torch tell that only in words."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return full or "No space left" in str(error) or "File too large" in str(error)
