"""Writes a text in the person's own editor ($VISUAL, $EDITOR), with the app out of the way meanwhile."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside.errors import FiresideError
from fireside.text import for_terminal

if TYPE_CHECKING:
    from textual.app import App

_USUAL = ("editor", "nano", "vi")


def edited(app: App[Any], text: str) -> str:
    """The text as the person left it. Raises FiresideError where it could not be edited."""
    from textual.app import SuspendNotSupported

    command = editor_command(os.environ)
    try:
        with app.suspend():
            return in_editor(command, text)
    except SuspendNotSupported as error:
        raise FiresideError("there is no terminal here that an editor could run in", None) from error


def editor_command(environment: Mapping[str, str]) -> list[str]:
    """The editor with its arguments: $VISUAL, else $EDITOR, else one that is usually there.

    Raises FiresideError where there is none, or its line cannot be read.
    """
    line = environment.get("VISUAL") or environment.get("EDITOR")
    if not line:
        usual = next((name for name in _USUAL if shutil.which(name)), None)
        if usual is None:
            raise FiresideError("there is no editor", "name one: export EDITOR=...")
        return [usual]
    try:
        command = shlex.split(line)
    except ValueError as error:
        raise FiresideError(f"the editor's line cannot be read: {error}", "check $VISUAL and $EDITOR") from error
    if not command or shutil.which(command[0]) is None:
        raise FiresideError(f"there is no editor {line.strip()}", "check $VISUAL and $EDITOR")
    return command


def in_editor(command: list[str], text: str) -> str:
    """`text` after `command` has edited it in a file that only this person can read, and that is gone afterwards.

    Raises FiresideError where the editor fails or the file cannot be written or read.
    """
    try:
        # A folder, so that what the editor writes beside the file is private and goes with it.
        with tempfile.TemporaryDirectory(prefix="fireside-") as folder:
            file = Path(folder) / "message.md"
            file.write_text(text, encoding="utf-8", errors="replace")
            status = subprocess.run([*command, str(file)], check=False).returncode
            if status != 0:
                raise FiresideError(f"{command[0]} ended with status {status}", "the text is as it was")
            return for_terminal(file.read_text(encoding="utf-8", errors="replace")).rstrip("\n")
    except OSError as error:
        raise FiresideError(f"the text could not be edited: {error.strerror}", "the text is as it was") from error
