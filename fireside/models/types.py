"""The words every model engine and every caller share: messages, a request, its deltas, and the protocol itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from fireside.models.constraints import Constraint
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
class ToolSpec:
    """A tool as the model sees it. parameters: a JSON schema of type object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Tokens:
    """A prompt that is tokens already: scored or continued as it stands."""

    ids: tuple[int, ...]


Prompt: TypeAlias = tuple[Message, ...] | str | Tokens
"""Messages, rendered with the model's own chat template; plain text or tokens, continued as they stand."""


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

    reply_prefix: text the assistant's reply already begins with; it is part of the context, not of the deltas.
    max_tokens: upper bound on tokens written.
    adapters: applied for this request; the model itself stays loaded.
    constraint: what the reply must match, or None.
    stop: the reply ends before the first of these strings; they are not part of the text.
    tools: what the model may call; its calls come as `Called` events, in the form its template knows.
    tool_choice: "auto" (the model decides), "none", "required" (some tool), or the name of the tool it must call.
    scores: None, or how many of the most likely tokens to tell at each place, beside the one written (0: that alone).
    score_prompt: also score the prompt's tokens (with `scores`); one `PromptScored` comes before the first delta.
    keep: this is a conversation that will go on: its KV state may be written to disk, so that it goes on quickly after
        a restart.
    """

    prompt: Prompt
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int = 512
    adapters: tuple[AdapterUse, ...] = ()
    constraint: Constraint | None = None
    stop: tuple[str, ...] = ()
    reply_prefix: str = ""
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    scores: int | None = None
    score_prompt: bool = False
    keep: bool = False


@dataclass(frozen=True)
class Usage:
    """Token counts of one request.

    cached_tokens: of the prompt, those still in the KV cache, or restored from disk, and not computed again.
    drafted_tokens, accepted_tokens: guessed by speculative decoding, and of these the ones that were right.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0


@dataclass(frozen=True)
class Timings:
    """Seconds and rates of one request. `load_s` is 0 but for the first reply after loading."""

    load_s: float = 0.0
    prefill_s: float = 0.0
    first_token_s: float = 0.0
    tokens_per_s: float = 0.0


@dataclass(frozen=True)
class TokenScore:
    """A token and how likely the model found it.

    data: its bytes, which can be part of a character. logprob: natural logarithm of its probability, before any
    sampling setting; None for the first token of a prompt. top: the most likely tokens there, best first.
    """

    token: int
    data: bytes
    logprob: float | None
    top: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True)
class Delta:
    """The next piece of the reply, made safe for a terminal. scores: of the tokens that came with it, where asked."""

    text: str
    scores: tuple[TokenScore, ...] = ()


@dataclass(frozen=True)
class Thinking:
    """The next piece of what the model thinks before it replies, made safe for a terminal."""

    text: str


@dataclass(frozen=True)
class Called:
    """A whole tool call that the model has written."""

    call: ToolCall


@dataclass(frozen=True)
class PromptScored:
    """The prompt's tokens with their scores."""

    scores: tuple[TokenScore, ...]


@dataclass(frozen=True)
class Finished:
    """The end of a reply; always the last thing a generation yields unless it raises."""

    reason: FinishReason
    usage: Usage
    timings: Timings


ReplyEvent: TypeAlias = Delta | Thinking | Called | PromptScored | Finished


@dataclass(frozen=True)
class Foreseen:
    """What reading a request's prompt would take.

    cached_tokens: of the prompt's, those at its beginning that need not be computed again; None where a server does
    not tell.
    """

    prompt_tokens: int
    cached_tokens: int | None


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a loaded model.

    sha256: of the model file, "" for a model on a server. context_length: the one in use, in tokens, 0 where unknown.
    parameters: how many weights it has, 0 where unknown. sampling: what is used where a request leaves a setting open.
    """

    name: str
    path: Path
    architecture: str
    sha256: str
    context_length: int
    parameters: int
    sampling: Sampling = field(default_factory=Sampling)


class ChatModel(Protocol):
    """A model that continues a conversation or a text.

    `client.WorkerModel` (llama.cpp or transformers, in a process of ours), `remote.RemoteModel` (a server), and in
    tests `scripted.ScriptedModel`.
    """

    @property
    def name(self) -> str:
        """The name the person knows the model by."""
        ...

    async def start(self) -> ModelInfo:
        """Load the model if it is not loaded, and tell what it is. Raises ModelError."""
        ...

    async def parameters(self) -> int:
        """How many weights it has, told without loading it where its file says so; 0 where unknown. Raises
        ModelError."""
        ...

    def generate(self, request: Request) -> AsyncGenerator[ReplyEvent, None]:
        """Write a reply, piece by piece, ending with Finished.

        Closing the iterator (`aclose`) stops the engine before its next token. Several requests may run at once; the
        engine computes them together. Raises ModelError (a prompt longer than the context, a broken
        template, a wrong adapter, WorkerDied).
        """
        ...

    async def count_tokens(self, prompt: Prompt) -> int:
        """How many tokens `prompt` takes, rendered as `generate` would. Raises ModelError."""
        ...

    async def foresee(self, request: Request) -> Foreseen:
        """What reading the prompt of `request` would take, if it were asked now; nothing is computed. Raises
        ModelError."""
        ...

    async def close(self) -> None:
        """Let go of the model and its process; `start` would load it again."""
        ...
