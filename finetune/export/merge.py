"""Puts an adapter into the weights it was trained over, so that one plain model holds both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from finetune.base import Base
from finetune.verify.adapter import Prompt
from finetune.verify.figures import Figures, Read, compare, mean_loss, over_all, read_reply
from finetune.verify.greedy import last_logits
from finetune.weights import Weights, load, load_dequantised

Over = Literal["dequantised", "original"]
"""Which weights: those the run saw (its 4 or 8 bits, dequantised), or those of the base's own files."""


def merged(folder: Path, base: Base, weights: Weights, over: Over) -> Any:
    """A plain float32 model of transformers: the base with the PEFT adapter in `folder` added to its weights.

    Raises ModelError, AdapterError.
    """
    from peft import PeftModel

    model = load_dequantised(base, weights) if over == "dequantised" else load(base)
    whole = PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
    whole.requires_grad_(False)
    return whole.eval()


@dataclass(frozen=True)
class Difference:
    """What merging over the base's own weights changes, beside those the run saw.

    figures: of the original against the dequantised. Losses in nats per token of held-back replies.
    """

    figures: Figures
    dequantised_loss: float
    original_loss: float

    def as_json(self) -> dict[str, float]:
        """Flat."""
        losses = {"dequantised_loss": self.dequantised_loss, "original_loss": self.original_loss}
        return {**asdict(self.figures), **losses}


def difference(dequantised: Any, original: Any, prompts: Sequence[Prompt]) -> Difference | None:
    """Both models on the replies to `prompts`; None where there are no replies."""
    compared: list[tuple[Figures, int]] = []
    reads: tuple[list[Read], list[Read]] = ([], [])
    for prompt in prompts:
        if not prompt.reply:
            continue
        tokens = [*prompt.tokens, *prompt.reply]
        rows = [last_logits(each, tokens, len(prompt.reply)) for each in (dequantised, original)]
        compared.append((compare(rows[0], rows[1]), len(prompt.reply)))
        for read, row in zip(reads, rows, strict=True):
            read.append(read_reply(row, prompt.reply))
    if not compared:
        return None
    return Difference(over_all(compared), mean_loss(reads[0]), mean_loss(reads[1]))
