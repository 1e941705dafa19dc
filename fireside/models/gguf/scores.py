"""Log probabilities of tokens, as the model gave them, before any sampling setting."""

from __future__ import annotations

from typing import Any

from fireside.models.gguf.model import Model
from fireside.models.types import TokenScore


def score(model: Model, logits: Any, token: int, most: int) -> TokenScore:
    """The score of `token` under `logits` (float32 array (vocabulary,)), with the `most` likeliest tokens."""
    import numpy as np

    peak = float(logits.max())
    normaliser = peak + float(np.log(np.exp(logits - peak, dtype=np.float32).sum(dtype=np.float64)))
    best: Any = []
    if most > 0:
        best = np.argpartition(logits, -most)[-most:] if most < len(logits) else np.arange(len(logits))
        best = best[np.argsort(-logits[best], kind="stable")]
    top = tuple((model.piece(int(each)), float(logits[each]) - normaliser) for each in best)
    return TokenScore(token, model.piece(token), float(logits[token]) - normaliser, top)
