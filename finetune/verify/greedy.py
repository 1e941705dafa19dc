"""What transformers writes and how sure it is: greedy continuations and teacher-forced logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from finetune.verify.figures import Logits

CONTINUATION = 32


def last_logits(model: Any, tokens: Sequence[int], count: int) -> Logits:
    """transformers' logits that predict the last `count` of `tokens`: (count, vocabulary)."""
    import torch

    with torch.no_grad():
        rows: Logits = (
            model(
                input_ids=torch.tensor([list(tokens)], device=model.device), logits_to_keep=count + 1, use_cache=False
            )
            .logits[0, :-1]
            .float()
            .cpu()
            .numpy()
        )
        return rows


def greedy_continuations(
    model: Any, prompts: Sequence[Sequence[int]], ends_turn: Callable[[int], bool], most: int = CONTINUATION
) -> list[list[int]]:
    """The most likely continuation of each prompt, `most` tokens or to the end of the turn, that token included.

    The prompts run as one left-padded batch: on a CPU, twenty cost little more than one.
    """
    import torch

    longest = max(len(prompt) for prompt in prompts)
    padding = [longest - len(prompt) for prompt in prompts]
    pairs = list(zip(padding, prompts, strict=True))
    tokens = torch.tensor([[0] * pad + list(prompt) for pad, prompt in pairs], device=model.device)
    mask = torch.tensor([[0] * pad + [1] * len(prompt) for pad, prompt in pairs], device=model.device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    written: list[list[int]] = [[] for _ in prompts]
    cache = None
    with torch.no_grad():
        for _ in range(most):
            output = model(
                input_ids=tokens,
                attention_mask=mask,
                position_ids=positions,
                cache=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = output.cache
            best = output.logits[:, -1].argmax(dim=-1)
            for row, token in zip(written, best.tolist(), strict=True):
                if not row or not ends_turn(row[-1]):
                    row.append(token)
            if all(ends_turn(row[-1]) for row in written):
                break
            tokens = best[:, None]
            mask = torch.cat([mask, mask.new_ones((len(prompts), 1))], dim=1)
            positions = positions[:, -1:] + 1
    return written
