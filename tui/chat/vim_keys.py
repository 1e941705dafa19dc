"""Types into a text area by vim's keys: holds the mode, and carries out on the text area what `vim` says."""

from __future__ import annotations

from dataclasses import replace

from textual.widgets import TextArea
from textual.widgets.text_area import Selection

from tui.chat.vim import Buffer, do, parse, selected, settled, to_normal

_MODES = {"insert": "INSERT  Escape: commands", "normal": "NORMAL  i: write  Enter: send", "visual": "VISUAL"}


class Typing:
    """One text area's vim: its mode, the keys of a command not yet whole, and what was cut last."""

    def __init__(self) -> None:
        self._held = Buffer("")
        self._keys: list[str] = []

    @property
    def words(self) -> str:
        """The mode, and the keys waiting for more, for the person."""
        return f"{_MODES[self._held.mode]}  {''.join(self._keys)}".rstrip()

    @property
    def mode(self) -> str:
        """insert, normal or visual."""
        return self._held.mode

    def took(self, area: TextArea, key: str, character: str | None) -> bool:
        """Whether `key` meant something to vim; it is then carried out. In insert mode only Escape does."""
        if self._held.mode == "insert":
            if key != "escape":
                return False
            self._show(area, to_normal(self._read(area)))
            return True
        if key == "escape" and (self._keys or self._held.mode == "visual"):
            self._keys = []
            self._show(area, to_normal(self._read(area)))
            return True
        # Letters come as they are typed, so that `$` is not `dollar_sign`; other keys by name.
        named = character if character is not None and character.isprintable() and character != " " else key
        if named in ("escape", "tab", "enter") or (named.startswith("ctrl+") and named != "ctrl+r"):
            return False
        self._keys.append(named)
        command = parse(self._keys, self._held.mode)
        if command == "unfinished":
            return True
        self._keys = []
        if command is None:
            # What means nothing must not be written into the text either.
            return character is not None
        if command.act in ("u", "ctrl+r"):
            for _ in range(command.count or 1):
                area.undo() if command.act == "u" else area.redo()
            self._show(area, settled(self._read(area)))
        else:
            self._show(area, do(self._read(area), command))
        return True

    def _read(self, area: TextArea) -> Buffer:
        """The buffer as the text area has it; a click or a paste may have moved or changed it."""
        text = area.text
        cursor = _index(text, area.cursor_location)
        if self._held.mode == "visual":
            cursor = self._held.cursor if text == self._held.text else cursor
        return replace(self._held, text=text, cursor=cursor)

    def _show(self, area: TextArea, after: Buffer) -> None:
        """Change the text area as little as possible, so that its own undo takes back just this."""
        before = area.text
        if after.text != before:
            same = _same_beginning(before, after.text)
            tail = _same_beginning(before[same:][::-1], after.text[same:][::-1])
            start, end = _location(before, same), _location(before, len(before) - tail)
            area.replace(after.text[same : len(after.text) - tail], start, end, maintain_selection_offset=False)
        self._held = after
        if after.mode == "visual":
            first, last = selected(after)
            ends = (first, last) if after.cursor >= after.anchor else (last, first)
            area.selection = Selection(*(_location(after.text, each) for each in ends))
        else:
            area.move_cursor(_location(after.text, after.cursor))


def _index(text: str, location: tuple[int, int]) -> int:
    """The place in `text` of a text area's row and column."""
    row, column = location
    return sum(len(line) + 1 for line in text.split("\n")[:row]) + column


def _location(text: str, index: int) -> tuple[int, int]:
    """The row and column of a place in `text`."""
    before = text[:index]
    return before.count("\n"), index - (before.rfind("\n") + 1)


def _same_beginning(one: str, other: str) -> int:
    """How many characters two texts share at their beginnings."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))
