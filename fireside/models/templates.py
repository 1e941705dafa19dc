"""Renders a conversation with a chat template, and keeps what others wrote from speaking the model's special tokens.

Tools, calls and results go to templates in the shape they know them in. A template without tool support gets the
generic form: the tools in the system message, a call as a `<tool_call>` element with JSON in the assistant's message,
and the result in plain words in a message of the user's (the bundled model answers from that, and only repeats a
`<tool_response>` element).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from fireside.errors import ModelError
from fireside.models.dialects import CALL_BEGIN, CALL_END, Dialect, dialect_of, python_call
from fireside.models.named_templates import NAMED
from fireside.models.types import Message, ToolCall, ToolSpec
from fireside.text import for_prompt

__all__ = [
    "CALL_BEGIN",
    "CALL_END",
    "NAMED",
    "escaped",
    "needs_bos",
    "plain_message",
    "render_chat",
    "tools_in_words",
    "write_call",
]

_SECONDS = 5.0
_Value = TypeVar("_Value")


def render_chat(
    template: str,
    messages: Sequence[Message],
    *,
    tools: Sequence[ToolSpec] = (),
    dialect: Dialect | None = None,
    bos_token: str,
    eos_token: str,
    add_generation_prompt: bool,
) -> str:
    """The text a model sees for `messages` and `tools`; both have gone through `escaped` where others wrote them.

    template: jinja source as in `tokenizer.chat_template`. dialect: of the model, or None to read it off the template.
    add_generation_prompt: end with the opening of the assistant's next message. A template that refuses a system
    message gets it at the beginning of the first user message, and one that wants the arguments of calls as text gets
    them so. Raises ModelError where the template is broken, refuses the conversation, reaches for what the sandbox
    forbids, takes more than 5 seconds or writes more than 16 MiB.
    """
    dialect = dialect or dialect_of(template)
    if tools and not dialect.knows_tools:
        messages = _with_system(messages, tools_in_words(tools))

    def rendered(conversation: Sequence[Message], arguments_as_text: bool) -> str:
        variables: dict[str, Any] = {
            "messages": _for_template(conversation, dialect, arguments_as_text),
            "add_generation_prompt": add_generation_prompt,
            "bos_token": bos_token,
            "eos_token": eos_token,
            "tools": None,
        }
        if tools and dialect.knows_tools:
            variables["tools"] = variables["xml_tools"] = [_openai_shape(tool) for tool in tools]
        return _run(template, variables, deadline)

    deadline = time.monotonic() + _SECONDS
    failure: ModelError | None = None
    for conversation in (messages, _system_in_first_question(messages)):
        for as_text in (False, True):
            if conversation is None or (as_text and not any(message.calls for message in conversation)):
                continue
            try:
                return rendered(conversation, as_text)
            except ModelError as error:
                failure = failure or error
    assert failure is not None
    raise failure


def needs_bos(rendered: str, bos_token: str) -> bool:
    """Whether the tokenizer must still put the beginning-of-sequence token first: no template writes it in vain."""
    return not (bos_token and rendered.lstrip().startswith(bos_token))


def escaped(
    messages: Sequence[Message], tools: Sequence[ToolSpec], special_tokens: Collection[str]
) -> tuple[tuple[Message, ...], tuple[ToolSpec, ...]]:
    """Messages and tools in which no text can be read as one of the model's special tokens (`text.for_prompt`).

    That goes for every string in them: contents, the arguments of calls, names, descriptions, and keys and values of
    the tools' schemas. What a constraint or a parser needs, it takes from the tools as they were.
    """
    special = [token for token in special_tokens if token]
    firsts = {token[0] for token in special}

    def safe(text: str) -> str:
        return for_prompt(text, special) if any(first in text for first in firsts) else text

    return (
        tuple(
            replace(
                message,
                content=safe(message.content),
                calls=tuple(ToolCall(safe(call.name), _each_text(call.arguments, safe)) for call in message.calls),
                tool=None if message.tool is None else safe(message.tool),
            )
            for message in messages
        ),
        tuple(
            ToolSpec(safe(tool.name), safe(tool.description), _each_text(dict(tool.parameters), safe)) for tool in tools
        ),
    )


def plain_message(message: Message, dialect: Dialect | None = None) -> Message:
    """A message as every template knows it, role and content alone: results in plain words, calls written out.

    dialect: in whose form calls are written; None is the generic form.
    """
    if message.role == "tool":
        return Message("user", f"The tool {message.tool} returned:\n{message.content}")
    calls = "\n".join(write_call(call, dialect) for call in message.calls)
    content = "\n".join(part for part in (message.content, calls) if part)
    return Message(message.role, content)


def write_call(call: ToolCall, dialect: Dialect | None = None) -> str:
    """A tool call in the generic form, or in a dialect's own where its notation is Python-like."""
    if dialect is not None and dialect.notation == "python":
        return python_call(call.name, call.arguments).join(dialect.markers[:2])
    body = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
    return f"{CALL_BEGIN}{body}{CALL_END}"


def tools_in_words(tools: Sequence[ToolSpec]) -> str:
    """What a system message says of the tools, for templates that say nothing: what there is, and how it is called."""
    listed = "\n".join(json.dumps(_openai_shape(tool)["function"], ensure_ascii=False) for tool in tools)
    return (
        f"You can call tools. These are there, one a line:\n<tools>\n{listed}\n</tools>\n"
        f"To call one, write its name and its arguments as JSON in this form, and nothing after it:\n"
        f'{CALL_BEGIN}{{"name": "the name", "arguments": {{"an argument": "its value"}}}}{CALL_END}\n'
        "Its result comes with the next message. Where no tool helps, answer in plain words."
    )


def _run(template: str, variables: dict[str, Any], deadline: float) -> str:
    from fireside.models.sandbox import TemplateOverrun, run_template

    try:
        return run_template(template, variables, deadline)
    except TemplateOverrun as error:
        raise ModelError(f"the model's chat template is unusable: {error}", "use another model file") from error
    except Exception as error:  # a template is a stranger's program; whatever it fails with is its own fault
        raise ModelError(
            f"the model's chat template failed: {type(error).__name__}: {error}",
            "the model file may be damaged or its template made for another program; use another model file",
        ) from error


def _for_template(messages: Sequence[Message], dialect: Dialect, as_text: bool) -> list[dict[str, Any]]:
    """The messages in the shape that chat templates expect, with what this one does not know in plain words.

    as_text: the arguments of calls are JSON text, and not objects.
    """
    shaped: list[dict[str, Any]] = []
    waiting: list[tuple[str, str]] = []  # calls without a result yet: name and id
    count = 0
    for message in messages:
        if message.calls and dialect.knows_calls:
            # Mistral's templates want ids of nine letters and digits, and every call to have one.
            ids = [f"call{count + index:05d}" for index in range(len(message.calls))]
            count += len(ids)
            waiting.extend((call.name, identity) for call, identity in zip(message.calls, ids, strict=True))
            shaped.append(
                {
                    "role": message.role,
                    "content": message.content,
                    "tool_calls": [
                        {
                            "id": identity,
                            "type": "function",
                            "function": {"name": call.name, "arguments": _arguments(call, as_text)},
                        }
                        for call, identity in zip(message.calls, ids, strict=True)
                    ],
                }
            )
        elif message.role == "tool" and dialect.knows_results:
            answered = next((each for each in waiting if each[0] == message.tool), None)
            if answered is None:
                answered = (message.tool or "", f"call{count:05d}")
                count += 1
            else:
                waiting.remove(answered)
            shaped.append(
                {"role": "tool", "name": answered[0], "tool_call_id": answered[1], "content": message.content}
            )
        else:
            plain = plain_message(message, dialect)
            shaped.append({"role": plain.role, "content": plain.content})
    return shaped


def _arguments(call: ToolCall, as_text: bool) -> Any:
    return json.dumps(call.arguments, ensure_ascii=False) if as_text else call.arguments


def _openai_shape(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _with_system(messages: Sequence[Message], text: str) -> Sequence[Message]:
    """The conversation with `text` at the end of its system message."""
    if messages and messages[0].role == "system":
        return (replace(messages[0], content=f"{messages[0].content}\n\n{text}"), *messages[1:])
    return (Message("system", text), *messages)


def _system_in_first_question(messages: Sequence[Message]) -> Sequence[Message] | None:
    """The conversation with its system message at the beginning of the question that follows, if there are both."""
    if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
        return None
    system, question, *rest = messages
    return (replace(question, content=f"{system.content}\n\n{question.content}"), *rest)


def _each_text(value: _Value, change: Callable[[str], str]) -> _Value:
    """A JSON value with `change` done to each of its texts, keys too."""
    changed: Any = value
    if isinstance(value, str):
        changed = change(value)
    elif isinstance(value, Mapping):
        changed = {_each_text(key, change): _each_text(each, change) for key, each in value.items()}
    elif isinstance(value, list | tuple):
        changed = [_each_text(each, change) for each in value]
    result: _Value = changed
    return result
