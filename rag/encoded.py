"""An encoder that remembers: a turn weighs the same sentences for relevance, for an extract and for citations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fireside.encoder import Encoder

if TYPE_CHECKING:
    from fireside.encoder import Vectors


class EncodedOnce:
    """`encoder`, each text encoded once for as long as this is kept: for a turn, not longer. See `Encoder`."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._texts: dict[str, Vectors] = {}
        self._queries: dict[str, Vectors] = {}

    @property
    def id(self) -> str:
        """See `Encoder.id`."""
        return self._encoder.id

    @property
    def dimension(self) -> int:
        """See `Encoder.dimension`."""
        return self._encoder.dimension

    @property
    def max_tokens(self) -> int:
        """See `Encoder.max_tokens`."""
        return self._encoder.max_tokens

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Vectors:
        """See `Encoder.encode`; progress is told once, at the end."""
        vectors = _known(self._texts, texts, self._encoder.encode)
        if progress:
            progress(len(texts), len(texts))
        return vectors

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """See `Encoder.encode_queries`."""
        return _known(self._queries, queries, self._encoder.encode_queries)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `Encoder.count_tokens`."""
        return self._encoder.count_tokens(texts)

    def words(self, text: str) -> list[tuple[int, int, int]]:
        """See `Encoder.words`."""
        return self._encoder.words(text)


def _known(known: dict[str, Vectors], texts: Sequence[str], encode: Callable[[Sequence[str]], Vectors]) -> Vectors:
    """The vectors of `texts`, from `known` as far as they are there, else made and added to it."""
    import numpy as np

    if not texts:
        return encode(texts)
    new = [text for text in dict.fromkeys(texts) if text not in known]
    if new:
        known.update(zip(new, encode(new), strict=True))
    return np.stack([known[text] for text in texts])
