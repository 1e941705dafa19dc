"""How much memory a run takes at its peak, part by part, from the sizes of model, adapter and heaviest batch.

The formulas count the tensors that are kept for the backward pass; the constants are measured on a CPU, and
`benchmarks/plan.py` compares the sum with the peak of real runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from finetune.activations import fast_floats, plain_floats
from finetune.choices import Choices
from finetune.config import RunConfig
from finetune.plan.load import Batch
from finetune.shape import Shape

_FLOAT32 = 4
_MB = 1_000_000

# Python with all that a run imports, before any weight is read: 610 MB of its own, 250 MB of the libraries' files.
_PROGRAM = 860 * _MB
# nf4 with double quantisation keeps 4 bits a weight, and 8 bits for each 64 of them (arXiv:2305.14314, section 3).
_NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
_INT8_BYTES = 1.0
# Weights, gradient and AdamW's two states of each trained weight; in 8 bits the states take a byte each.
_STATES = {"adamw": 8, "paged_adamw_32bit": 8, "adamw_8bit": 2, "paged_adamw_8bit": 2}
# Logits of so many tokens are held at once by the fast path's head.
_HEAD_ROWS = 256
# What the estimate may be off by, either way.
_LOW, _HIGH = 0.85, 1.2


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak of a run. low, high: what it may turn out to be. parts: of the expected peak."""

    low: int
    expected: int
    high: int
    parts: Mapping[str, int]

    def as_json(self) -> dict[str, object]:
        """All of it."""
        return asdict(self)


def estimate(config: RunConfig, choices: Choices, shape: Shape, batch: Batch) -> Memory:
    """The peak of a run. batch: its heaviest."""
    fast = choices.path.value == "fast"
    trained = trained_weights(config, shape)
    training = {
        "weights": _weights(config, shape),
        "adapter": trained * _FLOAT32 if config.method == "lora" else 0,
        "gradients": trained * _FLOAT32,
        "optimizer": trained * _STATES[choices.optimizer.value],
        "activations": _activations(config, choices, shape, batch, fast=fast),
        "logits": _logits(shape, batch, fast=fast),
    }
    # A base is read in 32 bits, and its largest tensor is there twice for a moment.
    loading = {"loading": (shape.parameters + shape.vocabulary * shape.hidden) * _FLOAT32}
    # Quantised weights are proved on a file of what they stand for, and so the base is read once more.
    proving = {name: training[name] for name in ("weights", "adapter")} | {"proof": loading["loading"]}
    stages = [training, loading, *([proving] if config.weights != "plain" else [])]
    heaviest = max(stages, key=lambda parts: sum(parts.values()))
    parts = {"program": _PROGRAM, **{name: size for name, size in heaviest.items() if size}}
    expected = sum(parts.values())
    return Memory(round(expected * _LOW), expected, round(expected * _HIGH), parts)


def trained_weights(config: RunConfig, shape: Shape) -> int:
    """How many weights are trained."""
    if config.method == "full":
        return shape.parameters
    targets = config.lora.target_modules
    layers = [size for name, size in shape.linear.items() if targets == "all-linear" or name in targets]
    lengths = sum(outs for _, outs in layers) if config.lora.dora else 0
    return shape.layers * (config.lora.rank * sum(ins + outs for ins, outs in layers) + lengths)


def _weights(config: RunConfig, shape: Shape) -> int:
    """Bytes of the base as it is held."""
    linear = shape.layers * sum(ins * outs for ins, outs in shape.linear.values())
    each = {"plain": float(_FLOAT32), "nf4": _NF4_BYTES, "int8": _INT8_BYTES}[config.weights]
    return round(linear * each) + (shape.parameters - linear) * _FLOAT32


def _activations(config: RunConfig, choices: Choices, shape: Shape, batch: Batch, *, fast: bool) -> int:
    """Bytes kept for the backward pass."""
    if fast:
        floats = sum(length * fast_floats(config, shape, length) for length in batch.portion)
        return floats * shape.layers * _FLOAT32
    each = plain_floats(config, shape)
    if choices.checkpointing.value == "on":
        # One layer at a time is computed again; of the others the input is kept.
        return batch.padded * (shape.layers * shape.hidden + each) * _FLOAT32
    return batch.padded * shape.layers * each * _FLOAT32


def _logits(shape: Shape, batch: Batch, *, fast: bool) -> int:
    """Bytes of the language head's results: logits, and their gradient where they are not computed in blocks."""
    rows = min(batch.trained, _HEAD_ROWS) if fast else 3 * batch.trained
    return rows * shape.vocabulary * _FLOAT32
