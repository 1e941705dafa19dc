"""Which dialect a model speaks: how it writes calls and thinking, read off its chat template."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeAlias

from fireside.models.dialects.forms import (
    Form,
    bare_json,
    fenced,
    gemma,
    mistral,
    python_like,
    python_tag,
    tagged,
)

TAGS = "<tool_call>", "</tool_call>"
CALL_BEGIN, CALL_END = f"{TAGS[0]}\n", f"\n{TAGS[1]}"
"""The generic form: JSON with `name` and `arguments` between these two."""

Notation: TypeAlias = Literal["tagged", "elements", "bare", "list", "named", "python", "gemma"]


@dataclass(frozen=True)
class Dialect:
    """How a family of models writes, beside its text.

    forms: the ways in which it writes calls; the first is its own. notation: what stands behind `opening`, for
        `call_constraint`: "tagged" JSON with name and arguments; "elements" `<function=name>` with a `<parameter=key>`
        for each argument; "bare" JSON with name and parameters; "list" a JSON list of calls; "named" `name[ARGS]{...}`;
        "python" `[name(argument=value)]`; "gemma" `call:name{...}`.
    opening: the text that a call begins with, up to where its notation begins.
    thinking: what opens and what closes its thinking, or None.
    markers: texts of special tokens that the engine must write out as text, or the parser cannot see them.
    stops: texts that end a reply although they are no token that ends a turn.
    knows_tools, knows_calls, knows_results: whether the template itself writes tools, calls and results, in a form
        that this dialect reads.
    """

    name: str
    forms: tuple[Form, ...]
    notation: Notation
    opening: str
    thinking: tuple[str, str] | None = None
    markers: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    knows_tools: bool = False
    knows_calls: bool = False
    knows_results: bool = False

    @property
    def triggers(self) -> tuple[str, ...]:
        """The texts at which a call begins."""
        return tuple(form.begin for form in self.forms)


_TAG = tagged(*TAGS)

# Sources: the chat templates that the families publish with their models, and the parsers of llama.cpp
# (common/chat.cpp) and Ollama (model/parsers), which agree on what the models write.
_HERMES = Dialect("hermes", (_TAG,), "tagged", CALL_BEGIN, markers=TAGS)
_LLAMA_3 = Dialect(
    "llama3", (python_tag("<|python_tag|>"), bare_json()), "bare", "<|python_tag|>", markers=("<|python_tag|>",)
)
_MISTRAL = Dialect("mistral", (mistral("[TOOL_CALLS]"),), "list", "[TOOL_CALLS]", markers=("[TOOL_CALLS]",))
_MISTRAL_NAMED = replace(_MISTRAL, notation="named", markers=("[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"))
_LFM2 = Dialect(
    "lfm2",
    (python_like("<|tool_call_start|>", "<|tool_call_end|>"),),
    "python",
    "<|tool_call_start|>",
    markers=("<|tool_call_start|>", "<|tool_call_end|>"),
)
_FUNCTION_GEMMA = Dialect(
    "functiongemma",
    (gemma("<start_function_call>", "<end_function_call>", "<escape>"),),
    "gemma",
    "<start_function_call>",
    markers=("<start_function_call>", "<end_function_call>", "<escape>", "<start_function_response>"),
    # It asks for the result itself, with a token that not every model file lists among those that end a turn.
    stops=("<start_function_response>",),
)
_GEMMA_4 = Dialect(
    "gemma4",
    (gemma("<|tool_call>", "<tool_call|>", '<|"|>'),),
    "gemma",
    "<|tool_call>",
    thinking=("<|channel>thought\n", "<channel|>"),
    markers=("<|tool_call>", "<tool_call|>", '<|"|>', "<|channel>", "<channel|>", "<|tool_response>"),
    stops=("<|tool_response>",),
)
# Gemma 1 to 3 were not given one form; they write what the prompt shows, a block of Python, or plain JSON.
_GEMMA = Dialect("gemma", (_TAG, fenced("tool_code"), fenced("json"), bare_json()), "tagged", CALL_BEGIN, markers=TAGS)
_GENERIC = Dialect("generic", (_TAG, fenced("json"), bare_json()), "tagged", CALL_BEGIN, markers=TAGS)
# SmolLM2 writes a list between the tags; small as it is, it also leaves the tags out.
_SMOLLM = replace(_GENERIC, name="smollm")

_THINKING = ("<think>", "</think>"), ("[THINK]", "[/THINK]")
_JINJA = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_TOOLS_VARIABLE = re.compile(r"\b(?:xml_)?tools\b")
_TOOL_ROLE = re.compile(r"['\"](?:tool|ipython)['\"]")


def dialect_of(template: str | None, special_tokens: Collection[str] = ()) -> Dialect:
    """The dialect of a model with this chat template (jinja source, None for none) and these special tokens."""
    return _dialect_of(template or "", frozenset(special_tokens) & {_LFM2.opening, "<|im_end|>"})


@lru_cache(maxsize=16)
def _dialect_of(template: str, special_tokens: frozenset[str]) -> Dialect:
    dialect = _family(template, special_tokens)
    thinking = dialect.thinking or next((pair for pair in _THINKING if any(mark in template for mark in pair)), None)
    code = _JINJA.findall(template)
    # A template that knows tools in a form not read here is shown the generic form instead, which is.
    knows_tools = dialect.name not in ("generic", "gemma") and any(
        _TOOLS_VARIABLE.search(_LITERAL.sub("", part)) for part in code
    )
    knows_calls = knows_tools and "tool_calls" in template
    return replace(
        dialect,
        thinking=thinking,
        markers=dialect.markers + (thinking if thinking is not None and dialect.name != "gemma4" else ()),
        stops=dialect.stops + _written_ends(template, special_tokens),
        knows_tools=knows_tools,
        knows_calls=knows_calls,
        knows_results=knows_calls or (knows_tools and any(_TOOL_ROLE.search(part) for part in code)),
    )


def _family(template: str, special_tokens: frozenset[str]) -> Dialect:
    """The family whose own texts the template holds."""
    if "<start_function_call>" in template:
        return _FUNCTION_GEMMA
    if "<|tool_call>" in template:
        return _GEMMA_4
    if _LFM2.opening in template or "<|tool_list_start|>" in template or _LFM2.opening in special_tokens:
        return _LFM2
    if "[TOOL_CALLS]" in template:
        if "[ARGS]" in template:
            return _MISTRAL_NAMED
        spaced = "[TOOL_CALLS] [" in template
        return replace(_MISTRAL, opening="[TOOL_CALLS] ") if spaced else _MISTRAL
    if "<|python_tag|>" in template or ("<|start_header_id|>" in template and "ipython" in template):
        return _LLAMA_3
    if "SmolLM" in template:
        return _SMOLLM
    if "<tool_call>" in template and "<arg_key>" not in template:
        return replace(_HERMES, notation="elements") if "<function=" in template else _HERMES
    return _GEMMA if "<start_of_turn>" in template else _GENERIC


def _written_ends(template: str, special_tokens: frozenset[str]) -> tuple[str, ...]:
    """What ends a turn as plain text: the template's marks that are no tokens of this model (a base model)."""
    if "### Human:" in template:
        return ("### Human:",)
    if "<|im_end|>" in template and "<|im_end|>" not in special_tokens:
        return ("<|im_end|>",)
    return ()
