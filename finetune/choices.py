"""What a run does the way this machine is good at, each choice with its reason; pure but for reading the machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

from finetune.activations import plain_floats
from finetune.config import RunConfig
from finetune.shape import Shape
from fireside.cores import usable_cores
from fireside.errors import TrainingError

CHOICES = "choices.json"

ADAPTER_RATE, WHOLE_RATE = 5e-4, 5e-5
_FLOAT32 = 4
# As GGUF and transformers name them.
_FAST_FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
# Of the free memory, what activations may take before they are computed twice instead.
_ACTIVATION_SHARE = 0.5
# Examples that fill more of max_length than this have little padding; fewer steps an epoch than that learn too little.
_FULL, _FEWEST_STEPS = 0.5, 50

_Value = TypeVar("_Value", str, int, float)


@dataclass(frozen=True)
class Machine:
    """What the machine has. memory, gpu_memory: free bytes. gpu: its name, "" for none. The bfloat16 ones: it computes
    in bfloat16 by itself, which makes that fast. flash_attention: FlashAttention-2 is installed."""

    cores: int
    memory: int
    cpu_bfloat16: bool = False
    gpu: str = ""
    gpu_memory: int = 0
    gpu_bfloat16: bool = False
    flash_attention: bool = False

    @property
    def room(self) -> int:
        """Free bytes where a run is computed."""
        return self.gpu_memory if self.gpu else self.memory


@dataclass(frozen=True)
class Choice(Generic[_Value]):
    """A setting as the run has it, and why, in a few words."""

    value: _Value
    reason: str


@dataclass(frozen=True)
class Choices:
    """Everything a run does by the machine; names of devices, dtypes and attention as torch and transformers have them.

    path: "fast" where `finetune.fast` computes the run, else "transformers". optimizer: a name of
    `config.Training.optimizer`, never "auto". checkpointing, packing: "on" or "off".
    """

    device: Choice[str]
    precision: Choice[str]
    path: Choice[str]
    attention: Choice[str]
    optimizer: Choice[str]
    learning_rate: Choice[float]
    threads: Choice[int]
    checkpointing: Choice[str]
    packing: Choice[str]

    def as_json(self) -> dict[str, Any]:
        """Each choice as {"value", "reason"}."""
        return asdict(self)


def read_choices(file: Path) -> Choices:
    """The choices a run wrote to its folder. Raises TrainingError where there are none."""
    try:
        values = json.loads(file.read_text("utf-8"))
        return Choices(**{field.name: Choice(**values[field.name]) for field in fields(Choices)})
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise TrainingError(f"cannot read {file}: {error}", "the run may have stopped before it chose") from error


def read_machine() -> Machine:
    """This machine, as torch and the kernel tell of it now."""
    import torch
    from transformers.utils.import_utils import is_flash_attn_2_available

    from fireside.models.hf.devices import detect
    from fireside.models.memory import free_memory

    hardware = detect()
    return Machine(
        cores=usable_cores(),
        memory=free_memory(),
        cpu_bfloat16=hardware.cpu_bfloat16,
        gpu=torch.cuda.get_device_name() if hardware.cuda else "",
        gpu_memory=int(torch.cuda.mem_get_info()[0]) if hardware.cuda else 0,
        gpu_bfloat16=hardware.cuda_bfloat16,
        flash_attention=bool(is_flash_attn_2_available()),
    )


def choose(machine: Machine, config: RunConfig, shape: Shape, lengths: Sequence[int] = ()) -> Choices:
    """What to do on `machine`; what the configuration sets is kept. lengths: tokens of each training example.

    Raises TrainingError where the machine cannot do what the configuration asks for.
    """
    check_machine(machine, config)
    device = Choice("cuda", machine.gpu) if machine.gpu else Choice("cpu", "there is no GPU that torch can use")
    precision = _precision(machine, config)
    path = _path(machine, config, shape, precision.value)
    packing = _packing(config, lengths, fast=path.value == "fast")
    return Choices(
        device=device,
        precision=precision,
        path=path,
        attention=_attention(machine, config, precision.value, packed=packing.value == "on"),
        optimizer=_optimizer(machine, config, shape),
        learning_rate=_learning_rate(config),
        threads=_threads(machine, config),
        checkpointing=_checkpointing(machine, config, shape, lengths, path.value, packed=packing.value == "on"),
        packing=packing,
    )


def check_machine(machine: Machine, config: RunConfig) -> None:
    """Raises TrainingError where `machine` cannot do at all what the configuration asks for."""
    _precision(machine, config)
    wanted = config.training.optimizer
    if wanted.startswith("paged") and not machine.gpu:
        raise TrainingError(
            f"training.optimizer is {wanted}, whose states move between a GPU and main memory; there is no GPU",
            'set it to "adamw", or to "adamw_8bit" to save memory',
        )


def activation_bytes(config: RunConfig, shape: Shape, tokens: int) -> int:
    """Bytes that one batch of `tokens` keeps for its gradients, in float32, without checkpointing, by transformers."""
    return tokens * shape.layers * plain_floats(config, shape) * _FLOAT32


def _precision(machine: Machine, config: RunConfig) -> Choice[str]:
    wanted = config.training.precision
    if wanted == "float32":
        return Choice(wanted, "the configuration says so")
    if machine.gpu:
        if wanted == "bfloat16" and not machine.gpu_bfloat16:
            raise TrainingError(
                f"training.precision is bfloat16, which {machine.gpu} cannot compute fast",
                'set it to "float16" or "auto"',
            )
        if wanted != "auto":
            return Choice(wanted, "the configuration says so")
        if machine.gpu_bfloat16:
            return Choice("bfloat16", "the GPU computes it fast, and it has float32's range")
        return Choice("float16", "the GPU has no fast bfloat16")
    if wanted == "float16":
        raise TrainingError(
            "training.precision is float16, in which a CPU cannot train", 'set it to "float32" or "auto"'
        )
    if machine.cpu_bfloat16:
        why = "the configuration says so" if wanted == "bfloat16" else "the CPU has instructions for it"
        return Choice("bfloat16", why)
    if wanted == "bfloat16":
        raise TrainingError(
            "training.precision is bfloat16, for which this CPU has no instructions: it would be 10 to 43 times slower",
            'set it to "float32" or "auto"',
        )
    return Choice("float32", "this CPU has no instructions for 16-bit numbers, which makes them 10 to 43 times slower")


def _path(machine: Machine, config: RunConfig, shape: Shape, precision: str) -> Choice[str]:
    """Whether `finetune.fast` computes the run: plain LoRA over a llama-like base, in float32 on the CPU."""
    lora, training = config.lora, config.training
    reasons = {
        "a GPU has kernels of its own": bool(machine.gpu),
        f"models of the family {shape.family} go through transformers": shape.family not in _FAST_FAMILIES,
        f"it computes in {precision}": precision != "float32",
        "all weights are trained": config.method == "full",
        f"the base is held as {config.weights}": config.weights != "plain",
        "DoRA": lora.dora,
        "lora.dropout": lora.dropout > 0,
        "training.neftune": training.neftune > 0,
        "training.checkpointing is on": training.checkpointing == "on",
    }
    reason = next((words for words, holds in reasons.items() if holds), None)
    return Choice("fast", "plain LoRA in float32 on the CPU") if reason is None else Choice("transformers", reason)


def _attention(machine: Machine, config: RunConfig, precision: str, *, packed: bool) -> Choice[str]:
    # transformers tells packed examples apart by their positions; for FlashAttention-2 only where a batch is one row.
    if packed and config.training.batch_size > 1 and machine.flash_attention:
        return Choice("sdpa", "FlashAttention-2 would let packed examples of a batch of several rows see each other")
    if machine.gpu and machine.flash_attention and precision != "float32":
        return Choice("flash_attention_2", "a GPU, 16-bit numbers, and it is installed")
    why = "FlashAttention-2 needs a GPU" if not machine.gpu else "FlashAttention-2 is not installed"
    if machine.gpu and machine.flash_attention:
        why = "FlashAttention-2 needs 16-bit numbers"
    return Choice("sdpa", why)


def _optimizer(machine: Machine, config: RunConfig, shape: Shape) -> Choice[str]:
    wanted = config.training.optimizer
    if wanted != "auto":
        return Choice(wanted, "the configuration says so")
    if config.method == "lora":
        return Choice("adamw", "an adapter's states are small")
    # Weights, gradients and two states, each in float32.
    if 4 * _FLOAT32 * shape.parameters < 0.8 * machine.room:
        return Choice("adamw", "the states of all weights fit into memory")
    if machine.gpu:
        return Choice("paged_adamw_8bit", "the states of all weights do not fit onto the GPU in 32 bits")
    return Choice("adamw_8bit", "the states of all weights do not fit into memory in 32 bits")


def _learning_rate(config: RunConfig) -> Choice[float]:
    if config.training.learning_rate:
        return Choice(config.training.learning_rate, "the configuration says so")
    if config.method == "full":
        return Choice(WHOLE_RATE, "all weights are trained: a tenth of an adapter's rate")
    return Choice(ADAPTER_RATE, "usual for an adapter")


def _threads(machine: Machine, config: RunConfig) -> Choice[int]:
    if config.threads:
        return Choice(config.threads, "the configuration says so")
    return Choice(machine.cores, "the cores this process may use")


def _checkpointing(
    machine: Machine, config: RunConfig, shape: Shape, lengths: Sequence[int], path: str, *, packed: bool
) -> Choice[str]:
    if config.training.checkpointing != "auto":
        return Choice(config.training.checkpointing, "the configuration says so")
    if path == "fast":
        return Choice("off", "a batch is computed in portions, which bounds its activations")
    longest = config.training.max_length if packed or not lengths else max(lengths)
    needed = activation_bytes(config, shape, config.training.batch_size * longest)
    figures = f"activations of {needed / 2**30:.1f} GiB, {machine.room / 2**30:.1f} GiB free"
    if needed > _ACTIVATION_SHARE * machine.room:
        return Choice("on", f"too little memory to keep them: {figures}")
    return Choice("off", f"there is memory to keep them: {figures}")


def _packing(config: RunConfig, lengths: Sequence[int], *, fast: bool) -> Choice[str]:
    if config.training.packing != "auto":
        return Choice(config.training.packing, "the configuration says so")
    if config.training.curriculum != "off":
        return Choice("off", "the curriculum orders single examples")
    if fast:
        return Choice("off", "batches have no padding here")
    tokens, room = sum(lengths), max(len(lengths), 1) * config.training.max_length
    if tokens > _FULL * room:
        return Choice("off", "most examples are about as long as max_length")
    steps = tokens // (config.training.max_length * config.training.batch_size * config.training.accumulation)
    if steps < _FEWEST_STEPS:
        return Choice("off", f"full rows would leave {steps} steps in an epoch")
    return Choice("on", f"the examples fill {tokens / room:.0%} of max_length")
