"""The words every model engine and every caller share: messages, a request, its deltas, and the protocol itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from fireside.models.sampling import Sampling

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True)
class ToolCall:
    """A tool the model wants to run. `arguments` has been parsed, and validated where the tool's schema is known."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Message:
    """One message of a conversation. `calls` only on the assistant's; `tool` names the tool whose result this is."""

    role: Role
    content: str
    calls: tuple[ToolCall, ...] = ()
    tool: str | None = None


@dataclass(frozen=True)
class AdapterUse:
    """A GGUF LoRA adapter and how strongly it is applied (1.0 as trained, 0 not at all)."""

    name: str
    path: Path
    scale: float = 1.0

    @property
    def spec(self) -> str:
        """As it is written: `NAME:SCALE`, which `adapters.resolve` reads."""
        return f"{self.name}:{self.scale:g}"


@dataclass(frozen=True)
class Request:
    """What a model is asked to write.

    prompt: messages, rendered with the model's own chat template; or plain text, continued as it stands (stories).
    reply_prefix: text the assistant's reply already begins with; it is part of the context, not of the deltas.
    max_tokens: upper bound on tokens written.
    adapters: applied for this request; the model itself stays loaded.
    grammar: GBNF text the reply must match, or None.
    stop: the reply ends before the first of these strings; they are not part of the text.
    """

    prompt: tuple[Message, ...] | str
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int = 512
    adapters: tuple[AdapterUse, ...] = ()
    grammar: str | None = None
    stop: tuple[str, ...] = ()
    reply_prefix: str = ""


@dataclass(frozen=True)
class Usage:
    """Token counts of one request. `cached_tokens` of the prompt were still in the KV cache and not computed again."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class Timings:
    """Seconds and rates of one request. `load_s` is 0 but for the first reply after loading."""

    load_s: float = 0.0
    prefill_s: float = 0.0
    first_token_s: float = 0.0
    tokens_per_s: float = 0.0


@dataclass(frozen=True)
class Delta:
    """The next piece of the reply, made safe for a terminal."""

    text: str


@dataclass(frozen=True)
class Finished:
    """The end of a reply; always the last thing a generation yields unless it raises."""

    reason: FinishReason
    usage: Usage
    timings: Timings


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a loaded model.

    sha256: of the model file. context_length: the one in use, in tokens. parameters: how many weights it has.
    """

    name: str
    path: Path
    architecture: str
    sha256: str
    context_length: int
    parameters: int


class ChatModel(Protocol):
    """A model that continues a conversation or a text: `client.GgufModel`, or in tests `scripted.ScriptedModel`."""

    @property
    def name(self) -> str:
        """The name the person knows the model by."""
        ...

    async def start(self) -> ModelInfo:
        """Load the model if it is not loaded, and tell what it is. Raises ModelError."""
        ...

    def generate(self, request: Request) -> AsyncGenerator[Delta | Finished, None]:
        """Write a reply, piece by piece, ending with Finished.

        Closing the iterator (`aclose`) stops the engine before its next token. One request runs at a time; a second
        waits. Raises ModelError (a prompt longer than the context, a broken template, a wrong adapter, WorkerDied).
        """
        ...

    async def count_tokens(self, prompt: tuple[Message, ...] | str) -> int:
        """How many tokens `prompt` takes, rendered as `generate` would. Raises ModelError."""
        ...

    async def close(self) -> None:
        """Let go of the model and its process; `start` would load it again."""
        ...
