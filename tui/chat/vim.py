"""Vim's normal and visual mode as pure functions: keys become a command, and a command changes a text with a cursor.

A place is an index into the text. The motions and operators are vim's own (`:help motion.txt`, `:help change.txt`) for
one buffer without folds, marks and named registers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Mode = Literal["insert", "normal", "visual"]
_MOTIONS = ("h", "j", "k", "l", "w", "b", "e", "0", "$", "gg", "G")
_OPERATORS = ("d", "c", "y")
_ACTS = ("i", "a", "I", "A", "o", "O", "x", "D", "C", "p", "P", "u", "ctrl+r", "v")
_VISUAL_ACTS = ("d", "x", "c", "y", "v", "escape")
_LINEWISE = ("j", "k", "gg", "G")
_MOST = 9999
_SYNONYMS = {
    "left": "h", "down": "j", "up": "k", "right": "l", "space": "l", "backspace": "h", "home": "0", "end": "$",
    "delete": "x",
}  # fmt: skip
_WORD = re.compile(r"\w+|[^\w\s]+")


@dataclass(frozen=True)
class Command:
    """One whole command. operator: d, c, y or empty; act: a motion, an act, or the operator's own letter for lines.
    count: how often, or None where none was given."""

    act: str
    operator: str = ""
    count: int | None = None


@dataclass(frozen=True)
class Buffer:
    """A text being edited. anchor: where the visual selection began. kept: what the last d, c or y took, and whether
    those were whole lines."""

    text: str
    cursor: int = 0
    mode: Mode = "insert"
    anchor: int = 0
    kept: str = ""
    kept_lines: bool = False


def parse(keys: Sequence[str], mode: Mode) -> Command | Literal["unfinished"] | None:
    """The command that `keys` are, `unfinished` where more may follow, None where they mean nothing."""
    rest = [_SYNONYMS.get(key, key) for key in keys]
    count, rest = _count(rest)
    operator = ""
    if mode == "normal" and rest and rest[0] in _OPERATORS:
        operator, rest = rest[0], rest[1:]
        second, rest = _count(rest)
        if second is not None:
            count = min((count or 1) * second, _MOST)
    if not rest or rest == ["g"]:
        return "unfinished"
    act = "gg" if rest == ["g", "g"] else rest[0] if len(rest) == 1 else ""
    acts = _VISUAL_ACTS if mode == "visual" else () if operator else _ACTS
    if act in _MOTIONS or act in acts or (operator and act == operator):
        return Command(act, operator, count)
    return None


def _count(keys: list[str]) -> tuple[int | None, list[str]]:
    """A number at the beginning, and the keys behind it. A lone 0 is a motion."""
    digits = 0
    while digits < len(keys) and keys[digits] in tuple("0123456789") and not (digits == 0 and keys[0] == "0"):
        digits += 1
    return (min(int("".join(keys[:digits][:6])), _MOST) if digits else None), keys[digits:]


def do(buffer: Buffer, command: Command) -> Buffer:
    """The buffer after `command`. Undo and redo (`u`, `ctrl+r`) are the text area's: they change nothing here."""
    if buffer.mode == "visual":
        return _visual(buffer, command)
    if command.operator:
        return _operate(buffer, command)
    if command.act in _MOTIONS:
        return settled(replace(buffer, cursor=_moved(buffer.text, buffer.cursor, command)))
    return _act(buffer, command)


def settled(buffer: Buffer) -> Buffer:
    """The buffer with its cursor where its mode allows one: in normal mode on a character, not behind the last."""
    cursor = max(0, min(buffer.cursor, len(buffer.text)))
    if buffer.mode != "insert":
        start, end = _line(buffer.text, cursor)
        cursor = max(start, min(cursor, end - 1))
    return replace(buffer, cursor=cursor)


def to_normal(buffer: Buffer) -> Buffer:
    """Leave insert or visual mode; from insert the cursor steps back, as vim's does."""
    start, _ = _line(buffer.text, buffer.cursor)
    back = 1 if buffer.mode == "insert" and buffer.cursor > start else 0
    return settled(replace(buffer, mode="normal", cursor=buffer.cursor - back))


def selected(buffer: Buffer) -> tuple[int, int]:
    """What a visual selection covers: from its first character to behind its last."""
    first, last = sorted((buffer.anchor, buffer.cursor))
    return first, min(last + 1, len(buffer.text))


def _act(buffer: Buffer, command: Command) -> Buffer:
    text, at, count = buffer.text, buffer.cursor, command.count or 1
    start, end = _line(text, at)
    match command.act:
        case "i":
            return replace(buffer, mode="insert")
        case "a":
            return replace(buffer, mode="insert", cursor=min(at + 1, end))
        case "I":
            return replace(buffer, mode="insert", cursor=start + len(text[start:end]) - len(text[start:end].lstrip()))
        case "A":
            return replace(buffer, mode="insert", cursor=end)
        case "o":
            return replace(buffer, text=f"{text[:end]}\n{text[end:]}", mode="insert", cursor=end + 1)
        case "O":
            return replace(buffer, text=f"{text[:start]}\n{text[start:]}", mode="insert", cursor=start)
        case "x":
            return _take(buffer, at, min(at + count, end), "d")
        case "D" | "C":
            return _take(buffer, at, end, command.act.lower())
        case "p" | "P":
            return _put(buffer, count, after=command.act == "p")
        case "v":
            return settled(replace(buffer, mode="visual", anchor=at))
        case _:
            return buffer


def _visual(buffer: Buffer, command: Command) -> Buffer:
    if command.act in _MOTIONS:
        return settled(replace(buffer, cursor=_moved(buffer.text, buffer.cursor, command)))
    if command.act in ("v", "escape"):
        return to_normal(buffer)
    return _take(buffer, *selected(buffer), "d" if command.act == "x" else command.act)


def _operate(buffer: Buffer, command: Command) -> Buffer:
    text, at = buffer.text, buffer.cursor
    if command.act == command.operator:
        # `dd`: this line and as many below it as the count says.
        return _take_lines(buffer, at, _vertical(text, at, (command.count or 1) - 1), command.operator)
    if command.act == "w" and command.operator == "c" and at < len(text) and not text[at].isspace():
        # `cw` on a word leaves the space behind it (`:help cw`).
        end = at - 1
        for _ in range(min(command.count or 1, len(text))):
            end = _word_end(text, end)
        return _take(buffer, at, min(end + 1, len(text)), "c")
    to = _moved(text, at, command)
    if command.act in _LINEWISE:
        return _take_lines(buffer, min(at, to), max(at, to), command.operator)
    first, last = sorted((at, to))
    if command.act in ("e", "$", "l"):
        last = min(_behind(text, at, command, last), len(text))
    elif command.act == "w" and "\n" in text[first:last]:
        # `dw` on a line's last word does not join lines (`:help word`).
        last = first + len(text[first : text.rindex("\n", first, last)].rstrip("\n"))
    return _take(buffer, first, last, command.operator)


def _behind(text: str, at: int, command: Command, last: int) -> int:
    """The end of what an operator takes with a motion that includes the character it stops on."""
    if command.act == "l":
        return min(at + (command.count or 1), _line(text, at)[1])
    if command.act == "$":
        return _line(text, last)[1]
    return last + 1


def _take(buffer: Buffer, first: int, last: int, operator: str) -> Buffer:
    """Keep what stands from `first` to `last`, and for d and c cut it out."""
    kept = buffer.text[first:last]
    mode: Mode = "insert" if operator == "c" else "normal"
    text = buffer.text if operator == "y" else buffer.text[:first] + buffer.text[last:]
    return settled(Buffer(text, first, mode, 0, kept or buffer.kept, buffer.kept_lines if not kept else False))


def _take_lines(buffer: Buffer, first: int, last: int, operator: str) -> Buffer:
    """As `_take`, of whole lines; c leaves an empty one."""
    text = buffer.text
    start, end = _line(text, first)[0], _line(text, last)[1]
    kept = text[start:end]
    if operator == "y":
        return settled(Buffer(text, min(buffer.cursor, first), "normal", 0, kept, True))
    if operator == "c":
        return Buffer(text[:start] + text[end:], start, "insert", 0, kept, True)
    if end < len(text):
        text, cursor = text[:start] + text[end + 1 :], start
    else:
        # The last lines take the break before them along.
        text = text[: max(start - 1, 0)]
        cursor = _line(text, len(text))[0]
    return settled(Buffer(text, cursor, "normal", 0, kept, True))


def _put(buffer: Buffer, count: int, after: bool) -> Buffer:
    """Insert what was kept, behind the cursor or before it; whole lines below or above its line."""
    text, at = buffer.text, buffer.cursor
    if not buffer.kept and not buffer.kept_lines:
        return buffer
    start, end = _line(text, at)
    if buffer.kept_lines:
        lines = "\n".join([buffer.kept] * count)
        if after:
            return settled(replace(buffer, text=f"{text[:end]}\n{lines}{text[end:]}", cursor=end + 1))
        return settled(replace(buffer, text=f"{text[:start]}{lines}\n{text[start:]}", cursor=start))
    put = buffer.kept * count
    place = min(at + 1, end) if after else at
    return settled(replace(buffer, text=text[:place] + put + text[place:], cursor=place + len(put) - 1))


def _moved(text: str, at: int, command: Command) -> int:
    """Where a motion leads from `at`."""
    count = command.count or 1
    start, end = _line(text, at)
    match command.act:
        case "h":
            return max(start, at - count)
        case "l":
            return max(start, min(at + count, end - 1))
        case "j" | "k":
            return _vertical(text, at, count if command.act == "j" else -count)
        case "0":
            return start
        case "$":
            to = _vertical(text, at, count - 1)
            return max(_line(text, to)[0], _line(text, to)[1] - 1)
        case "gg" | "G":
            lines = text.split("\n")
            line = min(command.count or (1 if command.act == "gg" else len(lines)), len(lines)) - 1
            return sum(len(each) + 1 for each in lines[:line])
    for _ in range(min(count, len(text) + 1)):
        at = {"w": _word_start, "b": _word_back, "e": _word_end}[command.act](text, at)
    return at


def _vertical(text: str, at: int, step: int) -> int:
    """The place `step` lines below (or above) `at`, in the same column or at the line's end."""
    lines = text.split("\n")
    row = text.count("\n", 0, at)
    column = at - _line(text, at)[0]
    target = max(0, min(row + step, len(lines) - 1))
    return sum(len(line) + 1 for line in lines[:target]) + min(column, max(len(lines[target]) - 1, 0))


def _line(text: str, at: int) -> tuple[int, int]:
    """Where the line of `at` begins and ends; the end is its line break, or the text's end."""
    end = text.find("\n", at)
    return text.rfind("\n", 0, at) + 1, end if end >= 0 else len(text)


def _word_start(text: str, at: int) -> int:
    """The beginning of the next word; behind the text where there is none."""
    return next((word.start() for word in _WORD.finditer(text) if word.start() > at), len(text))


def _word_back(text: str, at: int) -> int:
    """The beginning of the word at or before `at`."""
    return max((word.start() for word in _WORD.finditer(text, 0, at) if word.start() < at), default=0)


def _word_end(text: str, at: int) -> int:
    """The last character of the next word that ends behind `at`; the text's where there is none."""
    return next((word.end() - 1 for word in _WORD.finditer(text) if word.end() - 1 > at), max(len(text) - 1, 0))
