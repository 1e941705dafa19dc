"""What a worker process asks of an engine: many replies at once, advanced step by step."""

from __future__ import annotations

from typing import Protocol

from fireside.errors import FiresideError
from fireside.models.types import Foreseen, ModelInfo, Prompt, ReplyEvent, Request


class Engine(Protocol):
    """A model loaded in this process. Not thread-safe: one thread drives it."""

    def info(self, name: str) -> ModelInfo:
        """What the model is; `name` is the one the person knows it by."""
        ...

    def submit(self, number: int, request: Request) -> None:
        """Take on a reply, known by `number`. Raises FiresideError where it cannot be written."""
        ...

    def cancel(self, number: int) -> None:
        """End a reply before its next token; its Finished still comes. Nothing happens if it is not under way."""
        ...

    @property
    def busy(self) -> bool:
        """Whether replies are under way."""
        ...

    def step(self) -> list[tuple[int, ReplyEvent | FiresideError]]:
        """Advance every reply; the last event of each is Finished or an error."""
        ...

    def count(self, prompt: Prompt) -> int:
        """How many tokens `prompt` takes, rendered as a reply's would be. Raises FiresideError."""
        ...

    def foresee(self, request: Request) -> Foreseen:
        """What reading the prompt of `request` would take now. Raises FiresideError."""
        ...

    def idle(self) -> None:
        """There is nothing to do for a while: what can wait (saving KV states) is done now."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...
