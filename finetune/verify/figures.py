"""How near two models' logits are: agreement, KL and error; and how surprised each is by given text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Logits = npt.NDArray[np.float32]
else:
    Logits = Any


@dataclass(frozen=True)
class Figures:
    """How near two sets of logits are, over some positions.

    agreement: share of positions with the same most likely token. kl: mean of KL(transformers || llama.cpp), in nats.
    logit_error: root mean square difference of the logits, each position's mean taken off first (softmax does not
    see it).
    """

    agreement: float
    kl: float
    logit_error: float


def compare(reference: Logits, candidate: Logits) -> Figures:
    """How near `candidate` is to `reference`, both (positions, vocabulary)."""
    import numpy as np

    p, q = log_softmax(reference), log_softmax(candidate)
    difference = reference.astype(np.float64) - candidate
    difference -= difference.mean(axis=1, keepdims=True)
    return Figures(
        float(np.mean(reference.argmax(axis=1) == candidate.argmax(axis=1))),
        float(np.mean(np.sum(np.exp(p) * (p - q), axis=1))),
        float(np.sqrt(np.mean(difference**2))),
    )


def over_all(figures: Sequence[tuple[Figures, int]]) -> Figures:
    """The figures over all positions, from those of each prompt and its number of positions."""
    positions = sum(count for _, count in figures)
    return Figures(
        sum(one.agreement * count for one, count in figures) / positions,
        sum(one.kl * count for one, count in figures) / positions,
        math.sqrt(sum(one.logit_error**2 * count for one, count in figures) / positions),
    )


def log_softmax(logits: Logits) -> Any:
    """Log-probabilities, (positions, vocabulary), in float64: a KL is a small difference of large numbers."""
    import numpy as np

    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Read:
    """How a model read a given reply. loss: nats over all its tokens; exact: it would have written it, greedily."""

    loss: float
    tokens: int
    exact: bool


def read_reply(logits: Logits, reply: Sequence[int]) -> Read:
    """logits: (len(reply), vocabulary), row i predicting reply[i].

    Teacher-forced, a greedy model writes the reply if and only if each of its tokens is the most likely one.
    """
    import numpy as np

    chosen = np.asarray(reply)
    logs = log_softmax(logits)[np.arange(len(chosen)), chosen]
    return Read(float(-logs.sum()), len(chosen), bool((logits.argmax(axis=1) == chosen).all()))


def mean_loss(reads: Sequence[Read]) -> float:
    """Nats per token over all replies."""
    return sum(read.loss for read in reads) / max(sum(read.tokens for read in reads), 1)


def exact_share(reads: Sequence[Read]) -> float:
    """The share of replies that were written exactly."""
    return sum(read.exact for read in reads) / max(len(reads), 1)
