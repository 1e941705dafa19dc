"""What the next prompt is made of, part by part: the same words for chat and story."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Origin = Literal["system", "persona", "tools", "memory", "lore", "summary", "history", "documents", "note", "question"]
"""Where a part of a prompt comes from; in the order in which parts usually stand."""
ORIGINS: tuple[Origin, ...] = get_args(Origin)


@dataclass(frozen=True)
class Part:
    """One part of a prompt: its exact text, and the tokens it takes, what the chat template puts around it included."""

    origin: Origin
    title: str
    text: str
    tokens: int


@dataclass(frozen=True)
class Upcoming:
    """The next prompt as a whole.

    parts: in the order of the prompt. room: tokens of the model's context, 0 where a server does not tell. reply: of
    these, kept free for the reply. cached: tokens at the prompt's beginning that need not be read again, None where
    that is not known. left_out: messages, or characters of a story, that do not fit any more.
    """

    parts: tuple[Part, ...]
    room: int
    reply: int
    cached: int | None
    left_out: int = 0

    @property
    def tokens(self) -> int:
        """Of the whole prompt."""
        return sum(part.tokens for part in self.parts)

    @property
    def free(self) -> int:
        """Tokens left beside the prompt and the reply; 0 where there are none or the room is not known."""
        return max(0, self.room - self.reply - self.tokens)

    def seconds(self, tokens_per_s: float) -> float | None:
        """How long it takes to read what is not cached at this rate; None where either is not known."""
        return None if self.cached is None or tokens_per_s <= 0 else (self.tokens - self.cached) / tokens_per_s
