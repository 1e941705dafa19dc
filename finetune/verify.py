"""Proves an export: llama.cpp with the GGUF adapter must say what transformers with the PEFT adapter says.

Both are teacher-forced along the same text, the greedy continuation by transformers with the adapter, because two
free-running models drift apart at the first near tie, and that measures nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.data.render import Example
from fireside.models.gguf.forcing import TeacherForcing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Logits = npt.NDArray[np.float32]

PROMPTS = 20
CONTINUATION = 32
LEAST_AGREEMENT = 0.95
MOST_KL = 0.01
MOST_RATIO = 2.0


@dataclass(frozen=True)
class Prompt:
    """Token ids up to the opening of the assistant's reply. `held_back` is False for one that was trained on."""

    tokens: tuple[int, ...]
    held_back: bool = True


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


@dataclass(frozen=True)
class Item:
    """One prompt's check over the positions of its continuation; `base` is the same without the adapter."""

    prompt: str
    continuation: str
    held_back: bool
    positions: int
    adapter: Figures
    base: Figures

    def as_json(self) -> dict[str, Any]:
        """Flat, the base's figures with the prefix `base_`."""
        figures = {**asdict(self.adapter), **{f"base_{key}": value for key, value in asdict(self.base).items()}}
        return {**{key: value for key, value in asdict(self).items() if key not in ("adapter", "base")}, **figures}


@dataclass(frozen=True)
class Report:
    """The check over all prompts: the verdict, and why an export is refused ("" where it is not)."""

    verified: bool
    reason: str
    prompts: int
    positions: int
    adapter: Figures
    base: Figures
    items: tuple[Item, ...]

    def scores(self) -> dict[str, Any]:
        """The figures over all prompts, the base's with the prefix `base_`."""
        return {
            "verified": self.verified,
            "reason": self.reason,
            "prompts": self.prompts,
            "positions": self.positions,
            **asdict(self.adapter),
            **{f"base_{key}": value for key, value in asdict(self.base).items()},
        }

    def as_json(self) -> dict[str, Any]:
        """The document of `fireside tune verify --json`."""
        return {"suite": "verify", "scores": self.scores(), "items": [item.as_json() for item in self.items]}


@dataclass(frozen=True)
class Reference:
    """What transformers says of one prompt: its greedy continuation with the adapter, and the logits along it, with the
    adapter and without, each (continuation, vocabulary)."""

    prompt: Prompt
    continuation: tuple[int, ...]
    adapter_logits: Logits
    base_logits: Logits


def choose_prompts(held_back: Sequence[Example], trained: Sequence[Example]) -> tuple[Prompt, ...]:
    """Up to 20 prompts, held-back ones first.

    Where they are fewer, trained ones fill up: this checks the export and not what was learnt, and a handful of
    positions would decide nothing.
    """
    chosen = [Prompt(example.input_ids[: example.prompt_length()]) for example in held_back[:PROMPTS]]
    for example in trained[: PROMPTS - len(chosen)]:
        chosen.append(Prompt(example.input_ids[: example.prompt_length()], held_back=False))
    return tuple(chosen)


def verify(model: Any, forcing: TeacherForcing, adapter: Path, prompts: Sequence[Prompt]) -> Report:
    """Compare transformers' `model` (peft, with the adapter) with llama.cpp and the GGUF file `adapter`.

    Raises AdapterError where llama.cpp refuses the file.
    """
    return check(references(model, prompts, forcing.model.ends_turn), forcing, adapter)


def references(model: Any, prompts: Sequence[Prompt], ends_turn: Callable[[int], bool]) -> Iterator[Reference]:
    """What transformers says, one prompt after the other."""
    continuations = greedy_continuations(model, [prompt.tokens for prompt in prompts], ends_turn)
    for prompt, continuation in zip(prompts, continuations, strict=True):
        tokens = [*prompt.tokens, *continuation]
        with_adapter = _logits(model, tokens, len(continuation))
        with model.disable_adapter():
            without = _logits(model, tokens, len(continuation))
        yield Reference(prompt, tuple(continuation), with_adapter, without)


def check(expected: Iterable[Reference], forcing: TeacherForcing, adapter: Path) -> Report:
    """Compare llama.cpp with what transformers says. Raises AdapterError where llama.cpp refuses the file."""
    items: list[Item] = []
    for reference in expected:
        tokens = [*reference.prompt.tokens, *reference.continuation]
        # Row i predicts token i + 1: these are the rows that predict the continuation.
        first = len(reference.prompt.tokens) - 1
        forcing.apply_adapters([(adapter, 1.0)])
        with_adapter = forcing.logits(tokens)[first:-1]
        forcing.apply_adapters([])
        without = forcing.logits(tokens)[first:-1]
        items.append(
            Item(
                forcing.model.text(reference.prompt.tokens),
                forcing.model.text(reference.continuation),
                reference.prompt.held_back,
                len(reference.continuation),
                compare(reference.adapter_logits, with_adapter),
                compare(reference.base_logits, without),
            )
        )
    return judge(items)


def judge(items: Sequence[Item]) -> Report:
    """The verdict over all positions of all prompts."""
    adapter = _over_all([(item.adapter, item.positions) for item in items])
    base = _over_all([(item.base, item.positions) for item in items])
    reasons = []
    # Written so that a figure that is not a number fails.
    if not adapter.agreement >= LEAST_AGREEMENT:
        reasons.append(f"the most likely token agrees on {adapter.agreement:.3f} of positions, below {LEAST_AGREEMENT}")
    if not adapter.kl <= MOST_KL:
        reasons.append(f"the mean KL is {adapter.kl:.4f}, above {MOST_KL}")
    if not adapter.kl <= MOST_RATIO * base.kl:
        reasons.append(f"the mean KL is {adapter.kl:.4f}, more than twice the base's own {base.kl:.4f}")
    # A model that is sure of every token hides a wrong adapter from the first three; its logits tell.
    if not adapter.logit_error <= MOST_RATIO * base.logit_error:
        reasons.append(
            f"the logits differ by {adapter.logit_error:.2f}, more than twice the base's own {base.logit_error:.2f}"
        )
    return Report(
        verified=not reasons,
        reason="; ".join(reasons),
        prompts=len(items),
        positions=sum(item.positions for item in items),
        adapter=adapter,
        base=base,
        items=tuple(items),
    )


def _over_all(figures: Sequence[tuple[Figures, int]]) -> Figures:
    """The figures over all positions, from those of each prompt and its number of positions."""
    positions = sum(count for _, count in figures)
    return Figures(
        sum(one.agreement * count for one, count in figures) / positions,
        sum(one.kl * count for one, count in figures) / positions,
        math.sqrt(sum(one.logit_error**2 * count for one, count in figures) / positions),
    )


def compare(reference: Logits, candidate: Logits) -> Figures:
    """How near `candidate` is to `reference`, both (positions, vocabulary)."""
    import numpy as np

    p, q = _log_softmax(reference), _log_softmax(candidate)
    difference = reference.astype(np.float64) - candidate
    difference -= difference.mean(axis=1, keepdims=True)
    return Figures(
        float(np.mean(reference.argmax(axis=1) == candidate.argmax(axis=1))),
        float(np.mean(np.sum(np.exp(p) * (p - q), axis=1))),
        float(np.sqrt(np.mean(difference**2))),
    )


def _log_softmax(logits: Logits) -> Any:
    import numpy as np

    # In float64: the KL is a small difference of large numbers.
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _logits(model: Any, tokens: Sequence[int], count: int) -> Logits:
    """transformers' logits that predict the last `count` of `tokens`: (count, vocabulary)."""
    import torch

    with torch.no_grad():
        rows: Logits = (
            model(input_ids=torch.tensor([list(tokens)]), logits_to_keep=count + 1, use_cache=False)
            .logits[0, :-1]
            .numpy()
        )
        return rows


def greedy_continuations(
    model: Any, prompts: Sequence[Sequence[int]], ends_turn: Callable[[int], bool]
) -> list[list[int]]:
    """The most likely continuation of each prompt, 32 tokens or to the end of the turn, that token included.

    The prompts run as one left-padded batch: on a CPU, twenty cost little more than one.
    """
    import torch

    longest = max(len(prompt) for prompt in prompts)
    padding = [longest - len(prompt) for prompt in prompts]
    tokens = torch.tensor([[0] * pad + list(prompt) for pad, prompt in zip(padding, prompts, strict=True)])
    mask = torch.tensor([[0] * pad + [1] * len(prompt) for pad, prompt in zip(padding, prompts, strict=True)])
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    written: list[list[int]] = [[] for _ in prompts]
    cache = None
    with torch.no_grad():
        for _ in range(CONTINUATION):
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
            mask = torch.cat([mask, torch.ones((len(prompts), 1), dtype=mask.dtype)], dim=1)
            positions = positions[:, -1:] + 1
    return written
