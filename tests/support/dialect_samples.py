"""Dialects told by the least of their templates, tools, calls in each notation, and how a reply is parsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from fireside.models.dialects import Dialect, ReplyParser, dialect_of
from fireside.models.types import Called, Delta, Thinking, ToolCall, ToolSpec

WEATHER = ToolSpec(
    "get_weather",
    "Tells the weather.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "units": {"enum": ["C", "F"]}},
        "required": ["city"],
    },
)
SUM = ToolSpec(
    "math.sum", "Adds.", {"type": "object", "properties": {"numbers": {"type": "array", "items": {"type": "number"}}}}
)
NOW = ToolSpec("now", "Tells the time.", {"type": "object", "properties": {}})
TOOLS = (WEATHER, SUM, NOW)

# The least of each family's template that it is told by.
TEMPLATES = {
    "hermes": "{% if tools %}<tool_call>{% endif %}{{ messages.tool_calls }}",
    "qwen3": "{% if tools %}<tool_call></think>{% endif %}",
    "qwen3-coder": "{% if tools %}<tool_call>\n<function=name>{% endif %}",
    "llama3": "{% if tools %}<|start_header_id|>ipython{% endif %}",
    "mistral": "{% if tools %}{{ '[TOOL_CALLS] [' }}{% endif %}",
    "mistral-named": "{% if tools %}[TOOL_CALLS]name[ARGS]{}[THINK]{% endif %}",
    "lfm2": "{% if tools %}<|tool_list_start|>{% endif %}",
    "lfm2.5": "{% if tools %}<|tool_call_start|><think>{% endif %}",
    "functiongemma": "{% if tools %}<start_function_call>{% endif %}",
    "gemma4": "{% if tools %}<|tool_call>{% endif %}",
    "gemma": "<start_of_turn>",
    "smollm": "You are SmolLM",
    "generic": "",
}
DIALECTS = {name: dialect_of(template) for name, template in TEMPLATES.items()}
OSLO = Called(ToolCall("get_weather", {"city": "Oslo"}))
OSLO_2 = Called(ToolCall("get_weather", {"city": "Oslo", "days": 2}))
SUMMED = Called(ToolCall("math.sum", {"numbers": [1, 2.5, -3]}))
CLOCK = Called(ToolCall("now", {}))

OSLO_JSON = '{"name": "get_weather", "arguments": {"city": "Oslo"}}'
TAGGED = f"<tool_call>\n{OSLO_JSON}\n</tool_call>"
LFM2_OSLO = '<|tool_call_start|>[get_weather(city="Oslo")]<|tool_call_end|>'
GEMMA_OSLO = "<start_function_call>call:get_weather{city:<escape>Oslo<escape>}<end_function_call>"

Events: TypeAlias = list[Delta | Thinking | Called]


def parsed(
    dialect: Dialect, pieces: Sequence[str], tools: Sequence[ToolSpec] = TOOLS, *, thinking: bool = False
) -> Events:
    """The events of a reply in pieces, neighbouring texts joined."""
    parser = ReplyParser(dialect, tools, thinking=thinking)
    joined: Events = []
    for event in [each for piece in pieces for each in parser.push(piece)] + parser.close():
        last = joined[-1] if joined else None
        if isinstance(event, Delta) and isinstance(last, Delta):
            joined[-1] = Delta(last.text + event.text)
        elif isinstance(event, Thinking) and isinstance(last, Thinking):
            joined[-1] = Thinking(last.text + event.text)
        else:
            joined.append(event)
    return joined
