"""Reads one value from text that may break off anywhere: JSON, and the literals of Python-like and Gemma's calls.

Every function takes a text and a place in it, and returns what it read and the place behind it. It raises `Unfinished`
where more text could complete the value, and `NotACall` where none can.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

_DEEPEST = 32
# "-Infinity" is the longest JSON token that the decoder reports at its beginning; the others are reported at the end.
_LONGEST_JSON_TOKEN = 9
_NUMBER = re.compile(r"[-+]?(?:\d{1,18}|(?:\d{1,18}\.\d*|\.?\d{1,18})(?:[eE][-+]?\d{1,3})?)\Z")
_WORDS: dict[str, Any] = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "b": "\b", "f": "\f", "\n": ""}
_HEXADECIMAL = {"x": 2, "u": 4, "U": 8}
_NAME = re.compile(r"[A-Za-z_][\w.\-]*")
_BARE_WORD = re.compile(r"[^\s,()\[\]{}:='\"]+")
_SPACE = re.compile(r"\s*")


class Unfinished(Exception):
    """The text breaks off in the middle of what may become a call."""


class NotACall(Exception):
    """The text is not a call, whatever follows."""


def skip_space(text: str, at: int) -> int:
    """The place of the next character that is no white space."""
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def read_json(text: str, at: int) -> tuple[Any, int]:
    """A JSON object or array (RFC 8259); line breaks inside strings, which small models write, are let through."""
    if at >= len(text):
        raise Unfinished
    if text[at] not in "{[":
        raise NotACall
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Unterminated") or error.pos >= len(text) - _LONGEST_JSON_TOKEN:
            raise Unfinished from None
        raise NotACall from None
    except (ValueError, RecursionError):  # NaN, an absurdly long number, absurdly deep nesting
        raise NotACall from None
    check_text(value)
    return value, end


def check_text(value: Any) -> None:
    """Raise NotACall where `value` cannot be written as UTF-8 (JSON may escape half a surrogate pair)."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        raise NotACall from None


def read_python_call(text: str, at: int) -> tuple[str, dict[str, Any], int]:
    """`name(argument=value, ...)`: the name, the arguments, and the place behind it."""
    match = _NAME.match(text, at)
    if match is None:
        raise Unfinished if at >= len(text) else NotACall
    name, at = match.group(), match.end()
    if _peek(text, at) != "(":
        raise NotACall
    arguments: dict[str, Any] = {}
    at = skip_space(text, at + 1)
    while _peek(text, at) != ")":
        key = _NAME.match(text, at)
        if key is None:
            raise NotACall
        at = skip_space(text, key.end())
        if _peek(text, at) != "=":
            raise NotACall
        arguments[key.group()], at = _python_value(text, skip_space(text, at + 1), 0)
        at = _separated(text, at, ")")
    return name, arguments, at + 1


def _python_value(text: str, at: int, depth: int) -> tuple[Any, int]:
    """A Python literal; JSON's words are known too. Tuples become lists."""
    if depth > _DEEPEST:
        raise NotACall
    first = _peek(text, at)
    if first in "'\"":
        return _python_string(text, at)
    if first in "[(":
        closing = "]" if first == "[" else ")"
        values: list[Any] = []
        at = skip_space(text, at + 1)
        while _peek(text, at) != closing:
            value, at = _python_value(text, at, depth + 1)
            values.append(value)
            at = _separated(text, at, closing)
        return values, at + 1
    if first == "{":
        mapping: dict[str, Any] = {}
        at = skip_space(text, at + 1)
        while _peek(text, at) != "}":
            if _peek(text, at) not in "'\"":
                raise NotACall
            key, at = _python_string(text, at)
            at = skip_space(text, at)
            if _peek(text, at) != ":":
                raise NotACall
            mapping[key], at = _python_value(text, skip_space(text, at + 1), depth + 1)
            at = _separated(text, at, "}")
        return mapping, at + 1
    match = _BARE_WORD.match(text, at)
    if match is None:
        raise NotACall
    _peek(text, match.end())
    return _word(match.group()), match.end()


def _python_string(text: str, at: int) -> tuple[str, int]:
    """A quoted string. A quote that nothing of the call follows belongs to the text: `'it's'`, as LFM2 writes it."""
    quote, at = text[at], at + 1
    parts: list[str] = []
    while True:
        character = _peek(text, at)
        if character == "\\":
            part, at = _escape(text, at)
            parts.append(part)
            continue
        if character == quote and _peek(text, skip_space(text, at + 1)) in ",)]}:":
            return "".join(parts), at + 1
        parts.append(character)
        at += 1


def _escape(text: str, at: int) -> tuple[str, int]:
    """An escape sequence of a Python string; one that Python does not know stands for itself."""
    kind = _peek(text, at + 1)
    digits = _HEXADECIMAL.get(kind, 0)
    if not digits:
        return _ESCAPES.get(kind, "\\" + kind), at + 2
    number = text[at + 2 : at + 2 + digits]
    if re.fullmatch("[0-9a-fA-F]*", number) is None:
        return "\\" + kind, at + 2
    if len(number) < digits:
        _peek(text, at + 2 + digits)
    code = int(number, 16)
    if code > 0x10FFFF:
        raise NotACall
    return chr(code), at + 2 + digits


def read_gemma_mapping(text: str, at: int, quote: str, depth: int = 0) -> tuple[dict[str, Any], int]:
    """`{key:value,...}` as Gemma's calls have it: strings between two `quote` markers, keys and the rest bare."""
    if depth > _DEEPEST:
        raise NotACall
    if _peek(text, at) != "{":
        raise NotACall
    mapping: dict[str, Any] = {}
    at = skip_space(text, at + 1)
    while _peek(text, at) != "}":
        if text.startswith(quote, at):
            key, at = _between(text, at, quote)
        else:
            match = re.compile(r"[^:,{}\[\]]+").match(text, at)
            if match is None:
                raise NotACall
            key, at = match.group().strip(), match.end()
        at = skip_space(text, at)
        if _peek(text, at) != ":":
            raise NotACall
        mapping[key], at = _gemma_value(text, skip_space(text, at + 1), quote, depth + 1)
        at = _separated(text, at, "}")
    return mapping, at + 1


def _gemma_value(text: str, at: int, quote: str, depth: int) -> tuple[Any, int]:
    if depth > _DEEPEST:
        raise NotACall
    if text.startswith(quote, at):
        return _between(text, at, quote)
    first = _peek(text, at)
    if first == "{":
        return read_gemma_mapping(text, at, quote, depth + 1)
    if first == "[":
        values: list[Any] = []
        at = skip_space(text, at + 1)
        while _peek(text, at) != "]":
            value, at = _gemma_value(text, at, quote, depth + 1)
            values.append(value)
            at = _separated(text, at, "]")
        return values, at + 1
    match = re.compile(r"[^,{}\[\]]+").match(text, at)
    if match is None:
        raise NotACall
    _peek(text, match.end())
    word = match.group().strip()
    try:
        return _word(word), match.end()
    except NotACall:
        if quote in word:
            raise
        return word, match.end()


def _between(text: str, at: int, quote: str) -> tuple[str, int]:
    """The text between two quote markers."""
    begin = at + len(quote)
    end = text.find(quote, begin)
    if end < 0:
        raise Unfinished
    return text[begin:end], end + len(quote)


def _separated(text: str, at: int, closing: str) -> int:
    """The place of what comes behind a comma, or of `closing`."""
    at = skip_space(text, at)
    character = _peek(text, at)
    if character == ",":
        return skip_space(text, at + 1)
    if character != closing:
        raise NotACall
    return at


def _word(word: str) -> Any:
    """A number, truth value or null written without quotes."""
    if word in _WORDS:
        return _WORDS[word]
    if _NUMBER.match(word) is None:
        raise NotACall
    try:
        return int(word)
    except ValueError:
        return float(word)


def _peek(text: str, at: int) -> str:
    if at >= len(text):
        raise Unfinished
    return text[at]


def _refuse(_: str) -> NoReturn:
    raise ValueError


_DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse)
