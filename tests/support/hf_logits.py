"""The logits of a transformers engine's model."""

from __future__ import annotations

from typing import Any

from fireside.models.hf.engine import HfEngine
from fireside.models.types import AdapterUse

TEXT = "The capital of France is Paris"


def logits(engine: HfEngine, *uses: AdapterUse) -> Any:
    """Float32 (tokens, vocabulary) of TEXT, with these adapters."""
    import torch

    engine._adapters.apply(engine._adapters.prepare(uses))
    with torch.inference_mode():
        return engine.model(torch.tensor([engine.tokenizer.tokenize(TEXT, add_special=True)])).logits[0].float()
