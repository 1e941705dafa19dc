"""A prompt's tokens: messages through the chat template, or text as it stands, with untrusted parts made harmless."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fireside.errors import ModelError
from fireside.models.constraints import Constraint
from fireside.models.dialects import Dialect, call_constraint, opens_thinking
from fireside.models.templates import escaped, needs_bos, render_chat
from fireside.models.types import Prompt, Request, Tokens, ToolSpec
from fireside.text import for_prompt


class PromptTokenizer(Protocol):
    """What an engine's tokenizer must give. bos_token, eos_token: their texts, "" for none."""

    @property
    def vocabulary_size(self) -> int:
        """Tokens are below this."""
        ...

    @property
    def bos_token(self) -> str:
        """The text of the beginning-of-sequence token."""
        ...

    @property
    def eos_token(self) -> str:
        """The text of the end-of-sequence token."""
        ...

    def special_tokens(self) -> list[str]:
        """The texts of all tokens that `tokenize` recognises as special: what must not be found in untrusted text."""
        ...

    def tokenize(self, text: str, *, add_special: bool) -> list[int]:
        """Token ids, special tokens recognised. add_special: begin-of-sequence first, where the model wants one."""
        ...


@dataclass(frozen=True)
class ReadyPrompt:
    """A request's prompt as the engines take it.

    thinking: the reply begins inside the model's thinking. callable_tools: what it may call. constraint: what it must
    match, the request's own or that of a call. opening: what it begins with, as text that is parsed with it.
    """

    tokens: list[int]
    thinking: bool
    callable_tools: tuple[ToolSpec, ...]
    constraint: Constraint | None
    opening: str


def ready_prompt(tokenizer: PromptTokenizer, template: str | None, dialect: Dialect, request: Request) -> ReadyPrompt:
    """The prompt of `request`, with what its tools ask of the reply. Raises ModelError."""
    callable_tools = () if request.tool_choice == "none" else request.tools
    constraint, opening = request.constraint, ""
    if callable_tools and constraint is None:
        constraint, opening = call_constraint(dialect, callable_tools, request.tool_choice)
    tokens, thinking = prompt_tokens(
        tokenizer,
        template,
        dialect,
        request.prompt,
        tools=request.tools,
        reply_prefix=request.reply_prefix,
        opening=opening,
    )
    return ReadyPrompt(tokens, thinking, callable_tools, constraint, opening)


def prompt_tokens(
    tokenizer: PromptTokenizer,
    template: str | None,
    dialect: Dialect,
    prompt: Prompt,
    *,
    tools: Sequence[ToolSpec] = (),
    reply_prefix: str = "",
    opening: str = "",
) -> tuple[list[int], bool]:
    """The token ids of a prompt, and whether the reply begins inside the model's thinking.

    opening: text of the program's own that the reply begins with, such as the marker of a tool call. Special tokens in
    messages, tools, plain text and prefix are made harmless; only the template's and the opening's count.
    Beginning-of-sequence comes from template or tokenizer, never from both. Raises ModelError.
    """
    if isinstance(prompt, Tokens):
        wrong = next((token for token in prompt.ids if not 0 <= token < tokenizer.vocabulary_size), None)
        if wrong is not None:
            raise ModelError(f"{wrong} is not a token of this model", f"tokens are below {tokenizer.vocabulary_size}")
        return [*prompt.ids, *tokenizer.tokenize(reply_prefix + opening, add_special=False)], False
    special = [*tokenizer.special_tokens(), *dialect.stops]
    prefix = for_prompt(reply_prefix, special) + opening
    if isinstance(prompt, str):
        return tokenizer.tokenize(for_prompt(prompt, special) + prefix, add_special=True), False
    if template is None:
        raise ModelError(
            "this model has no chat template: it is a base model",
            "use a model tuned for chat, set model.template to a named template, or write with `fireside story`",
        )
    messages, specs = escaped(prompt, tools, special)
    rendered = render_chat(
        template,
        messages,
        tools=specs,
        dialect=dialect,
        bos_token=tokenizer.bos_token,
        eos_token=tokenizer.eos_token,
        add_generation_prompt=True,
    )
    thinking = opens_thinking(rendered, dialect)
    if thinking and prefix and dialect.thinking is not None:
        # What the reply begins with stands behind the thinking, not in it.
        prefix, thinking = f"\n{dialect.thinking[1]}\n\n{prefix}", False
    return tokenizer.tokenize(rendered + prefix, add_special=needs_bos(rendered, tokenizer.bos_token)), thinking
