"""Keys and values of conversations: kept when a reply is over, taken up by the next prompt that begins the same."""

from __future__ import annotations

from collections.abc import Sequence as Tokens
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from fireside.prefix import common_prefix

AdapterSet: TypeAlias = tuple[tuple[Path, int, float], ...]
"""Adapters as applied: folder, when its weights were written, scale. Two equal sets compute the same."""


@dataclass(eq=False)
class Sequence:
    """Tokens, and what the model computed for them under `adapters`. cache: None while it is part of a batch's."""

    adapters: AdapterSet
    tokens: list[int] = field(default_factory=list)
    cache: Any = None


class Caches:
    """The sequences that are not in use, the one used last at the end."""

    def __init__(self, config: Any, kept: int) -> None:
        """config: the model's. kept: how many sequences stay when they are not in use."""
        from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

        self._config, self._kept = config, kept
        self._idle: list[Sequence] = []
        # Layers of plain attention can be cut back to an earlier token, and several sequences' can be joined.
        # Recurrent layers keep one running state, which only goes forward.
        layers = DynamicCache(config=config).layers
        self.rewinds = all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)

    def take(self, tokens: Tokens[int], adapters: AdapterSet, *, fresh: bool = False) -> Sequence:
        """A sequence that holds as much of the beginning of `tokens` as is known; at least one token is left out.

        fresh: an empty one, because the logits of all tokens are wanted.
        """
        best, shared = self._best(tokens, adapters)
        if fresh or best is None:
            return Sequence(adapters, [], self._empty())
        if self.rewinds and shared < len(best.tokens) // 2:
            # Another conversation with the same beginning: that stays as it is.
            return Sequence(adapters, best.tokens[:shared], copied(best.cache, shared))
        self._idle.remove(best)
        if shared < len(best.tokens):
            best.cache.crop(shared - len(best.tokens))
            del best.tokens[shared:]
        return best

    def known(self, tokens: Tokens[int], adapters: AdapterSet) -> int:
        """How many tokens at the beginning of a prompt need not be computed, if `take` were asked for it now."""
        return self._best(tokens, adapters)[1]

    def give_back(self, sequence: Sequence) -> None:
        """Keep a sequence for prompts that go on from it; the one unused longest goes where there are too many."""
        if sequence.tokens and sequence.cache is not None:
            self._idle.append(sequence)
            del self._idle[: -self._kept or len(self._idle)]

    def clear(self) -> None:
        """Forget everything."""
        self._idle.clear()

    def _best(self, tokens: Tokens[int], adapters: AdapterSet) -> tuple[Sequence | None, int]:
        """The idle sequence that shares most with the beginning of `tokens`, all but the last, and how many."""
        best, shared = None, 0
        for sequence in self._idle:
            common = min(common_prefix(sequence.tokens, list(tokens)), len(tokens) - 1)
            if sequence.adapters != adapters or common <= shared:
                continue
            if self.rewinds or common == len(sequence.tokens):
                best, shared = sequence, common
        return best, shared

    def _empty(self) -> Any:
        from transformers.cache_utils import DynamicCache

        # Without the config, sliding-window layers keep all tokens: more memory, but they can be cut back and joined.
        return DynamicCache() if self.rewinds else DynamicCache(config=self._config)


def copied(cache: Any, length: int) -> Any:
    """The first `length` tokens of `cache`, in memory of their own."""
    from transformers.cache_utils import DynamicCache

    return DynamicCache(
        [(layer.keys[..., :length, :].clone(), layer.values[..., :length, :].clone()) for layer in cache.layers]
    )
