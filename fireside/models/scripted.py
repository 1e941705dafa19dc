"""A model that replays given replies, for tests of everything above the engines. Unscripted requests are errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from fireside.models.sampling import NEUTRAL, Sampling
from fireside.models.types import (
    Delta,
    Finished,
    Foreseen,
    ModelInfo,
    Prompt,
    ReplyEvent,
    Request,
    Timings,
    Tokens,
    Usage,
)
from fireside.prefix import common_prefix

_PARAMETERS = 8_000_000_000


class ScriptedModel:
    """Plays one scripted reply for each request, in the order in which they begin; several may run at once.

    A reply is a sequence of pieces: a string is streamed as a delta; an event (Thinking, Called, a Delta with scores)
    goes out as it is, and a Finished of its own ends the reply; an exception is raised; an `asyncio.Event` is waited
    for, so that a test decides when the reply goes on. `requests` keeps what was asked, in order.
    """

    def __init__(
        self,
        replies: Sequence[Sequence[str | ReplyEvent | Exception | asyncio.Event]],
        name: str = "scripted",
        sampling: Sampling = NEUTRAL,
    ) -> None:
        """sampling: what the model is recommended with."""
        self._replies = [tuple(reply) for reply in replies]
        self._name, self._sampling = name, sampling
        self.requests: list[Request] = []
        self.started = 0
        self.cancelled = 0

    @property
    def name(self) -> str:
        """The scripted model's name."""
        return self._name

    async def start(self) -> ModelInfo:
        """Count the start; the model is ready at once."""
        self.started += 1
        return ModelInfo(self._name, Path("scripted.gguf"), "scripted", "0" * 64, 4096, _PARAMETERS, self._sampling)

    async def parameters(self) -> int:
        """Those that `start` tells."""
        return _PARAMETERS

    async def generate(self, request: Request) -> AsyncGenerator[ReplyEvent, None]:
        """Replay the next scripted reply. Raises AssertionError if none is left."""
        if len(self.requests) >= len(self._replies):
            raise AssertionError(f"request {len(self.requests) + 1} was not scripted: {request.prompt!r}")
        reply = self._replies[len(self.requests)]
        self.requests.append(request)
        written = 0
        try:
            for piece in reply:
                if isinstance(piece, Exception):
                    raise piece
                if isinstance(piece, asyncio.Event):
                    await piece.wait()
                    continue
                await asyncio.sleep(0)
                written += 1
                yield Delta(piece) if isinstance(piece, str) else piece
                if isinstance(piece, Finished):
                    return
        except (GeneratorExit, asyncio.CancelledError):
            self.cancelled += 1
            raise
        prompt_tokens = await self.count_tokens(request.prompt)
        yield Finished("stop", Usage(prompt_tokens, 0, written), Timings(0.0, 0.01, 0.01, 100.0))

    async def count_tokens(self, prompt: Prompt) -> int:
        """One token a word: enough for tests of budgets."""
        return len(_words(prompt))

    async def foresee(self, request: Request) -> Foreseen:
        """The words of the prompt; those of the request before it, as far as they begin the same, are cached."""
        words = [_words(each.prompt) for each in (request, *self.requests[-1:])]
        cached = common_prefix(words[0][:-1], words[1]) if self.requests else 0
        return Foreseen(len(words[0]), cached)

    async def close(self) -> None:
        """Nothing is held."""

    def assert_exhausted(self) -> None:
        """Fail if a scripted reply was never asked for."""
        assert len(self.requests) == len(self._replies), f"{len(self._replies) - len(self.requests)} replies left over"


def _words(prompt: Prompt) -> list[str]:
    if isinstance(prompt, Tokens):
        return [str(token) for token in prompt.ids]
    texts = [prompt] if isinstance(prompt, str) else [message.content for message in prompt]
    return [word for text in texts for word in text.split()]
