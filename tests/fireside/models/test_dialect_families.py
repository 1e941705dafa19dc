"""Which dialect a template speaks, and what calls in it are held to."""

from __future__ import annotations

from typing import Any

import pytest
from dialect_samples import DIALECTS, NOW, OSLO, OSLO_JSON, TOOLS, WEATHER, parsed

from fireside.errors import ToolError
from fireside.models.constraints import Gbnf, JsonSchema, Lazy, Tagged
from fireside.models.dialects import ReplyParser, call_constraint, dialect_of, opens_thinking
from fireside.models.types import Called, ToolCall


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_families_are_told_by_their_templates(name: str) -> None:
    dialect = DIALECTS[name]
    assert dialect.name == {
        "qwen3": "hermes",
        "qwen3-coder": "hermes",
        "mistral-named": "mistral",
        "lfm2.5": "lfm2",
    }.get(name, name)
    assert dialect.knows_tools == (name not in ("gemma", "smollm", "generic"))
    assert (dialect.thinking is not None) == (name in ("qwen3", "mistral-named", "lfm2.5", "gemma4"))
    # A special token that the engine does not write out would never be seen.
    unseen = [mark for mark in (*dialect.triggers, *(dialect.thinking or ())) if mark not in dialect.markers]
    assert all(mark[0] in "{`" or mark == "<|channel>thought\n" for mark in unseen)


def test_what_else_a_dialect_is_told_by() -> None:
    assert dialect_of(None).name == "generic"
    assert dialect_of("{{ messages }}", ["<|tool_call_start|>", "<s>"]).name == "lfm2"
    assert dialect_of("{# tools: it's not code #}'tools' <tool_call>").knows_tools is False
    assert dialect_of("### Human: {{ x }}").stops == ("### Human:",)
    assert dialect_of("<|im_start|><|im_end|>").stops == ("<|im_end|>",)
    assert dialect_of("<|im_start|><|im_end|>", {"<|im_end|>"}).stops == ()
    assert DIALECTS["functiongemma"].stops == ("<start_function_response>",)


def test_whether_a_prompt_opened_the_thinking() -> None:
    assert opens_thinking("<|im_start|>assistant\n<think>\n", DIALECTS["qwen3"])
    assert opens_thinking("...[THINK]", DIALECTS["mistral-named"])
    assert not opens_thinking("<|im_start|>assistant\n<think>\n\n</think>\n\n", DIALECTS["qwen3"])
    assert not opens_thinking("<|im_start|>assistant\n", DIALECTS["qwen3"])


OSLO_SCHEMA = {
    "type": "object",
    "properties": {"name": {"const": "get_weather"}, "arguments": WEATHER.parameters},
    "required": ["name", "arguments"],
    "additionalProperties": False,
}


def test_calls_in_json_are_held_to_the_tools_schemas() -> None:
    hermes = DIALECTS["hermes"]
    several = Tagged(OSLO_SCHEMA, "<tool_call>", "</tool_call>", 8)
    assert call_constraint(hermes, [WEATHER], "auto") == (Lazy(("<tool_call>\n",), several), "")
    assert call_constraint(hermes, TOOLS, "get_weather") == (JsonSchema(OSLO_SCHEMA), "<tool_call>\n")
    constraint, opening = call_constraint(hermes, TOOLS, "required")
    assert isinstance(constraint, Tagged)
    assert [each["properties"]["name"]["const"] for each in constraint.schema["anyOf"]] == [tool.name for tool in TOOLS]
    assert opening == "<tool_call>\n"
    assert call_constraint(DIALECTS["smollm"], [WEATHER], "required")[0] == JsonSchema(OSLO_SCHEMA)
    assert call_constraint(hermes, TOOLS, "none") == (None, "")
    assert call_constraint(hermes, (), "auto") == (None, "")
    with pytest.raises(ToolError, match="no tool 'get_wether'") as caught:
        call_constraint(hermes, TOOLS, "get_wether")
    assert caught.value.hint == "did you mean get_weather?"


def test_each_family_is_held_in_its_own_notation() -> None:
    constraint, opening = call_constraint(DIALECTS["llama3"], [WEATHER], "required")
    assert isinstance(constraint, JsonSchema)
    assert (list(constraint.schema["properties"]), opening) == (["name", "parameters"], "")
    constraint, opening = call_constraint(DIALECTS["mistral"], [WEATHER], "auto")
    assert isinstance(constraint, Lazy)
    assert constraint.triggers == ("[TOOL_CALLS] ",)
    assert constraint.then == JsonSchema({"type": "array", "items": OSLO_SCHEMA, "minItems": 1, "maxItems": 8})
    constraint, _ = call_constraint(DIALECTS["mistral"], TOOLS, "get_weather")
    assert constraint == JsonSchema({"type": "array", "items": OSLO_SCHEMA, "minItems": 1, "maxItems": 1})
    named = DIALECTS["mistral-named"]
    assert call_constraint(named, TOOLS, "now") == (JsonSchema(NOW.parameters), "[TOOL_CALLS]now[ARGS]")
    constraint, opening = call_constraint(named, TOOLS, "required")
    assert isinstance(constraint, Lazy)
    assert (constraint.triggers, opening) == (("[ARGS]",), "[TOOL_CALLS]")
    assert call_constraint(DIALECTS["functiongemma"], TOOLS, "auto") == (None, "")
    assert call_constraint(DIALECTS["functiongemma"], TOOLS, "now") == (None, "<start_function_call>call:now{")
    assert call_constraint(DIALECTS["qwen3-coder"], TOOLS, "required") == (None, "<tool_call>\n<function=")
    constraint, opening = call_constraint(DIALECTS["lfm2"], TOOLS, "required")
    assert isinstance(constraint, Gbnf)
    assert opening == "<|tool_call_start|>"


@pytest.mark.parametrize("name", sorted(DIALECTS))
@pytest.mark.parametrize("choice", ["required", "get_weather"])
def test_what_a_forced_reply_begins_with_is_read_as_a_call(name: str, choice: str) -> None:
    """The opening, and behind it what the constraint lets through, is a call to the parser."""
    rest = {
        "tagged": OSLO_JSON,
        "elements": "get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>",
        "bare": OSLO_JSON.replace("arguments", "parameters"),
        "list": f"[{OSLO_JSON}]",
        "named": 'get_weather[ARGS]{"city": "Oslo"}',
        "python": '[get_weather(city="Oslo")]',
        "gemma": f"get_weather{{city:{DIALECTS[name].markers[2:3] and DIALECTS[name].markers[2]}Oslo"
        f"{DIALECTS[name].markers[2:3] and DIALECTS[name].markers[2]}}}",
    }[DIALECTS[name].notation]
    _, opening = call_constraint(DIALECTS[name], TOOLS, choice)
    for part in ("get_weather[ARGS]", "get_weather{", "get_weather>\n"):
        if opening.endswith(part):
            rest = rest.removeprefix(part)
    parser = ReplyParser(DIALECTS[name], TOOLS)
    assert parser.push(opening) == []
    assert parser.push(rest) + parser.close() == [OSLO]


def test_python_like_calls_are_held_by_a_grammar() -> None:
    import llguidance
    from llguidance.gbnf_to_lark import gbnf_to_lark

    tokenizer = llguidance.LLTokenizer("byte")
    constraint, _ = call_constraint(DIALECTS["lfm2"], TOOLS, "required")
    assert isinstance(constraint, Gbnf)
    grammar = llguidance.grammar_from("lark", gbnf_to_lark(constraint.grammar))
    assert not accepts(tokenizer, grammar, '[get_weather(days=1, city="x")]')
    assert not accepts(tokenizer, grammar, "[get_weather()]")
    assert not accepts(tokenizer, grammar, '[get_weather(city="x", units="K")]')
    for text, call in [
        ('[get_weather(city="a \\"b\\" é")]', ToolCall("get_weather", {"city": 'a "b" é'})),
        ('[get_weather(city="x", units="F")]', ToolCall("get_weather", {"city": "x", "units": "F"})),
        ("[math.sum(numbers=[1, -2.5])]", ToolCall("math.sum", {"numbers": [1, -2.5]})),
        ("[math.sum()]", ToolCall("math.sum", {})),
        ("[now()]", ToolCall("now", {})),
    ]:
        assert accepts(tokenizer, grammar, text)
        assert parsed(DIALECTS["lfm2"], [f"<|tool_call_start|>{text}"]) == [Called(call)]
    two = '[now(), get_weather(city="Oslo")]'
    assert accepts(tokenizer, grammar, two)
    assert parsed(DIALECTS["lfm2"], [f"<|tool_call_start|>{two}"]) == [Called(ToolCall("now", {})), OSLO]
    one, _ = call_constraint(DIALECTS["lfm2"], TOOLS, "get_weather")
    assert isinstance(one, Gbnf)
    assert not accepts(tokenizer, llguidance.grammar_from("lark", gbnf_to_lark(one.grammar)), two)


def accepts(tokenizer: Any, grammar: str, text: str) -> bool:
    import llguidance

    matcher = llguidance.LLMatcher(tokenizer, grammar)
    assert not matcher.get_error()
    tokens = tokenizer.tokenize_str(text)
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()
