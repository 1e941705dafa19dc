"""The forms in which models write calls: each is a text that a call begins with, and a reader for what follows it.

A reader takes the text, the place behind the beginning, the tools by name, and whether more text may come. It returns
the calls and the place behind them, or raises `Unfinished` or `NotACall`. A call that names an unknown tool, or whose
arguments are not an object, is `NotACall`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from fireside.models.dialects.reading import (
    NotACall,
    Unfinished,
    check_text,
    read_gemma_mapping,
    read_json,
    read_python_call,
    skip_space,
)
from fireside.models.types import ToolCall, ToolSpec

Tools: TypeAlias = Mapping[str, ToolSpec]
Reading: TypeAlias = tuple[tuple[ToolCall, ...], int]
Reader: TypeAlias = Callable[[str, int, Tools, bool], Reading]

_MISTRAL_NAME = re.compile(r"\s*([^\[{\s]+)\s*(?:\[CALL_ID\]\s*[^\[{\s]*\s*)?(?:\[ARGS\]\s*)?(?=\{)")
_LONGEST_MISTRAL_NAME = 200
_JSON_NAME = re.compile(r'\{\s*"(?:name|function)"\s*:\s*"([^"\\]*)("?)')
_WHITE = re.compile(r"\s")
_JSON_BEGINNINGS = ('{"name":"', '{"function":"', '{"function":{', '{"type":"function",')
_LONGEST_JSON_BEGINNING = 64
_FUNCTION = re.compile(r"<function=([^>\s]+)>(.*?)</function>", re.DOTALL)
_PARAMETER = re.compile(r"\s*<parameter=([^>\s]+)>\n?(.*?)\n?</parameter>\s*", re.DOTALL)


@dataclass(frozen=True)
class Form:
    """One way to write calls. begin: the text it begins with. opens_reply: only where nothing was said before it."""

    begin: str
    read: Reader
    opens_reply: bool = False


def tagged(begin: str, end: str) -> Form:
    """JSON (one call, a list, or several values), or `<function=name>` elements, between two tags."""
    return Form(begin, partial(_read_tagged, end))


def bare_json() -> Form:
    """JSON alone: `{"name": ..., "parameters": {...}}`, several with `;` between them."""
    return Form("{", _read_bare, opens_reply=True)


def fenced(language: str) -> Form:
    """A Markdown code block in which JSON or Python-like calls stand."""
    return Form(f"```{language}\n", partial(_read_fenced, "```"), opens_reply=language != "tool_code")


def python_tag(begin: str) -> Form:
    """Behind Llama's tag: JSON, or `name.call(argument=value)`."""
    return Form(begin, _read_python_tag)


def mistral(begin: str) -> Form:
    """A JSON list, or `name[ARGS]{...}`, with a call's number between them in some versions."""
    return Form(begin, _read_mistral)


def python_like(begin: str, end: str) -> Form:
    """`[name(argument=value), ...]`, or a JSON list, between two markers."""
    return Form(begin, partial(_read_python_like, end))


def gemma(begin: str, end: str, quote: str) -> Form:
    """`call:name{key:value,...}` between two markers, strings between two `quote` markers."""
    return Form(begin, partial(_read_gemma, end, quote))


def _read_tagged(end: str, text: str, at: int, tools: Tools, more: bool) -> Reading:
    at = skip_space(text, at)
    rest = text[at : at + len("<function=")]
    if not rest or (rest != "<function=" and "<function=".startswith(rest)):
        raise Unfinished
    if rest == "<function=":
        return _read_elements(end, text, at, tools, more)
    return _read_values(end, text, at, tools, more)


def _read_values(end: str, text: str, at: int, tools: Tools, more: bool) -> Reading:
    """JSON values until `end`, or until something else follows."""
    calls: list[ToolCall] = []
    while True:
        value, behind = read_json(text, at)
        calls.extend(_calls(value, tools))
        following = skip_space(text, behind)
        if text[following : following + 1] in (";", ","):
            following = skip_space(text, following + 1)
        try:
            return tuple(calls), _past_end(text, following, end, more)
        except NotACall:
            pass
        try:
            next_value, _ = read_json(text, following)
            list(_calls(next_value, tools))
        except NotACall:
            return tuple(calls), behind
        except Unfinished:
            if more:
                raise
            return tuple(calls), behind
        at = following


def _read_elements(end: str, text: str, at: int, tools: Tools, more: bool) -> Reading:
    """Qwen3-Coder's `<function=name><parameter=key>value</parameter>...</function>`, several before `end`."""
    calls: list[ToolCall] = []
    while True:
        match = _FUNCTION.match(text, at)
        if match is None:
            rest = text[at : at + len("<function=")]
            if not calls or rest == "<function=" or (more and rest and "<function=".startswith(rest)):
                raise Unfinished
            break
        name, body = match.groups()
        tool = tools.get(name)
        if tool is None or _PARAMETER.sub("", body).strip():
            raise NotACall
        arguments = {
            key: _typed(value, tool.parameters.get("properties", {}).get(key, {}))
            for key, value in _PARAMETER.findall(body)
        }
        calls.append(ToolCall(name, arguments))
        at = skip_space(text, match.end())
    try:
        return tuple(calls), _past_end(text, at, end, more)
    except NotACall:
        return tuple(calls), at


def _typed(value: str, schema: Any) -> Any:
    """An argument written as text, as the type its schema asks for."""
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if kind == "string" or (isinstance(kind, list) and "string" in kind):
        return value
    try:
        typed = json.loads(value)
        check_text(typed)
    except (ValueError, RecursionError, NotACall):
        return value
    return typed


def _read_bare(text: str, at: int, tools: Tools, more: bool) -> Reading:
    _check_names_tool(text, at - 1, tools)
    return _read_values("", text, at - 1, tools, more)


def _check_names_tool(text: str, at: int, tools: Tools) -> None:
    """Raise NotACall as early as the JSON at `at` cannot be a call of one of `tools`: a reply may be other JSON."""
    head = _WHITE.sub("", text[at : at + _LONGEST_JSON_BEGINNING])
    if any(beginning.startswith(head) for beginning in _JSON_BEGINNINGS):
        return
    match = _JSON_NAME.match(text, at)
    if match is None:
        if head.startswith(_JSON_BEGINNINGS):
            return
        raise NotACall
    name, quote = match.groups()
    if (quote and name not in tools) or not any(tool.startswith(name) for tool in tools):
        raise NotACall


def _read_fenced(end: str, text: str, at: int, tools: Tools, more: bool) -> Reading:
    at = skip_space(text, at)
    if at >= len(text):
        raise Unfinished
    if text[at] == "{":
        _check_names_tool(text, at, tools)
    if text[at] in "{[":
        return _read_values(end, text, at, tools, more)
    calls: list[ToolCall] = []
    while True:
        name, arguments, at = read_python_call(text, at)
        calls.append(_call(name, arguments, tools))
        following = skip_space(text, at)
        try:
            return tuple(calls), _past_end(text, following, end, more)
        except NotACall:
            at = following


def _read_python_tag(text: str, at: int, tools: Tools, more: bool) -> Reading:
    at = skip_space(text, at)
    if text[at : at + 1] in ("{", "["):
        return _read_values("", text, at, tools, more)
    name, arguments, at = read_python_call(text, at)
    return (_call(name.removesuffix(".call") if name not in tools else name, arguments, tools),), at


def _read_mistral(text: str, at: int, tools: Tools, more: bool) -> Reading:
    begin = skip_space(text, at)
    if text[begin : begin + 1] in ("[", "{"):
        return _read_values("", text, begin, tools, more)
    match = _MISTRAL_NAME.match(text, at)
    if match is not None and match.end() - at > _LONGEST_MISTRAL_NAME:
        raise NotACall
    if match is None:
        if "{" in text[at:] or len(text) - at > _LONGEST_MISTRAL_NAME:
            raise NotACall
        raise Unfinished
    arguments, end = read_json(text, match.end())
    return (_call(match.group(1), arguments, tools),), end


def _read_python_like(end: str, text: str, at: int, tools: Tools, more: bool) -> Reading:
    at = skip_space(text, at)
    listed = text[at : at + 1] == "["
    if listed:
        inner = skip_space(text, at + 1)
        if inner >= len(text):
            raise Unfinished
        if text[inner] in "{]":
            return _read_values(end, text, at, tools, more)
        at = inner
    elif text[at : at + 1] == "{":
        return _read_values(end, text, at, tools, more)
    calls: list[ToolCall] = []
    while True:
        name, arguments, at = read_python_call(text, at)
        calls.append(_call(name, arguments, tools))
        following = skip_space(text, at)
        if text[following : following + 1] == ",":
            at = skip_space(text, following + 1)
            continue
        if listed:
            if following >= len(text):
                raise Unfinished
            if text[following] != "]":
                raise NotACall
            following = skip_space(text, following + 1)
        try:
            return tuple(calls), _past_end(text, following, end, more)
        except NotACall:
            return tuple(calls), following


def _read_gemma(end: str, quote: str, text: str, at: int, tools: Tools, more: bool) -> Reading:
    at = skip_space(text, at)
    opening = text.find("{", at)
    head = text[at:] if opening < 0 else text[at:opening]
    if not head.startswith("call:"):
        if opening < 0 and "call:".startswith(head):
            raise Unfinished
        raise NotACall
    name = head.removeprefix("call:").strip()
    if opening < 0:
        if any(tool.startswith(name) for tool in tools):
            raise Unfinished
        raise NotACall
    arguments, behind = read_gemma_mapping(text, opening, quote)
    call = _call(name, arguments, tools)
    following = skip_space(text, behind)
    try:
        return (call,), _past_end(text, following, end, more)
    except NotACall:
        return (call,), behind


def _past_end(text: str, at: int, end: str, more: bool) -> int:
    """The place behind the end marker at `at`, or behind what may be its beginning where no more text comes.

    Raises NotACall where something else stands there: the marker was left out.
    """
    rest = text[at : at + len(end)]
    if not end:
        if at < len(text):
            raise NotACall
        if more:
            raise Unfinished
        return at
    if rest == end:
        return at + len(end)
    if not end.startswith(rest):
        raise NotACall
    if more:
        raise Unfinished
    return at + len(rest)


def _calls(value: Any, tools: Tools) -> Iterator[ToolCall]:
    """The calls that a JSON value stands for: an object, or a list of them; an empty list says that none is needed."""
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, dict):
            raise NotACall
        inner = each.get("function")
        if isinstance(inner, dict):
            each = inner
        name = each.get("name", inner)
        yield _call(name, each.get("arguments", each.get("parameters", {})), tools)


def _call(name: Any, arguments: Any, tools: Tools) -> ToolCall:
    if not isinstance(name, str) or name not in tools or not isinstance(arguments, dict):
        raise NotACall
    check_text(arguments)
    return ToolCall(name, arguments)
