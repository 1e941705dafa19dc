"""Every location on disk. `FIRESIDE_HOME` moves all of them; otherwise the platform's data folder is used."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fireside.errors import FiresideError, StorageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def home() -> Path:
    """The folder that holds everything Fireside keeps. It is not created here.

    Raises StorageError where FIRESIDE_HOME begins with `~` and there is no such home folder.
    """
    configured = os.environ.get("FIRESIDE_HOME")
    if configured:
        try:
            return expanded(configured).absolute()
        except StorageError as error:
            raise StorageError(f"FIRESIDE_HOME: {error.message}", "set it to an existing folder") from error
    import platformdirs

    return Path(platformdirs.user_data_dir("fireside", appauthor=False))


def conversations_database() -> Path:
    """The SQLite file with every conversation."""
    return home() / "conversations.db"


def approvals_database() -> Path:
    """The SQLite file with what the person decided about tools."""
    return home() / "approvals.db"


def memory_database() -> Path:
    """The SQLite file with the notes that the assistant keeps."""
    return home() / "memory.db"


def trusted_tools_file() -> Path:
    """Which files of tools and skills the person trusts, JSON. It need not exist."""
    return home() / "tools.json"


def traces_database() -> Path:
    """The SQLite file with the runs of turns that used tools: their events, times and approvals."""
    return home() / "traces.db"


def run_locks_folder() -> Path:
    """The locks of those runs that a program is at work on."""
    return home() / "traces.locks"


def library_folder(name: str) -> Path:
    """The folder of one document library: its SQLite file and its Chroma folder."""
    return home() / "libraries" / checked_name(name, "library")


def libraries_folder() -> Path:
    """The folder of all document libraries."""
    return home() / "libraries"


def models_folder() -> Path:
    """Model files the person has added."""
    return home() / "models"


def adapters_folder() -> Path:
    """Adapters, one folder each: PEFT weights, GGUF file, card."""
    return home() / "adapters"


def runs_folder() -> Path:
    """Training runs, one folder each: configuration, metrics, checkpoints, log."""
    return home() / "runs"


def evaluations_folder() -> Path:
    """Results of evaluations, one JSON file each."""
    return home() / "evaluations"


def stories_folder() -> Path:
    """Stories, one SQLite file each."""
    return home() / "stories"


def personas_folder() -> Path:
    """Personas, one TOML file each."""
    return home() / "personas"


def settings_file() -> Path:
    """The person's settings, TOML. It need not exist."""
    return home() / "settings.toml"


def expanded(path: str | Path) -> Path:
    """`path` with `~` or `~NAME` at its beginning replaced by that home folder. Raises StorageError: there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise StorageError(f"there is no home folder for {path}", "write the whole path") from error


def checked_name(name: str, kind: str) -> str:
    """`name` if it is safe as one folder name, else a FiresideError that says what a name may hold."""
    if not _NAME.fullmatch(name):
        raise FiresideError(
            f"{name!r} is not a usable {kind} name",
            "use 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
        )
    return name


def ensure_folder(folder: Path) -> Path:
    """Create `folder` with its parents, all that are new private to the person, and return it.

    Raises StorageError where the disk or the permissions do not allow it.
    """
    try:
        # `mkdir(parents=True)` gives its mode to the last folder alone.
        for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot create the folder {folder}: {error.strerror}",
            "free some space, fix its permissions, or set FIRESIDE_HOME to another folder",
        ) from error
    return folder
