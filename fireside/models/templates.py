"""Renders a conversation with the model file's own chat template, in jinja's immutable sandbox.

Templates come with model files, so they are programs by strangers: the sandbox keeps them from reaching Python
objects or changing anything, and the size of what they write is capped. Tool calls and results are written in the
generic form that a model without tool support in its template can follow: a `<tool_call>` element with JSON in the
assistant's message, and the result in plain words in a message of the user's (the bundled model answers from that,
and only repeats a `<tool_response>` element).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any, NoReturn

from fireside.errors import ModelError
from fireside.models.types import Message, ToolCall

CALL_BEGIN, CALL_END = "<tool_call>\n", "\n</tool_call>"
_LONGEST_RENDERING = 16 * 1024 * 1024
_LONGEST_TEMPLATE = 256 * 1024


def render_chat(
    template: str,
    messages: Sequence[Message],
    *,
    bos_token: str,
    eos_token: str,
    add_generation_prompt: bool,
) -> str:
    """The text a model sees for `messages`.

    template: jinja source as in `tokenizer.chat_template`. add_generation_prompt: end with the opening of the
    assistant's next message. Raises ModelError where the template is broken, refuses the conversation, reaches for
    what the sandbox forbids, or writes more than 16 MiB.
    """
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    if len(template) > _LONGEST_TEMPLATE:
        raise ModelError("the model's chat template is unreasonably long", "use another model file")

    class Environment(ImmutableSandboxedEnvironment):
        """The sandbox, without the two operators that can fill the memory, or never end, in one step."""

        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            """Only plain products of small numbers: no template needs more."""
            small = all(isinstance(each, int | float) and abs(each) < 2**32 for each in (left, right))
            if operator != "*" or not small:
                raise SecurityError(f"{operator} is only for products of small numbers")
            return left * right

    # The whitespace settings and the two helpers are what templates on model hubs are written against.
    environment = Environment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _strftime_now
    environment.filters["tojson"] = _tojson
    pieces: list[str] = []
    size = 0
    try:
        stream = environment.from_string(template).generate(
            messages=[{"role": plain.role, "content": plain.content} for plain in map(plain_message, messages)],
            add_generation_prompt=add_generation_prompt,
            bos_token=bos_token,
            eos_token=eos_token,
            tools=None,
        )
        for piece in stream:
            pieces.append(piece)
            size += len(piece)
            if size > _LONGEST_RENDERING:
                raise ModelError("the model's chat template writes without end", "use another model file")
    except ModelError:
        raise
    except Exception as error:  # a template is a stranger's program; whatever it fails with is its own fault
        raise ModelError(
            f"the model's chat template failed: {type(error).__name__}: {error}",
            "the model file may be damaged or its template made for another program; use another model file",
        ) from error
    return "".join(pieces)


def plain_message(message: Message) -> Message:
    """A message as templates know it, role and content alone, with calls and tool results in the generic form."""
    if message.role == "tool":
        return Message("user", f"The tool {message.tool} returned:\n{message.content}")
    calls = "\n".join(write_call(call) for call in message.calls)
    content = "\n".join(part for part in (message.content, calls) if part)
    return Message(message.role, content)


def write_call(call: ToolCall) -> str:
    """A tool call in the generic form."""
    body = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
    return f"{CALL_BEGIN}{body}{CALL_END}"


def _refuse(message: str) -> NoReturn:
    """`raise_exception` of chat templates: the conversation does not suit the model."""
    raise ValueError(message)


def _strftime_now(form: str) -> str:
    """`strftime_now` of chat templates: today's date or time in the given form."""
    return datetime.datetime.now().strftime(form)


def _tojson(value: Any, indent: int | None = None, ensure_ascii: bool = False) -> str:
    """JSON as model templates expect it: jinja's own filter would escape `<`, `>`, `&` and `'` for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)
