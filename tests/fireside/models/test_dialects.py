from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from dialect_samples import (
    CLOCK,
    DIALECTS,
    GEMMA_OSLO,
    LFM2_OSLO,
    OSLO,
    OSLO_2,
    OSLO_JSON,
    SUMMED,
    TAGGED,
    TOOLS,
    Events,
    parsed,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.models.dialects import Dialect, ReplyParser, python_call
from fireside.models.types import Called, Delta, Thinking, ToolCall

# Dialect, whether the prompt opened the thinking, the reply, and what it says; None where that is the reply itself.
TRANSCRIPTS: list[tuple[str, bool, str, Events | None]] = [
    # Hermes and Qwen
    (
        "hermes",
        False,
        "Plain < text, a <b>tag</b> and <tool_cal.",
        [Delta("Plain < text, a <b>tag</b> and <tool_cal.")],
    ),
    ("hermes", False, f"Let me look.\n{TAGGED}", [Delta("Let me look.\n"), OSLO]),
    ("hermes", False, f"{TAGGED}\n{TAGGED}\nDone.", [OSLO, OSLO, Delta("Done.")]),
    ("hermes", False, f"<tool_call>{OSLO_JSON}", [OSLO]),
    ("hermes", False, f"<tool_call>{OSLO_JSON}</tool_", [OSLO]),
    ("hermes", False, f"<tool_call>\n{OSLO_JSON}\n{OSLO_JSON}\n</tool_call>", [OSLO, OSLO]),
    ("hermes", False, f"<tool_call>{OSLO_JSON} and so on", [OSLO, Delta("and so on")]),
    (
        "hermes",
        False,
        '<tool_call>{"name": "get_weather", "arguments": {"city": "</tool_call> \\u00e9\\n\\"}{"}}</tool_call>',
        [Called(ToolCall("get_weather", {"city": '</tool_call> é\n"}{'}))],
    ),
    (
        "hermes",
        False,
        '<tool_call>{"type": "function", "function": {"name": "now", "arguments": {}}}</tool_call>',
        [CLOCK],
    ),
    (
        "qwen3",
        False,
        f"<think>\nHm, <b>.\n</think>\n\nWell.\n{TAGGED}",
        [Thinking("Hm, <b>.\n"), Delta("Well.\n"), OSLO],
    ),
    ("qwen3", True, f"\nHm.\n</think>\n\n{TAGGED}", [Thinking("Hm.\n"), OSLO]),
    ("qwen3", True, "Hm, I never", [Thinking("Hm, I never")]),
    ("qwen3", True, f"I call it. {TAGGED}Yes", [Thinking("I call it. "), OSLO, Delta("Yes")]),
    ("qwen3", False, "<think>\n\n</think>\n\nHello", [Delta("Hello")]),
    ("qwen3", False, "Write <think> to think.", [Delta("Write <think> to think.")]),
    ("hermes", True, "Hm.</think>Hello", [Thinking("Hm."), Delta("Hello")]),
    # Qwen3-Coder
    (
        "qwen3-coder",
        False,
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n</parameter>\n"
        "</function>\n</tool_call>",
        [OSLO_2],
    ),
    (
        "qwen3-coder",
        False,
        "<tool_call>\n<function=now>\n</function>\n<function=get_weather>\n<parameter=city>\n2\n</parameter>\n</function>",
        [CLOCK, Called(ToolCall("get_weather", {"city": "2"}))],
    ),
    (
        "qwen3-coder",
        False,
        "<tool_call><function=now>so</function></tool_call>",
        [Delta("<tool_call><function=now>so</function></tool_call>")],
    ),
    # Llama 3
    ("llama3", False, '{"name": "get_weather", "parameters": {"city": "Oslo", "days": 2}}', [OSLO_2]),
    (
        "llama3",
        False,
        '\n{ "name" : "now", "parameters": {}}; {"name": "now", "parameters": {}}',
        [Delta("\n"), CLOCK, CLOCK],
    ),
    ("llama3", False, '{"type": "function", "name": "now", "parameters": {}}', [CLOCK]),
    ("llama3", False, '<|python_tag|>{"name": "now", "parameters": {}}', [CLOCK]),
    ("llama3", False, 'Sure. <|python_tag|>get_weather.call(city="Oslo")', [Delta("Sure. "), OSLO]),
    ("llama3", False, "<|python_tag|>import math", [Delta("<|python_tag|>import math")]),
    ("llama3", False, '{"name": "Bob", "age": 3}', [Delta('{"name": "Bob", "age": 3}')]),
    ("llama3", False, '{"a": {"name": "now"}} {', [Delta('{"a": {"name": "now"}} {')]),
    ("llama3", False, 'So: {"name": "now", "parameters": {}}', [Delta('So: {"name": "now", "parameters": {}}')]),
    # Mistral
    (
        "mistral",
        False,
        '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Oslo"}, "id": "abcdefghi"}]',
        [OSLO],
    ),
    ("mistral", False, f"Yes.[TOOL_CALLS][{OSLO_JSON}, {OSLO_JSON}]", [Delta("Yes."), OSLO, OSLO]),
    ("mistral", False, "A [TOOL] and [TOOL_CALLS] none", [Delta("A [TOOL] and [TOOL_CALLS] none")]),
    ("mistral-named", False, '[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo"}', [OSLO]),
    (
        "mistral-named",
        False,
        '[TOOL_CALLS]get_weather[CALL_ID]123456789[ARGS]{"city": "Oslo"}[TOOL_CALLS]now[ARGS]{}',
        [OSLO, CLOCK],
    ),
    ("mistral-named", False, "[THINK]Hm [x][/THINK]Hello", [Thinking("Hm [x]"), Delta("Hello")]),
    # LFM2
    ("lfm2", False, LFM2_OSLO, [OSLO]),
    ("lfm2", False, f"Looking. {LFM2_OSLO} Wait.", [Delta("Looking. "), OSLO, Delta("Wait.")]),
    (
        "lfm2",
        False,
        "<|tool_call_start|>[get_weather(city='Oslo', days=2), math.sum(numbers=[1, 2.5, -3]), now()]<|tool_call_end|>",
        [OSLO_2, SUMMED, CLOCK],
    ),
    ("lfm2", False, "<|tool_call_start|>now()", [CLOCK]),
    ("lfm2", False, f"<|tool_call_start|>[{OSLO_JSON}]<|tool_call_end|>", [OSLO]),
    (
        "lfm2",
        False,
        "<|tool_call_start|>[get_weather(city='it\\'s, \\u00e9', units={'a': (True, None), \"b\": 'it's'})]",
        [Called(ToolCall("get_weather", {"city": "it's, é", "units": {"a": [True, None], "b": "it's"}}))],
    ),
    ("lfm2", False, "<|tool_call_start|>[now(]", [Delta("<|tool_call_start|>[now(]")]),
    ("lfm2.5", False, f"<think>Hm</think>{LFM2_OSLO}", [Thinking("Hm"), OSLO]),
    # Gemma
    ("functiongemma", False, GEMMA_OSLO, [OSLO]),
    ("functiongemma", False, f"{GEMMA_OSLO}{GEMMA_OSLO}", [OSLO, OSLO]),
    (
        "functiongemma",
        False,
        '<start_function_call>call:get_weather{city:<escape>a, {b}: "c"<escape>,days:2,units:[<escape>C<escape>,'
        "{on:true,word:bare word}]}<end_function_call>",
        [
            Called(
                ToolCall(
                    "get_weather",
                    {"city": 'a, {b}: "c"', "days": 2, "units": ["C", {"on": True, "word": "bare word"}]},
                )
            )
        ],
    ),
    ("functiongemma", False, "<start_function_call>call:now{}", [CLOCK]),
    ("functiongemma", False, "<start_function_call>now{}", [Delta("<start_function_call>now{}")]),
    ("functiongemma", False, "<start_function_call>call:then{}", [Delta("<start_function_call>call:then{}")]),
    ("gemma4", False, '<|tool_call>call:get_weather{city:<|"|>Oslo<|"|>}<tool_call|>', [OSLO]),
    ("gemma4", False, "<|channel>thought\nHm<channel|>Hello", [Thinking("Hm"), Delta("Hello")]),
    ("gemma", False, 'So:\n```tool_code\nget_weather(city="Oslo")\nnow()\n```', [Delta("So:\n"), OSLO, CLOCK]),
    ("gemma", False, '```json\n{"name": "get_weather", "parameters": {"city": "Oslo"}}\n```', [OSLO]),
    ("gemma", False, '{"name": "now", "parameters": {}}', [CLOCK]),
    ("gemma", False, "```tool_code\nprint(1)\n```", [Delta("```tool_code\nprint(1)\n```")]),
    ("gemma", False, '```json\n{"a": 1}\n```', [Delta('```json\n{"a": 1}\n```')]),
    # SmolLM and the generic form
    ("smollm", False, f"<tool_call>[{OSLO_JSON}, {OSLO_JSON}]</tool_call>", [OSLO, OSLO]),
    ("smollm", False, "<tool_call>[]</tool_call>I know that.", [Delta("I know that.")]),
    ("generic", False, TAGGED, [OSLO]),
    ("generic", False, OSLO_JSON, [OSLO]),
    # What is no call comes out as it was written.
    ("hermes", False, '<tool_call>{"name": "get_weather"', [Delta('<tool_call>{"name": "get_weather"')]),
    ("hermes", False, '<tool_call>\n{"name": "nobody", "arguments": {}}\n</tool_call>', None),
    ("hermes", False, '<tool_call>\n{"name": "now", "arguments": [1]}\n</tool_call>', None),
    ("hermes", False, '<tool_call>\n{"name": "now", "arguments": "x"}\n</tool_call>', None),
    ("hermes", False, '<tool_call>\n{"name": now}\n</tool_call>', None),
    ("hermes", False, '<tool_call>{"name": "now", "arguments": {"x": NaN}}</tool_call>', None),
    ("hermes", False, '<tool_call>{"name": "now", "arguments": {"x": "\\ud800"}}</tool_call>', None),
    ("lfm2", False, "<|tool_call_start|>now(a=" + "[" * 100, None),
    ("hermes", False, f"<tool_call>oh {TAGGED}", [Delta("<tool_call>oh "), OSLO]),
    ("hermes", False, f'<tool_call>{{"name": "x {TAGGED}', [Delta('<tool_call>{"name": "x '), OSLO]),
]


def expected(reply: str, events: Events | None) -> Events:
    return [Delta(reply)] if events is None else events


def cuts(text: str) -> Iterator[list[str]]:
    """The text whole, letter by letter, cut in two at every place, and in random pieces."""
    yield [text]
    yield list(text)
    yield from ([text[:place], text[place:]] for place in range(1, len(text)))
    dice = random.Random(1)
    for _ in range(20):
        places = sorted(dice.sample(range(len(text) + 1), min(6, len(text))))
        yield [text[begin:end] for begin, end in zip([0, *places], [*places, len(text)], strict=True)]


@pytest.mark.parametrize(
    ("name", "thinking", "reply", "events"),
    TRANSCRIPTS,
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_transcripts_cut_anywhere(name: str, thinking: bool, reply: str, events: Events | None) -> None:
    for pieces in cuts(reply):
        assert parsed(DIALECTS[name], pieces, thinking=thinking) == expected(reply, events), pieces


def test_absurd_nesting_is_text() -> None:
    reply = "<tool_call>" + "[" * 100_000
    for size in (len(reply), 1000, 7):
        pieces = [reply[begin : begin + size] for begin in range(0, len(reply), size)]
        assert parsed(DIALECTS["hermes"], pieces) == [Delta(reply)]


def test_text_is_given_out_as_soon_as_it_cannot_be_a_marker() -> None:
    parser = ReplyParser(DIALECTS["qwen3"], TOOLS)
    assert parser.push("Good ") == [Delta("Good ")]
    assert parser.push("day <tool") == [Delta("day ")]
    assert parser.push("box>") == [Delta("<toolbox>")]
    assert parser.push('<tool_call>\n{"name": "get') == []
    assert parser.push('_up", "arguments": {}}\n</tool_call> ') == [
        Delta('<tool_call>\n{"name": "get_up", "arguments": {}}\n</tool_call> ')
    ]
    assert parser.push(TAGGED) == [OSLO]
    assert parser.close() == []


def test_other_json_than_a_call_is_not_held_back() -> None:
    parser = ReplyParser(DIALECTS["llama3"], TOOLS)
    assert parser.push('{"na') == []
    assert parser.push('me": "Bo') == [Delta('{"name": "Bo')]
    parser = ReplyParser(DIALECTS["generic"], TOOLS)
    assert parser.push('```json\n{"title') == [Delta('```json\n{"title')]


def test_malformed_json_is_given_up_early() -> None:
    parser = ReplyParser(DIALECTS["hermes"], TOOLS)
    assert parser.push("<tool_call>\n{I will call the tool") == [Delta("<tool_call>\n{I will call the tool")]


def test_a_call_without_end_is_given_up_at_some_length() -> None:
    parser = ReplyParser(DIALECTS["hermes"], TOOLS)
    assert parser.push('<tool_call>{"name": "now", "arguments": {"x": "' + "y" * 60_000) == []
    assert parser.push("y" * 10_000) != []


def test_without_tools_calls_are_text_and_thinking_is_still_told() -> None:
    assert parsed(DIALECTS["qwen3"], list(f"<think>a</think>{TAGGED}"), ()) == [Thinking("a"), Delta(TAGGED)]
    parser = ReplyParser(DIALECTS["generic"], ())
    assert parser.push("<tool_call>{") == [Delta("<tool_call>{")]
    assert parser.push("") == []


ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="<[{`"), max_size=60)


@given(st.sampled_from(sorted(DIALECTS)), st.lists(ANY_TEXT, max_size=8))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_text_without_markers_passes_unchanged_and_at_once(name: str, pieces: list[str]) -> None:
    parser = ReplyParser(DIALECTS[name], TOOLS)
    for piece in pieces:
        assert parser.push(piece) == ([Delta(piece)] if piece else [])
    assert parser.close() == []


FRAGMENTS = st.sampled_from(
    [
        *(text for dialect in DIALECTS.values() for text in (*dialect.markers, *dialect.triggers)),
        *"{}[]()=,:;\"'\\ \n<>`|",
        OSLO_JSON,
        TAGGED,
        LFM2_OSLO,
        GEMMA_OSLO,
        '{"name": "',
        '"arguments": {',
        "get_weather",
        "now",
        "call:",
        "<function=now>",
        "</function>",
        "Hello",
        "12",
        "true",
    ]
)


@given(
    st.sampled_from(sorted(DIALECTS)),
    st.booleans(),
    st.lists(FRAGMENTS, max_size=14),
    st.randoms(use_true_random=False),
)
@settings(max_examples=250, deadline=None, derandomize=True)
def test_nothing_is_lost_and_cuts_make_no_difference(
    name: str, thinking: bool, fragments: list[str], dice: random.Random
) -> None:
    text = "".join(fragments)
    whole = parsed(DIALECTS[name], [text], thinking=thinking)
    places = sorted(dice.sample(range(len(text) + 1), min(5, len(text))))
    pieces = [text[begin:end] for begin, end in zip([0, *places], [*places, len(text)], strict=True)]
    assert parsed(DIALECTS[name], pieces, thinking=thinking) == whole
    assert parsed(DIALECTS[name], list(text), thinking=thinking) == whole
    # What is said and thought stands in the reply, in order; what is missing is markers, calls and space behind them.
    said = "".join(event.text for event in whole if not isinstance(event, Called))
    letters = iter(text)
    assert all(letter in letters for letter in said)
    called = [event.call.name for event in whole if isinstance(event, Called)]
    assert set(called) <= {tool.name for tool in TOOLS}
    if not called and "[]" not in text:
        assert without_markers(said, DIALECTS[name]) == without_markers(text, DIALECTS[name])


def without_markers(text: str, dialect: Dialect) -> str:
    for mark in dialect.thinking or ("<think>", "</think>"):
        text = text.replace(mark, "")
    return "".join(text.split())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(st.text("abc", min_size=1, max_size=3), JSON, max_size=4)


@given(ARGUMENTS)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_whatever_the_arguments_they_come_back(arguments: dict[str, Any]) -> None:
    call = ToolCall("now", arguments)
    body = json.dumps({"name": "now", "arguments": arguments})
    assert parsed(DIALECTS["hermes"], list(f"<tool_call>{body}</tool_call>")) == [Called(call)]
    written = python_call("now", arguments)
    assert parsed(DIALECTS["lfm2"], list(f"<|tool_call_start|>{written}<|tool_call_end|>")) == [Called(call)]
    named = f"[TOOL_CALLS]now[ARGS]{json.dumps(arguments, ensure_ascii=False)}"
    assert parsed(DIALECTS["mistral-named"], list(named)) == [Called(call)]
