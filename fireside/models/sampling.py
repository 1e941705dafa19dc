"""How the next token is chosen from the model's probabilities: one frozen dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace


@dataclass(frozen=True)
class Sampling:
    """Sampling settings. None leaves a setting to the model's recommendation, and without one to what is neutral.

    The samplers work in the order of the fields below. At temperature 0 the most likely token is taken after bias,
    penalties and DRY (greedy).

    logit_bias: added to the logits of these tokens (token -> bias; -inf forbids it).
    repeat_penalty: divide the logits of the last `penalty_window` tokens by this (arXiv:1909.05858); neutral 1.
    frequency_penalty, presence_penalty: subtracted for every, or any, occurrence in that window; neutral 0.
    penalty_window: tokens that penalties and DRY look back on; neutral 64, -1 the whole context.
    dry_multiplier: strength of DRY, which penalises going on with a sequence that was there before; neutral 0 (off).
    dry_base, dry_allowed_length: the penalty is multiplier * base ** (length of the repeat - allowed length).
    top_n_sigma: keep tokens whose logit is within n standard deviations of the best (arXiv:2411.07641); neutral 0.
    top_k: keep the k most likely tokens; neutral 0 (all).
    typical_p: locally typical sampling (arXiv:2202.00666); neutral 1.
    top_p: keep the smallest set of tokens whose probabilities add up to this (arXiv:1904.09751); neutral 1.
    min_p: drop tokens less likely than this share of the most likely one (arXiv:2407.01082); neutral 0.
    xtc_probability, xtc_threshold: with this probability, drop all but the least likely of the tokens above the
        threshold; neutral 0.
    temperature: divides the logits; 0 is greedy; neutral 1.
    temperature_range: dynamic temperature: between temperature - range and + range by the entropy; neutral 0.
    mirostat: 1 or 2 in place of all of top-n-sigma to XTC (arXiv:2007.14966); 0 off. mirostat_tau: the surprise aimed
        at. mirostat_eta: how fast it adapts.
    seed: makes a reply repeatable; None draws a new one each time.
    banned_phrases: texts that the reply never contains, in whatever case; the engine goes back to where one began.
    """

    logit_bias: Mapping[int, float] = field(default_factory=dict)
    repeat_penalty: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    penalty_window: int | None = None
    dry_multiplier: float | None = None
    dry_base: float | None = None
    dry_allowed_length: int | None = None
    top_n_sigma: float | None = None
    top_k: int | None = None
    typical_p: float | None = None
    top_p: float | None = None
    min_p: float | None = None
    xtc_probability: float | None = None
    xtc_threshold: float | None = None
    temperature: float | None = None
    temperature_range: float | None = None
    mirostat: int | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    seed: int | None = None
    banned_phrases: tuple[str, ...] = ()

    def over(self, recommended: Sampling) -> Sampling:
        """These settings, with those left open taken from `recommended`."""
        own = {each.name: value for each in fields(self) if (value := getattr(self, each.name)) not in (None, (), {})}
        return replace(recommended, **own)


NEUTRAL = Sampling(
    repeat_penalty=1.0,
    frequency_penalty=0.0,
    presence_penalty=0.0,
    penalty_window=64,
    dry_multiplier=0.0,
    dry_base=1.75,
    dry_allowed_length=2,
    top_n_sigma=0.0,
    top_k=0,
    typical_p=1.0,
    top_p=1.0,
    min_p=0.0,
    xtc_probability=0.0,
    xtc_threshold=0.1,
    temperature=1.0,
    temperature_range=0.0,
    mirostat=0,
    mirostat_tau=5.0,
    mirostat_eta=0.1,
)
"""Every setting at the value that changes nothing; DRY's, XTC's and mirostat's own numbers as llama.cpp has them."""

GREEDY = replace(NEUTRAL, temperature=0.0)
"""The most likely token always: repeatable, for checks and for constrained choices."""
