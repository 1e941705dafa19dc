"""/v1/embeddings: texts in, unit vectors of the bundled encoder out."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

from fireside.errors import FiresideError
from tui.serve.problems import unavailable, wrong
from tui.serve.service import EMBEDDING_MODEL, Service, unknown_model
from tui.serve.shapes import EmbeddingBody

if TYPE_CHECKING:
    from fireside.encoder import Vectors

_MOST_TEXTS = 2048  # OpenAI's documentation of this endpoint
_AT_ONCE = 32  # texts between two chances to stop for a client that left


def texts(given: Any) -> list[str]:
    """The texts of a body. Raises ApiError."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given or not all(isinstance(each, str) for each in given):
        raise wrong("input", "a text or a list of texts is needed; token ids of another model mean nothing here")
    if len(given) > _MOST_TEXTS:
        raise wrong("input", f"{len(given)} texts are more than {_MOST_TEXTS}")
    return list(given)


async def embeddings(service: Service, body: EmbeddingBody) -> dict[str, Any]:
    """The vectors, float32, of length 1. What is longer than the encoder's 256 tokens is cut off there.

    Raises ApiError.
    """
    from fireside.encoder import DIMENSION, MAX_TOKENS, bundled_encoder

    if body.model not in (None, EMBEDDING_MODEL):
        raise unknown_model(str(body.model), EMBEDDING_MODEL)
    if body.dimensions not in (None, DIMENSION):
        raise wrong("dimensions", f"the vectors of this model have {DIMENSION} numbers")
    given = texts(body.input)
    encoder = bundled_encoder()
    data: list[dict[str, Any]] = []
    tokens = 0
    try:
        for first in range(0, len(given), _AT_ONCE):
            part = given[first : first + _AT_ONCE]
            async with service.encoding:
                vectors = await asyncio.to_thread(encoder.encode, part)
                counts = await asyncio.to_thread(encoder.count_tokens, part)
            tokens += sum(min(count + 2, MAX_TOKENS) for count in counts)
            data += _entries(vectors, len(data), body.encoding_format == "base64")
    except FiresideError as error:
        raise unavailable(error) from error
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": EMBEDDING_MODEL, "usage": usage}


def _entries(vectors: Vectors, first: int, as_base64: bool) -> list[dict[str, Any]]:
    """Vectors as entries of `data`; base64 is of little-endian float32, as OpenAI's client reads it."""
    return [
        {
            "object": "embedding",
            "index": first + number,
            "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode() if as_base64 else vector.tolist(),
        }
        for number, vector in enumerate(vectors)
    ]
