"""Chooses the next token with transformers' own logits processors, in the order of the fields of `Sampling`.

Logit bias, penalties; then at temperature 0 the most likely token; else top-k, typical, top-p, min-p, temperature,
draw. A setting that is neutral is left out; what transformers has no processor for is refused by name.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fireside.errors import ModelError
from fireside.models.sampling import NEUTRAL, Sampling

if TYPE_CHECKING:
    import torch

_LARGEST_SEED = 2**63

# What llama.cpp has and transformers has not; DRY and bans bear on greedy replies too.
_NEVER = ("dry_multiplier", "banned_phrases")
_NOT_DRAWING = ("top_n_sigma", "xtc_probability", "temperature_range", "mirostat")


class TokenSampler:
    """The processors of one reply, and its random numbers."""

    def __init__(self, sampling: Sampling, vocabulary_size: int, device: str) -> None:
        """Build the chain. Raises ModelError for settings that cannot be had here, naming them."""
        import torch

        settings = sampling.over(NEUTRAL)
        refuse_unknown(settings)
        self._greedy = settings.temperature is not None and settings.temperature <= 0
        self._steps = _steps(settings, vocabulary_size, greedy=self._greedy)
        self._window = NEUTRAL.penalty_window if settings.penalty_window is None else settings.penalty_window
        self._generator = torch.Generator(device=device)
        seed = settings.seed if settings.seed is not None else secrets.randbits(32)
        self._generator.manual_seed(seed % _LARGEST_SEED)

    @property
    def plain_greedy(self) -> bool:
        """Whether it takes the likeliest token of the logits as they are."""
        return self._greedy and not self._steps

    def sample(self, logits: torch.Tensor, reply: Sequence[int]) -> int:
        """The next token. logits: float32 (vocabulary,), on the device. reply: what penalties look back on.

        Raises ModelError where the logits are not numbers.
        """
        import torch

        scores = logits[None]
        window = reply if self._window is None or self._window < 0 else reply[len(reply) - self._window :]
        if self._steps:
            past = torch.tensor([list(window)], dtype=torch.long, device=scores.device)
            for step in self._steps:
                scores = step(past, scores)
        best = int(scores.argmax())
        if not torch.isfinite(scores[0, best]):
            raise ModelError(
                "the model computed no usable numbers", 'set its dtype to "float32", or get the model again'
            )
        if self._greedy:
            return best
        return int(torch.multinomial(scores.softmax(dim=-1), 1, generator=self._generator))


def usable(recommended: Sampling) -> Sampling:
    """A recommendation without what cannot be had here: nobody asked for it, so it is no reason to refuse."""
    return replace(recommended, **{name: getattr(NEUTRAL, name) for name in (*_NEVER, *_NOT_DRAWING)})


def refuse_unknown(settings: Sampling) -> None:
    """Raise ModelError for settings, none of them None, that transformers has no processor for and that would bear."""
    greedy = settings.temperature is not None and settings.temperature <= 0
    names = [name for name in (_NEVER if greedy else (*_NEVER, *_NOT_DRAWING)) if getattr(settings, name)]
    if names:
        raise ModelError(
            f"this engine cannot sample with {', '.join(names)}: transformers has nothing for it",
            "leave it out, or run the model as a GGUF file with llama.cpp",
        )


def _steps(settings: Sampling, size: int, *, greedy: bool) -> list[Callable[[Any, Any], Any]]:
    """The processors that are not neutral; each takes tokens (1, n) and logits (1, vocabulary)."""
    import transformers

    library: Any = transformers  # its types do not tell all it takes
    steps: list[Callable[[Any, Any], Any]] = []
    bias = {(token,): float(value) for token, value in settings.logit_bias.items() if 0 <= token < size}
    if bias:
        steps.append(library.SequenceBiasLogitsProcessor(sequence_bias=bias))
    if settings.repeat_penalty not in (None, 1.0):
        steps.append(library.RepetitionPenaltyLogitsProcessor(settings.repeat_penalty))
    frequency, presence = settings.frequency_penalty or 0.0, settings.presence_penalty or 0.0
    if frequency or presence:
        steps.append(lambda past, scores: _penalised(past, scores, frequency, presence))
    if greedy:
        return steps
    if settings.top_k:
        steps.append(library.TopKLogitsWarper(top_k=settings.top_k))
    if settings.typical_p is not None and settings.typical_p < 1:
        steps.append(library.TypicalLogitsWarper(mass=max(settings.typical_p, 1e-6)))
    if settings.top_p is not None and settings.top_p < 1:
        steps.append(library.TopPLogitsWarper(top_p=max(settings.top_p, 0.0)))
    if settings.min_p:
        steps.append(library.MinPLogitsWarper(min_p=min(settings.min_p, 1.0)))
    if settings.temperature not in (None, 1.0):
        steps.append(library.TemperatureLogitsWarper(temperature=settings.temperature))
    return steps


def _penalised(past: Any, scores: Any, frequency: float, presence: float) -> Any:
    """Frequency and presence penalties, as the OpenAI API defines them, which transformers has no processor for."""
    counts = past[0].bincount(minlength=scores.shape[-1])[: scores.shape[-1]].to(scores.dtype)
    return scores - frequency * counts - presence * (counts > 0)
