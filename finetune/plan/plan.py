"""The plan of a run: what it will do, what that takes, whether it fits, and what would make it fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from finetune.choices import Choices, Machine, choose
from finetune.config import RunConfig
from finetune.data.render import Example
from finetune.methods import makes_adapter
from finetune.plan.load import Work, work_of
from finetune.plan.memory import Memory, estimate, trained_weights
from finetune.shape import Shape
from fireside.errors import TrainingError
from fireside.models.memory import in_words

PLAN = "plan.json"
"""The plan's place in the run's folder."""

_FLOAT32 = 4
# The checkpoint being written, the one before it, and the best.
_CHECKPOINTS = 3


@dataclass(frozen=True)
class Advice:
    """A change to the configuration that takes less memory. change: as in the file. memory: bytes expected with it."""

    change: str
    memory: int
    fits: bool


@dataclass(frozen=True)
class Plan:
    """What a run will do and take.

    weights, trained: weights in the base, and those that are trained. memory_free, disk, disk_free: bytes. advice: only
    where the memory may not do.
    """

    work: Work
    choices: Choices
    weights: int
    trained: int
    memory: Memory
    memory_free: int
    disk: int
    disk_free: int
    advice: tuple[Advice, ...]

    @property
    def fits(self) -> bool:
        """Whether what is expected fits into memory and disk."""
        return self.memory.expected <= self.memory_free and self.disk <= self.disk_free

    def as_json(self) -> dict[str, Any]:
        """All of it, and whether it fits."""
        return {"fits": self.fits, **asdict(self)}


def plan(
    config: RunConfig,
    shape: Shape,
    machine: Machine,
    disk_free: int,
    examples: Sequence[Example],
    held_back: Sequence[Example],
) -> Plan:
    """The plan of a run as `config` says, on `machine`. Raises TrainingError for what the machine cannot do at all."""
    choices, work, memory = _expected(config, shape, machine, examples, held_back)
    tight = memory.high > machine.room
    return Plan(
        work=work,
        choices=choices,
        weights=shape.parameters,
        trained=trained_weights(config, shape),
        memory=memory,
        memory_free=machine.room,
        disk=disk_bytes(config, shape),
        disk_free=disk_free,
        advice=tuple(_advice(config, shape, machine, examples, held_back)) if tight else (),
    )


def check_fits(plan: Plan) -> None:
    """Refuse a run that the kernel would end, or that the disk cannot hold.

    Raises TrainingError with what would help.
    """
    if plan.memory.expected > plan.memory_free:
        helps = next((each for each in plan.advice if each.fits), None)
        needed, free = in_words(plan.memory.expected), in_words(plan.memory_free)
        raise TrainingError(
            f"the run needs about {needed} of memory, and {free} are free",
            f"set {helps.change}: then it needs about {in_words(helps.memory)}"
            if helps
            else "close other programs, or choose a smaller base; fireside tune plan shows where the memory goes",
        )
    if plan.disk > plan.disk_free:
        raise TrainingError(
            f"the run needs about {in_words(plan.disk)} of disk, and {in_words(plan.disk_free)} are free",
            "free some space, or move FIRESIDE_HOME to another disk",
        )


def disk_bytes(config: RunConfig, shape: Shape) -> int:
    """Bytes that a run writes and keeps at most at one time."""
    trained = trained_weights(config, shape)
    # A checkpoint has the trained weights and AdamW's two states.
    checkpoints = _CHECKPOINTS * trained * 3 * _FLOAT32
    # PEFT's file and the GGUF one; or safetensors in 32 bits and a GGUF model in 16.
    result = 2 * trained * _FLOAT32 if makes_adapter(config) else shape.parameters * (_FLOAT32 + 2)
    # What an adapter over a quantised base is proved with.
    proof = 2 * shape.parameters if config.weights != "plain" else 0
    return checkpoints + result + proof


def _expected(
    config: RunConfig,
    shape: Shape,
    machine: Machine,
    examples: Sequence[Example],
    held_back: Sequence[Example],
) -> tuple[Choices, Work, Memory]:
    choices = choose(machine, config, shape, [len(example.input_ids) for example in examples])
    work = work_of(config, examples, held_back, packed=choices.packing.value == "on")
    return choices, work, estimate(config, choices, shape, work.batch)


def _advice(
    config: RunConfig,
    shape: Shape,
    machine: Machine,
    examples: Sequence[Example],
    held_back: Sequence[Example],
) -> Iterator[Advice]:
    """Changes that take less memory, each on top of those before it, up to the first that fits comfortably."""
    words: list[str] = []
    before = _expected(config, shape, machine, examples, held_back)[2].expected
    for change, changed in _smaller(config):
        memory = _expected(changed, shape, machine, examples, held_back)[2]
        if memory.expected >= before:
            continue
        config, before = changed, memory.expected
        words.append(change)
        yield Advice(", ".join(words), memory.expected, memory.expected <= machine.room)
        if memory.high <= machine.room:
            return


def _smaller(config: RunConfig) -> Iterator[tuple[str, RunConfig]]:
    """Configurations that ask for less, the least harmful change first; each has the changes before it."""

    def training(**values: Any) -> RunConfig:
        return config.model_copy(update={"training": config.training.model_copy(update=values)})

    if (size := config.training.batch_size) > 1:
        accumulation = config.training.accumulation * size
        config = training(batch_size=1, accumulation=accumulation)
        yield f"training.batch_size = 1 and training.accumulation = {accumulation}", config
    if config.training.checkpointing != "on":
        config = training(checkpointing="on")
        yield 'training.checkpointing = "on"', config
    if config.method == "full":
        config = config.model_copy(update={"method": "lora"})
        yield 'method = "lora"', config
    if config.weights == "plain" and config.lora.init != "pissa":
        config = config.model_copy(update={"weights": "nf4"})
        yield 'weights = "nf4"', config
    while config.training.max_length > 256:
        length = config.training.max_length // 2
        config = training(max_length=length)
        yield f"training.max_length = {length}", config
    while config.lora.rank > 8:
        rank = config.lora.rank // 2
        config = config.model_copy(update={"lora": config.lora.model_copy(update={"rank": rank})})
        yield f"lora.rank = {rank}", config
