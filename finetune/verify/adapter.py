"""Proves an adapter's export: llama.cpp with the GGUF adapter must say what transformers with the PEFT adapter says.

Both are teacher-forced along the same text, the greedy continuation by transformers with the adapter, because two
free-running models drift apart at the first near tie, and that measures nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetune.data.render import Example
from finetune.verify.figures import Figures, Logits, Read, compare, exact_share, mean_loss, over_all, read_reply
from finetune.verify.greedy import CONTINUATION, greedy_continuations, last_logits
from fireside.models.gguf.forcing import TeacherForcing

PROMPTS = 20
# Of a held-back reply, so much is read: loss and exact match are of its beginning.
REPLY = 64


@dataclass(frozen=True)
class Limits:
    """What an export must reach. agreement at least, kl at most; and neither KL nor logit error may be over twice the
    base's own, unless they are below kl_noise and error_noise."""

    agreement: float
    kl: float
    kl_noise: float = 0.0
    error_noise: float = 0.0


QUANTISED = Limits(0.95, 0.01)
"""Over a quantised base, whose own rounding both sides share but not to the last bit."""
EXACT = Limits(0.99, 1e-4, kl_noise=5e-5, error_noise=0.02)
"""Over a base in 16 or 32 bits: 16-bit floats alone give an agreement of 0.997, a KL of 6e-6 and an error of 0.005."""
MOST_RATIO = 2.0


@dataclass(frozen=True)
class Prompt:
    """Token ids up to the opening of the assistant's reply, and the reply's. held_back: False if it was trained on."""

    tokens: tuple[int, ...]
    held_back: bool = True
    reply: tuple[int, ...] = ()


@dataclass(frozen=True)
class Item:
    """One prompt's check over the positions of its continuation; `base` is the same without the adapter.

    read, base_read, trained_read: the held-back reply as llama.cpp reads it with the adapter and without, and
    transformers with it; None where there is none.
    """

    prompt: str
    continuation: str
    held_back: bool
    positions: int
    adapter: Figures
    base: Figures
    read: Read | None = None
    base_read: Read | None = None
    trained_read: Read | None = None

    def as_json(self) -> dict[str, Any]:
        """What went in, what came out, and its figures."""
        return {
            "prompt": self.prompt,
            "continuation": self.continuation,
            "held_back": self.held_back,
            "positions": self.positions,
            **asdict(self.adapter),
            **{f"base_{key}": value for key, value in asdict(self.base).items()},
            **({"exact": self.read.exact, "loss": self.read.loss / self.read.tokens} if self.read else {}),
        }


@dataclass(frozen=True)
class Report:
    """The verdict, and the figures with the adapter and of the base alone. reason: why it was refused, else ""."""

    verified: bool
    reason: str
    prompts: int
    positions: int
    adapter: Figures
    base: Figures
    items: tuple[Item, ...]
    drift: Figures | None = None
    """Against the base's own GGUF file, where the run trained over another rounding of it (nf4); only told."""

    def scores(self) -> dict[str, Any]:
        """The figures over all prompts, the base's with the prefix `base_`."""
        return {
            "verified": self.verified,
            "reason": self.reason,
            "prompts": self.prompts,
            "positions": self.positions,
            **asdict(self.adapter),
            **{f"base_{key}": value for key, value in asdict(self.base).items()},
            **({f"drift_{key}": value for key, value in asdict(self.drift).items()} if self.drift else {}),
            **_reply_scores(self.items),
        }

    def as_json(self) -> dict[str, Any]:
        """The document of `fireside tune verify --json`."""
        return {"suite": "verify", "scores": self.scores(), "items": [item.as_json() for item in self.items]}


@dataclass(frozen=True)
class Reference:
    """What transformers says of one prompt: its greedy continuation with the adapter, and the logits along it, with the
    adapter and without, each (continuation, vocabulary); and how it reads the held-back reply."""

    prompt: Prompt
    continuation: tuple[int, ...]
    adapter_logits: Logits
    base_logits: Logits
    read: Read | None = None


def choose_prompts(held_back: Sequence[Example], trained: Sequence[Example]) -> tuple[Prompt, ...]:
    """Up to 20 prompts, held-back ones first.

    Where they are fewer, trained ones fill up: this checks the export and not what was learnt, and a handful of
    positions would decide nothing.
    """
    chosen = [_prompt(example, held_back=True) for example in held_back[:PROMPTS]]
    return (*chosen, *(_prompt(example, held_back=False) for example in trained[: PROMPTS - len(chosen)]))


def _prompt(example: Example, *, held_back: bool) -> Prompt:
    """The first reply of an example and what comes before it; of plain text, the first token and what follows."""
    begin = max(example.prompt_length(), 1)
    end = begin
    while end < len(example.labels) and example.labels[end] == example.input_ids[end] and end < begin + REPLY:
        end += 1
    return Prompt(example.input_ids[:begin], held_back, example.input_ids[begin:end])


def references(
    model: Any, prompts: Sequence[Prompt], ends_turn: Callable[[int], bool], length: int = CONTINUATION
) -> Iterator[Reference]:
    """What transformers says, one prompt after the other; continuations of `length` tokens at most."""
    continuations = greedy_continuations(model, [prompt.tokens for prompt in prompts], ends_turn, length)
    for prompt, continuation in zip(prompts, continuations, strict=True):
        tokens = [*prompt.tokens, *continuation]
        with_adapter = last_logits(model, tokens, len(continuation))
        read = None
        if prompt.held_back and prompt.reply:
            read = read_reply(last_logits(model, [*prompt.tokens, *prompt.reply], len(prompt.reply)), prompt.reply)
        with model.disable_adapter():
            without = last_logits(model, tokens, len(continuation))
        yield Reference(prompt, tuple(continuation), with_adapter, without, read)


def check(expected: Iterable[Reference], forcing: TeacherForcing, adapter: Path, limits: Limits) -> Report:
    """Compare llama.cpp with what transformers says. Raises AdapterError where llama.cpp refuses the file."""
    return judge([_item(reference, forcing, adapter) for reference in expected], limits)


def drift(expected: Iterable[Reference], forcing: TeacherForcing, adapter: Path) -> Figures:
    """How near llama.cpp with the adapter over another base is to what transformers says; nothing is judged."""
    forcing.apply_adapters([(adapter, 1.0)])
    return over_all(
        [
            (
                compare(each.adapter_logits, _forced(forcing, each.prompt.tokens, each.continuation)),
                len(each.continuation),
            )
            for each in expected
        ]
    )


def _item(reference: Reference, forcing: TeacherForcing, adapter: Path) -> Item:
    prompt, continuation = reference.prompt, reference.continuation
    reads: list[Read | None] = [None, None]
    compared: list[Figures] = []
    for index, adapters in enumerate(([(adapter, 1.0)], [])):
        forcing.apply_adapters(adapters)
        expected = reference.base_logits if index else reference.adapter_logits
        compared.append(compare(expected, _forced(forcing, prompt.tokens, continuation)))
        if reference.read is not None:
            reads[index] = read_reply(_forced(forcing, prompt.tokens, prompt.reply), prompt.reply)
    return Item(
        forcing.model.text(prompt.tokens),
        forcing.model.text(continuation),
        prompt.held_back,
        len(continuation),
        compared[0],
        compared[1],
        reads[0],
        reads[1],
        reference.read,
    )


def _forced(forcing: TeacherForcing, prompt: Sequence[int], reply: Sequence[int]) -> Logits:
    """llama.cpp's logits that predict `reply` behind `prompt`: row i of a text predicts its token i + 1."""
    rows: Logits = forcing.logits([*prompt, *reply])[len(prompt) - 1 : -1]
    return rows


def judge(items: Sequence[Item], limits: Limits = QUANTISED) -> Report:
    """The verdict over all positions of all prompts."""
    adapter = over_all([(item.adapter, item.positions) for item in items])
    base = over_all([(item.base, item.positions) for item in items])
    reasons = []
    # Written so that a figure that is not a number fails.
    if not adapter.agreement >= limits.agreement:
        reasons.append(
            f"the most likely token agrees on {adapter.agreement:.3f} of positions, below {limits.agreement}"
        )
    if not adapter.kl <= limits.kl:
        reasons.append(f"the mean KL is {adapter.kl:.2g}, above {limits.kl:g}")
    if not adapter.kl <= max(MOST_RATIO * base.kl, limits.kl_noise):
        reasons.append(f"the mean KL is {adapter.kl:.2g}, more than twice the base's own {base.kl:.2g}")
    # A model that is sure of every token hides a wrong adapter from the first three; its logits tell.
    if not adapter.logit_error <= max(MOST_RATIO * base.logit_error, limits.error_noise):
        reasons.append(
            f"the logits differ by {adapter.logit_error:.3f}, more than twice the base's own {base.logit_error:.3f}"
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


def _reply_scores(items: Sequence[Item]) -> dict[str, Any]:
    """Held-back loss, perplexity and exact match, of the adapter, the base and the trained model."""
    read = [item.read for item in items if item.read]
    base = [item.base_read for item in items if item.base_read]
    trained = [item.trained_read for item in items if item.trained_read]
    if not read:
        return {}
    return {
        "replies": len(read),
        "held_back_loss": mean_loss(read),
        "base_held_back_loss": mean_loss(base),
        "exact_match": exact_share(read),
        "base_exact_match": exact_share(base),
        "perplexity": math.exp(mean_loss(read)),
        "trained_perplexity": math.exp(mean_loss(trained)),
    }
