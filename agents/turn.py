"""What a turn is made of, and how the person answers when a tool asks to be run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from agents.events import ApprovalAsked
from agents.tools import Tool
from fireside.models.sampling import Sampling
from fireside.models.types import AdapterUse, Message

if TYPE_CHECKING:
    from rag.library import Library

Answer = Literal["once", "always", "deny"]
Approve = Callable[[ApprovalAsked], Awaitable[Answer]]


@dataclass(frozen=True)
class Turn:
    """What a turn is made of.

    messages: the conversation, system first, ending with the person's message. library: search it and cite. tools: what
    the model may call; those in `allowed` run without asking. max_steps: the most calls. passages: how many of the
    library's passages the model is shown. dry_run: calls are asked for but never run. keep: the conversation is
    one that will go on, so its KV state may be written to disk.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int = 512
    adapters: tuple[AdapterUse, ...] = ()
    library: Library | None = None
    tools: tuple[Tool, ...] = ()
    allowed: frozenset[str] = frozenset()
    max_steps: int = 6
    passages: int = 4
    dry_run: bool = False
    keep: bool = False
