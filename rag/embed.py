"""What is embedded of a chunk: its text below its title and headings, and the key its vector is cached under."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from fireside.encoder import Encoder

# Tokens of title and headings embedded above a chunk, at most, so that the chunk itself is never cut off.
_CONTEXT_TOKENS = 48
# [CLS] and [SEP], or what another encoder has in their place.
_SPECIAL_TOKENS = 2


def longest_chunk(encoder: Encoder, chunk_tokens: int) -> int:
    """Tokens of the longest chunk: `chunk_tokens`, or what the encoder reads where that is less."""
    return min(chunk_tokens, encoder.max_tokens - _SPECIAL_TOKENS)


def embedded_texts(encoder: Encoder, texts: Sequence[str], contexts: Sequence[str]) -> list[str]:
    """Each chunk's text below as much of its line of title and headings as leaves the text whole."""
    counts = encoder.count_tokens(texts)
    words: dict[str, list[tuple[int, int, int]]] = {}
    made = []
    for text, count, context in zip(texts, counts, contexts, strict=True):
        if context not in words:
            words[context] = encoder.words(context)
        room = min(_CONTEXT_TOKENS, encoder.max_tokens - _SPECIAL_TOKENS - count)
        end = 0
        for _, stop, tokens in words[context]:
            room -= tokens
            if room < 0:
                break
            end = stop
        made.append(f"{context[:end]}\n{text}" if end else text)
    return made


def vector_key(encoder_id: str, embedded: str) -> str:
    """The key of the vector that this encoder makes of this text: SHA-256 of both."""
    return hashlib.sha256(f"{encoder_id}\n{embedded}".encode("utf-8", "surrogatepass")).hexdigest()
