"""Which tokens each setting leaves, over known probabilities."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from fireside.errors import ModelError
from fireside.models.hf.samplers import TokenSampler, usable
from fireside.models.sampling import GREEDY, NEUTRAL, Sampling

PROBABILITIES = (0.5, 0.3, 0.15, 0.04, 0.01)  # their entropy is 1.17 nats, nearest to the second's surprise


def sampler(**settings: Any) -> TokenSampler:
    return TokenSampler(replace(NEUTRAL, **({"seed": 1} | settings)), len(PROBABILITIES), "cpu")


def drawn(chain: TokenSampler, times: int = 400) -> list[int]:
    import torch

    logits = torch.tensor(PROBABILITIES).log()
    return [chain.sample(logits, []) for _ in range(times)]


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({}, {0, 1, 2, 3, 4}),
        ({"top_k": 2}, {0, 1}),
        ({"top_p": 0.4}, {0}),
        ({"top_p": 0.6}, {0, 1}),
        ({"min_p": 0.25}, {0, 1, 2}),
        ({"typical_p": 0.2}, {1}),
        ({"temperature": 0.01}, {0}),
        ({"logit_bias": {0: -math.inf, 2: -math.inf}}, {1, 3, 4}),
        # Temperature comes last: it makes the tail likely only among what the others left.
        ({"top_p": 0.6, "temperature": 50.0}, {0, 1}),
        ({"top_k": 3, "min_p": 0.5, "temperature": 50.0}, {0, 1}),
    ],
)
def test_what_each_setting_leaves(settings: dict[str, Any], left: set[int]) -> None:
    assert set(drawn(sampler(**settings), 1000)) == left


def test_draws_follow_the_probabilities_and_the_seed() -> None:
    tokens = drawn(sampler(), 3000)
    for token, probability in enumerate(PROBABILITIES):
        assert tokens.count(token) / 3000 == pytest.approx(probability, abs=0.03)
    assert drawn(sampler()) == drawn(sampler()) != drawn(sampler(seed=2))
    assert drawn(sampler(seed=None)) != drawn(sampler(seed=None))
    hot = drawn(sampler(temperature=50.0), 3000)
    assert hot.count(4) / 3000 == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("settings", "reply", "token"),
    [
        ({}, [0, 0, 0], 0),
        ({"presence_penalty": 1.0}, [0], 1),
        ({"presence_penalty": 0.3}, [0, 0, 0], 0),
        ({"frequency_penalty": 0.3}, [0, 0, 0], 1),
        ({"frequency_penalty": 0.3}, [0], 0),
        ({"repeat_penalty": 2.0}, [0], 1),
        ({"presence_penalty": 1.0, "penalty_window": 1}, [0, 3], 0),
        ({"presence_penalty": 1.0, "penalty_window": 2}, [0, 3], 1),
        ({"presence_penalty": 1.0, "penalty_window": -1}, [0, *[3] * 99], 1),
        ({"presence_penalty": 1.0}, [0, *[3] * 99], 0),
        ({"presence_penalty": 1.0, "penalty_window": 0}, [0], 0),
        ({"logit_bias": {4: 100.0, 99: 1.0}}, [], 4),
    ],
)
def test_greedy_after_bias_and_penalties(settings: dict[str, Any], reply: list[int], token: int) -> None:
    import torch

    chain = sampler(temperature=0.0, **settings)
    assert chain.sample(torch.tensor(PROBABILITIES).log(), reply) == token


REFUSED: list[dict[str, Any]] = [
    {"mirostat": 2},
    {"xtc_probability": 0.5},
    {"dry_multiplier": 0.8},
    {"top_n_sigma": 1.0},
    {"temperature_range": 0.5},
    {"banned_phrases": ("never",)},
]


@pytest.mark.parametrize("change", REFUSED)
def test_what_cannot_be_had_is_refused_by_name(change: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=next(iter(change))):
        sampler(**change)
    # Nobody asked for what a model's maker recommends.
    TokenSampler(usable(replace(NEUTRAL, **change)), 5, "cpu")


def test_what_would_not_bear_is_no_reason_to_refuse() -> None:
    assert TokenSampler(replace(GREEDY, xtc_probability=0.5), 5, "cpu").plain_greedy
    assert not TokenSampler(replace(GREEDY, presence_penalty=0.5), 5, "cpu").plain_greedy
    assert TokenSampler(Sampling(temperature=0.0), 5, "cpu").plain_greedy


def test_logits_that_are_no_numbers_are_an_error() -> None:
    import torch

    for chain in (sampler(), sampler(temperature=0.0)):
        with pytest.raises(ModelError, match="numbers"):
            chain.sample(torch.tensor([math.nan, 1.0, 2.0, 3.0, 4.0]), [])
        with pytest.raises(ModelError, match="numbers"):
            chain.sample(torch.full((5,), -math.inf), [])
