"""What a turn is made of, and how the person answers when a tool asks to be run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from agents.approval import Rule
from agents.budget import Budget
from agents.events import ApprovalAsked
from agents.state import RunState
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
    the model may call. rules: which calls run without asking, and which never. untrusted: what came into the
    conversation from elsewhere before this turn, by name. budget: the most it may use. plans: the model may write down
    a plan. delegates: it may give a part of the work to a turn of its own; small models do neither. passages: how many
    of the library's passages the model is shown. expand_tokens: they are widened with the text around them to so many
    tokens, all together, where the context has room. dry_run: calls are asked for but never run. keep: the conversation
    is one that will go on, so its KV state may be written to disk. resume: go on from here, with the messages it holds.
    reply_prefix: the reply begins with this text, which stands already; it is gone on with as it is, without documents
    and tools.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int = 512
    adapters: tuple[AdapterUse, ...] = ()
    library: Library | None = None
    tools: tuple[Tool, ...] = ()
    rules: tuple[Rule, ...] = ()
    untrusted: tuple[str, ...] = ()
    budget: Budget = field(default_factory=Budget)
    plans: bool = False
    delegates: bool = False
    passages: int = 4
    expand_tokens: int = 0
    dry_run: bool = False
    keep: bool = False
    resume: RunState | None = None
    reply_prefix: str = ""
