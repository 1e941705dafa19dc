"""What a failure of training means to the person."""

from __future__ import annotations

import errno
from pathlib import Path

from fireside.errors import FiresideError, StorageError, TrainingError


def explained(error: Exception, folder: Path) -> FiresideError:
    """Any failure, in the person's terms. folder: the run's."""
    if isinstance(error, FiresideError):
        return error
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return TrainingError("there is not enough memory", "lower training.batch_size or training.max_length")
    if disk_is_full(error):
        return StorageError("the disk is full: the run could not be saved", f"free some space on the disk of {folder}")
    return TrainingError(f"training stopped unexpectedly: {type(error).__name__}: {error}", f"see the log in {folder}")


def disk_is_full(error: Exception) -> bool:
    """Whether a write failed for want of room. safetensors and torch tell that only in words."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return full or "No space left" in str(error) or "File too large" in str(error)
