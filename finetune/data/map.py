"""Turns rows of any known format into conversations: each row's format is told by its fields, or by the person."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, get_args

from finetune.data.conversation import Conversation, all_messages, tagged, texts
from finetune.data.load import BrokenRow, Row
from finetune.data.messages import Talk, Unusable, read_talk, read_tools, split_speakers
from fireside.models.types import Message

Format = Literal["messages", "alpaca", "prompt-completion", "human-assistant", "preference", "kto", "text"]
"""messages: OpenAI's or ShareGPT's list of messages. human-assistant: turns in one text, `### Human: ...`. preference:
chosen and rejected answers. kto: an answer labelled good or bad. text: learnt as it is."""

FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True)
class Fields:
    """The names of the fields that hold each part, where the person gave them; None finds them by the usual names."""

    messages: str | None = None
    prompt: str | None = None
    input: str | None = None
    completion: str | None = None
    system: str | None = None
    history: str | None = None
    tools: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    label: str | None = None
    text: str | None = None

    @cached_property
    def given(self) -> frozenset[str]:
        """The names that the person gave."""
        return frozenset(name for part in PARTS if (name := getattr(self, part)) is not None)


PARTS = tuple(field.name for field in fields(Fields))

# What data sets call each part, most telling first.
_USUAL: Mapping[str, tuple[str, ...]] = {
    "messages": ("messages", "conversations", "conversation", "chat", "dialog", "turns"),
    "prompt": ("instruction", "prompt", "question", "query", "problem", "user"),
    "input": ("input", "context"),
    "completion": ("output", "response", "completion", "answer", "target", "solution", "assistant"),
    "system": ("system", "system_prompt"),
    "history": ("history",),
    "tools": ("tools", "functions"),
    "chosen": ("chosen", "chosen_messages", "response_j", "preferred"),
    "rejected": ("rejected", "rejected_messages", "response_k", "dispreferred"),
    "label": ("label", "kto_tag", "desirable"),
    "text": ("text", "content", "story"),
}
# The words that Stanford Alpaca (2023) put around an instruction. A chat template takes their place.
_ALPACA_WORDS = re.compile(
    r"Below is an instruction that describes a task[^\n]*\n\n### Instruction:\n(?P<instruction>.*?)"
    r"(?:\n\n### Input:\n(?P<input>.*?))?\n\n### Response:[ \n]*(?P<response>.*)\Z",
    re.DOTALL,
)
_THINKING_LEFT_OUT = "thinking left out"


def map_rows(
    rows: Iterable[Row | BrokenRow], source: str, form: Format | None = None, names: Fields | None = None
) -> Iterator[Conversation]:
    """The rows as conversations. A row that cannot be used comes as a dropped one with the reason, and no content."""
    for row in rows:
        if isinstance(row, BrokenRow):
            yield broken(row.number, source, row.reason)
            continue
        try:
            made = to_conversation(row.value, row.number, source, form, names or Fields())
            yield made if row.ends else replace(made, ends=False)
        except Unusable as reason:
            yield broken(row.number, source, str(reason))
        except RecursionError:
            yield broken(row.number, source, "nested too deeply")


def broken(number: int, source: str, reason: str) -> Conversation:
    """A row that could not be read or mapped, kept for the report."""
    return Conversation((), number, source, dropped=f"broken ({reason})")


def detect_format(row: Any, names: Fields) -> Format:
    """The format of a row by its fields. Raises Unusable where no known format has such fields."""
    if isinstance(row, str):
        return "human-assistant" if split_speakers(row) else "text"
    if isinstance(row, list):
        return "messages"
    if not isinstance(row, dict):
        raise Unusable("it is neither an object nor text")
    has = {part: _named(row, part, names) is not None for part in PARTS}
    if has["chosen"] and has["rejected"]:
        return "preference"
    if has["label"] and (has["messages"] or (has["prompt"] and has["completion"])) and _label(row, names) is not None:
        return "kto"
    if has["messages"]:
        return "messages"
    if has["completion"] and (has["prompt"] or has["input"]):
        return "alpaca" if has["prompt"] and ("instruction" in row or has["input"]) else "prompt-completion"
    if has["text"]:
        text = row[_named(row, "text", names) or ""]
        spoken = isinstance(text, str) and (split_speakers(text) or _ALPACA_WORDS.match(text.strip()))
        return "human-assistant" if spoken else "text"
    shown = ", ".join(str(key) for key in list(row)[:8]) or "none"
    raise Unusable(f"its fields are of no known format: {shown}")


def to_conversation(row: Any, number: int, source: str, form: Format | None, names: Fields) -> Conversation:
    """One row as a conversation. form: None finds the format by `detect_format`. Raises Unusable."""
    if isinstance(row, dict) and isinstance(row.get("instances"), list) and row["instances"]:
        # Self-Instruct's seeds: an instruction with examples of input and output, of which the first is taken.
        row = {**row, **row["instances"][0]} if isinstance(row["instances"][0], dict) else row
    form = form or detect_format(row, names)
    made = _from_list(row) if isinstance(row, list) else _MADE[form](_as_object(row, names), names)
    made = replace(made, row=number, source=source)
    if isinstance(row, dict) and form != "text":
        made = _with_context(made, row, names)
    if not any(True for _ in all_messages(made)) and not made.text:
        raise Unusable("there is nothing in it")
    for text in texts(made):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise Unusable("it holds half a character (an unpaired surrogate), or bytes that are not UTF-8") from None
    return made


def _as_object(row: Any, names: Fields) -> dict[str, Any]:
    """A row as an object: a text row is an object with a text."""
    if isinstance(row, dict):
        return row
    if isinstance(row, str):
        return {names.text or "text": row}
    raise Unusable("it is neither an object nor text")


def _from_list(row: list[Any]) -> Conversation:
    return _of_talk(read_talk(row))


def _from_messages(row: dict[str, Any], names: Fields) -> Conversation:
    return _of_talk(read_talk(_value(row, "messages", names)))


def _from_pair(row: dict[str, Any], names: Fields) -> Conversation:
    """A prompt and its completion: Alpaca's instruction and input, prompt/completion, question/answer."""
    prompt = _prompt(row, names)
    completion = _value(row, "completion", names)
    if isinstance(prompt, str) and isinstance(completion, str):
        wrapped = _ALPACA_WORDS.match(prompt.strip() + "\n")
        if wrapped and not wrapped["response"].strip():
            prompt = _joined(wrapped["instruction"], wrapped["input"])
            return Conversation((Message("user", prompt), Message("assistant", completion)), 0, tags=("unwrapped",))
    return _of_talk(read_talk([*_turn(prompt, "user"), *_turn(completion, "assistant")]))


def _from_human_assistant(row: dict[str, Any], names: Fields) -> Conversation:
    text = _text(row, names)
    messages = split_speakers(text)
    if not messages and (wrapped := _ALPACA_WORDS.match(text.strip())):
        prompt = _joined(wrapped["instruction"], wrapped["input"])
        messages = [Message("user", prompt), Message("assistant", wrapped["response"])]
        return Conversation(tuple(messages), 0, tags=("unwrapped",))
    if not messages:
        raise Unusable("its text has no turns such as `### Human:` and `### Assistant:`")
    return Conversation(tuple(messages), 0)


def _from_text(row: dict[str, Any], names: Fields) -> Conversation:
    return Conversation((), 0, text=_text(row, names), ends=row.get("ends") is not False)


def _from_kto(row: dict[str, Any], names: Fields) -> Conversation:
    label = _label(row, names)
    if label is None:
        raise Unusable("its label is neither true nor false")
    made = _from_messages(row, names) if _named(row, "messages", names) else _from_pair(row, names)
    return replace(made, desirable=label)


def _from_preference(row: dict[str, Any], names: Fields) -> Conversation:
    """A pair of answers. Both may hold the whole conversation; what they share at its beginning is the prompt."""
    chosen, rejected = (_answer(_value(row, part, names)) for part in ("chosen", "rejected"))
    prompt: tuple[Message, ...] = ()
    if _named(row, "messages", names):
        prompt = read_talk(_value(row, "messages", names)).messages
    elif _named(row, "prompt", names):
        prompt = read_talk(_turn(_prompt(row, names), "user")).messages
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    if shared:
        # A prompt beside whole conversations repeats their first messages.
        prompt, chosen, rejected = chosen[:shared], chosen[shared:], rejected[shared:]
    if not prompt:
        raise Unusable("there is no prompt before its chosen and rejected answers")
    if chosen[0].role != "assistant" or rejected[0].role != "assistant":
        raise Unusable("its chosen and rejected answers do not begin with the assistant")
    return Conversation(prompt, 0, chosen=chosen, rejected=rejected)


_MADE = {
    "messages": _from_messages,
    "alpaca": _from_pair,
    "prompt-completion": _from_pair,
    "human-assistant": _from_human_assistant,
    "preference": _from_preference,
    "kto": _from_kto,
    "text": _from_text,
}


def _with_context(made: Conversation, row: dict[str, Any], names: Fields) -> Conversation:
    """The conversation with the row's system message, earlier turns and tools."""
    before: list[Message] = []
    system = _optional(row, "system", names)
    if isinstance(system, str) and system.strip() and not any(m.role == "system" for m in made.messages):
        before.append(Message("system", system))
    history = _optional(row, "history", names)
    if isinstance(history, list):
        for turn in history:
            if not isinstance(turn, list | tuple) or len(turn) != 2 or not all(isinstance(t, str) for t in turn):
                raise Unusable("its history is no list of question and answer pairs")
            before += [Message("user", turn[0]), Message("assistant", turn[1])]
    tools = read_tools(_optional(row, "tools", names))
    if not before and not tools:
        return made
    moved = frozenset(index + len(before) for index in made.untrained)
    return replace(made, messages=(*before, *made.messages), untrained=moved, tools=tools)


def _of_talk(talk: Talk) -> Conversation:
    made = Conversation(talk.messages, 0, untrained=talk.untrained)
    return tagged(made, _THINKING_LEFT_OUT) if talk.thinking else made


def _prompt(row: dict[str, Any], names: Fields) -> Any:
    """The person's side of a pair: an instruction and, where it has one, its input below it."""
    prompt, more = _optional(row, "prompt", names), _optional(row, "input", names)
    if prompt is None or (isinstance(prompt, str) and not prompt.strip()):
        return more
    return _joined(prompt, more) if isinstance(prompt, str) and isinstance(more, str) else prompt


def _joined(instruction: str, more: str | None) -> str:
    return f"{instruction}\n\n{more}" if more and more.strip() else instruction


def _turn(value: Any, role: str) -> list[Any]:
    """What one side says, as messages: a text, one message, or a list of them."""
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list):
        return value
    raise Unusable(f"what the {role} says is neither text nor messages")


def _answer(value: Any) -> tuple[Message, ...]:
    """One of two answers: the assistant's words, a whole conversation in one text, or messages."""
    if isinstance(value, str) and (spoken := split_speakers(value)):
        return tuple(spoken)
    return read_talk(_turn(value, "assistant")).messages


def _label(row: dict[str, Any], names: Fields) -> bool | None:
    """Whether a row's answer is good, else None. CSV files write it as a word."""
    value = _optional(row, "label", names)
    if isinstance(value, str):
        return {"true": True, "1": True, "good": True, "false": False, "0": False, "bad": False}.get(value.lower())
    return bool(value) if value in (0, 1) else None


def _text(row: dict[str, Any], names: Fields) -> str:
    value = _value(row, "text", names)
    if not isinstance(value, str):
        raise Unusable("its text is no text")
    return value


def _value(row: dict[str, Any], part: str, names: Fields) -> Any:
    """A part that the format needs. A list in a CSV cell or a string is read as JSON. Raises Unusable."""
    name = _named(row, part, names)
    if name is None:
        given = getattr(names, part)
        raise Unusable(f"it has no field {given!r}" if given else f"it has no {part}")
    return _read(row[name], part)


def _optional(row: dict[str, Any], part: str, names: Fields) -> Any:
    name = _named(row, part, names)
    return None if name is None else _read(row[name], part)


def _read(value: Any, part: str) -> Any:
    if part in ("messages", "chosen", "rejected", "history") and isinstance(value, str) and value[:2] in ("[{", "[["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _named(row: dict[str, Any], part: str, names: Fields) -> str | None:
    """The row's field that holds a part, or None."""
    given: str | None = getattr(names, part)
    if given is not None:
        return given if given in row else None
    return next((name for name in _USUAL[part] if row.get(name) is not None and name not in names.given), None)
