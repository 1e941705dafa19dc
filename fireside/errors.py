"""The one exception tree: what failed, what it means, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FiresideError(Exception):
    """A failure the person can understand and act on.

    `message` says what failed and what it means, in one line; `hint`, where there is one, says what to do.
    Commands print them as `error: ...` and `hint: ...`; screens show them in one notice.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """The hint for a name that does not exist: the known one that is most like it, or `otherwise` where none is."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}?" if close else otherwise


class SettingsError(FiresideError):
    """A settings or configuration file cannot be read, or holds a wrong key or value."""


class ModelError(FiresideError):
    """A model cannot be found, loaded or run."""


class PromptTooLong(ModelError):
    """A prompt does not fit the model's context."""


class WorkerDied(ModelError):
    """The model's process ended by itself (a fatal error in the engine, or the system took its memory)."""


class AdapterError(FiresideError):
    """An adapter is missing, damaged, or made for another base model."""


class DocumentError(FiresideError):
    """A document cannot be read, or a library cannot be opened."""


class ToolError(FiresideError):
    """A tool refused its arguments or failed; the message is shown to the model as the tool's result."""


class TrainingError(FiresideError):
    """Training data, a training run or an export is not usable."""


class StorageError(FiresideError):
    """Something could not be saved (disk full, no permission, a damaged database)."""
