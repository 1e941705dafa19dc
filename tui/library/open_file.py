"""Opens a document's file where a passage lies: in the person's editor at its line, or in the system's own viewer."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported

from fireside.errors import FiresideError
from rag.types import Document
from tui.library.passages import line_of

_LINE_FIRST = ("vi", "vim", "nvim", "nano", "emacs", "micro", "kak", "joe", "ne", "mg")  # take `+LINE FILE`
_LINE_BEHIND = ("hx", "subl", "zed")  # take `FILE:LINE`
_PAGES = {"evince": "--page-index={}", "okular": "--page={}", "zathura": "--page={}", "atril": "--page-index={}"}


def open_document(app: App[Any], document: Document, start: int) -> None:
    """Open the file of `document` at the character `start`: text in the editor, the rest where the system shows it.

    Raises FiresideError where the file is gone or nothing opens it.
    """
    path, line = Path(document.path), line_of(document, start)
    if not path.is_file():
        raise FiresideError(f"{path.name} is not there any more", "the library still holds its text")
    if line is None:
        page = next((block.page for block in reversed(document.blocks) if block.start <= start), None)
        start_viewer(viewer_command(path, page))
        return
    command = editor_command(path, line)
    try:
        with app.suspend():
            subprocess.run(command, check=False)
    except SuspendNotSupported:
        raise FiresideError("an editor cannot be opened over this terminal", f"open {path} yourself") from None
    except OSError as error:
        raise FiresideError(f"cannot start {command[0]}: {error.strerror}", "set EDITOR to the one you use") from error


def editor_command(path: Path, line: int | None) -> list[str]:
    """The command of `$VISUAL` or `$EDITOR` (else vi or nano) that opens a text file at a line, 1-based.

    Raises FiresideError where there is no editor.
    """
    given = os.environ.get("VISUAL") or os.environ.get("EDITOR") or shutil.which("nano") or shutil.which("vi") or ""
    try:
        command = shlex.split(given)
    except ValueError:  # a quotation mark that is not closed
        command = []
    if not command or shutil.which(command[0]) is None:
        raise FiresideError("there is no text editor to open the file with", "set EDITOR to the one you use")
    name = Path(command[0]).name
    if line is None:
        return [*command, str(path)]
    if name in ("code", "codium"):
        return [*command, "--goto", f"{path}:{line}"]
    if name in _LINE_BEHIND:
        return [*command, f"{path}:{line}"]
    return [*command, f"+{line}", str(path)] if name in _LINE_FIRST else [*command, str(path)]


def viewer_command(path: Path, page: int | None) -> list[str]:
    """The command that opens a file in another program: a known PDF viewer at a page, else the system's choice.

    Raises FiresideError where there is none.
    """
    if page is not None and path.suffix.lower() == ".pdf":
        for name, option in _PAGES.items():
            if shutil.which(name):
                return [name, option.format(page), str(path)]
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    if shutil.which(opener) is None:
        raise FiresideError(f"there is no program here to show {path.name} with", "open it yourself")
    return [opener, str(path)]


def start_viewer(command: list[str]) -> None:
    """Start a viewer that outlives this program and writes nothing into its terminal. Raises FiresideError."""
    try:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise FiresideError(f"cannot start {command[0]}: {error.strerror}", "open the file yourself") from error
