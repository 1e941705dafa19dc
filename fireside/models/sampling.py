"""How the next token is chosen from the model's probabilities: one frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """Sampling settings; the defaults are SmolLM2's own recommendation (its model card: temperature 0.2, top-p 0.9).

    temperature: 0 takes the most likely token always (greedy); the rest then has no effect.
    top_k: keep the k most likely tokens; 0 keeps all.
    top_p: keep the smallest set of tokens whose probabilities add up to this (nucleus sampling, arXiv:1904.09751).
    min_p: drop tokens less likely than this share of the most likely one (arXiv:2407.01082); 0 drops none.
    repeat_penalty: divide the logits of the last 64 tokens by this (arXiv:1909.05858); 1 changes nothing.
    seed: makes a reply repeatable; None draws a new one each time.
    """

    temperature: float = 0.2
    top_k: int = 40
    top_p: float = 0.9
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    seed: int | None = None


GREEDY = Sampling(temperature=0.0)
"""The most likely token always: repeatable, for checks and for constrained choices."""
