"""A training run's configuration: one frozen tree, read from and written to one TOML file.

A whole file for a normal run:

    name = "kitchen"
    data = "examples.jsonl"

    [training]
    epochs = 3
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fireside import paths
from fireside.configuration import explained, read_toml
from fireside.errors import FiresideError, SettingsError


class Group(BaseModel):
    """A frozen table of the configuration that refuses keys it does not know and values of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class Lora(Group):
    """The adapter's shape (LoRA, arXiv:2106.09685): each weight W becomes W + alpha/rank * B A."""

    rank: int = Field(default=16, ge=1, le=256)
    """Rows of A and columns of B: how much the adapter can hold."""
    alpha: float = Field(default=32.0, gt=0, le=1024)
    """The adapter's strength is alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the adapter's inputs dropped while training. 0 is fastest, and right for few steps."""
    target_modules: Literal["all-linear"] | list[str] = "all-linear"
    """Which linear layers get an adapter: "all-linear", or names such as ["q_proj", "v_proj"]."""
    rslora: bool = False
    """Divide alpha by the root of the rank (rsLoRA, arXiv:2312.03732): steadier at ranks of 64 and more."""
    dora: bool = False
    """Learn a length for each row of the weights too (DoRA, arXiv:2402.09353). Slower; no adapter file holds it, so
    its result is a whole model."""
    init: Literal["zero", "pissa", "loftq"] = "zero"
    """Where A and B begin: "zero" (no change), "pissa" (the base's largest directions, arXiv:2404.02948), "loftq" (what
    4-bit weights lost, arXiv:2310.08659; with weights = "nf4")."""
    plus: float = Field(default=1.0, ge=1, le=64)
    """How much faster B learns than A (LoRA+, arXiv:2402.12354, which advises 16); 1 is plain LoRA."""


class Training(Group):
    """How the weights are trained."""

    epochs: int = Field(default=3, ge=1, le=1000)
    """How many times each example is seen."""
    learning_rate: float = Field(default=0.0, ge=0, le=1)
    """The peak of the schedule; 0 takes what suits the method: 5e-4 for an adapter, a tenth of it for all weights."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the rate falls after the warm-up: to 0 in a line or half a cosine, or not at all."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps in which the rate rises from 0."""
    batch_size: int = Field(default=4, ge=1, le=1024)
    """Examples, or packed rows of max_length tokens, computed at once."""
    accumulation: int = Field(default=1, ge=1, le=1024)
    """Batches whose gradients make one step: a larger step without more memory."""
    max_length: int = Field(default=1024, ge=16, le=131_072)
    """The longest example in tokens; what is beyond is cut off its end."""
    packing: Literal["auto", "on", "off"] = "auto"
    """Put several short examples into one row of max_length tokens; none sees another."""
    curriculum: Literal["off", "length"] = "off"
    """Order of the examples in the first epoch: by chance, or short ones first."""
    optimizer: Literal["auto", "adamw", "adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit"] = "auto"
    """AdamW in float32, or bitsandbytes' with smaller or paged states; paged ones need a GPU."""
    weight_decay: float = Field(default=0.0, ge=0, lt=1)
    """AdamW's pull towards 0."""
    max_gradient_norm: float = Field(default=1.0, gt=0)
    """Gradients longer than this are shortened to it, so that one odd example cannot throw the run off."""
    neftune: float = Field(default=0.0, ge=0, le=100)
    """Strength of the noise on the embeddings while training (NEFTune, arXiv:2310.05914, which tries 5 to 15)."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Numbers that are computed with. What is trained is kept in float32."""
    checkpointing: Literal["auto", "on", "off"] = "auto"
    """Compute activations twice instead of keeping them: less memory, about a third slower."""
    evaluate_every: int = Field(default=0, ge=0)
    """Steps between measurements of the held-back loss; 0 measures after each epoch."""
    patience: int = Field(default=0, ge=0, le=1000)
    """Stop after so many measurements without a better held-back loss, and keep the best weights; 0 never does."""
    checkpoint_every: int = Field(default=0, ge=0)
    """Steps between checkpoints, from which a run that was cut off goes on; 0 keeps one after each epoch."""


class RunConfig(Group):
    """Everything that defines a training run."""

    name: str
    """The adapter's name, as in `/adapter NAME`; or the model's, where method = "full"."""
    data: Path = Field(strict=False)
    """Examples to learn: any file `fireside data preview` shows, such as JSON lines of {"messages": [...]}."""
    base: str = "smollm2-135m"
    """The model to train over: the bundled model's name, a GGUF file, or a folder of safetensors."""
    method: Literal["lora", "full"] = "lora"
    """Train an adapter, or all weights (full fine-tuning; with plain text, continued pre-training)."""
    weights: Literal["plain", "nf4", "int8"] = "plain"
    """How the frozen base is held: "plain", "nf4" (4 bits, QLoRA, arXiv:2305.14314) or "int8": slower, less memory."""
    template: str = ""
    """Another chat template than the model's own: llama2, chatml, human-assistant, or a file of jinja."""
    held_back: float | str = 0.1
    """The share of the examples never trained on, or a second file. Their loss tells what was learnt."""
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    """Order of the examples and initial weights: the same seed on the same machine gives the same adapter."""
    threads: int = Field(default=0, ge=0, le=512)
    """CPU threads; 0 takes the number of cores this process may use."""
    prompts: list[str] = []
    """Questions answered at each measurement of the held-back loss, to read how the model changes."""
    report_to: list[Literal["tensorboard", "trackio", "mlflow", "wandb"]] = []
    """Where metrics go besides metrics.jsonl; each needs its package, and all are kept offline."""
    lora: Lora = Lora()
    """The adapter's shape."""
    training: Training = Training()
    """How the weights are trained."""

    @field_validator("name")
    @classmethod
    def _usable_name(cls, name: str) -> str:
        try:
            return paths.checked_name(name, "adapter")
        except FiresideError as error:
            raise ValueError(f"{error.message}; {error.hint}") from error

    @field_validator("held_back")
    @classmethod
    def _usable_share(cls, held_back: float | str) -> float | str:
        if isinstance(held_back, float) and not 0 < held_back <= 0.5:
            raise ValueError("a share must be above 0 and at most 0.5; or name a file of examples")
        return held_back


def load_config(file: Path) -> RunConfig:
    """Read a run's configuration. Relative paths in it are taken from the file's folder.

    Raises SettingsError that names the file, the key, what is wrong and, for an unknown key, the nearest match;
    StorageError where a path in it begins with a wrong `~`.
    """
    try:
        values = read_toml(file)
    except FileNotFoundError:
        raise SettingsError(f"there is no configuration file {file}", "check the path") from None
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        raise explained(error, RunConfig, str(file)) from error
    return _resolved(config, file.parent.absolute())


def write_toml(config: RunConfig) -> str:
    """The configuration as TOML, every key written out; `load_config` reads the same configuration back."""
    top, tables = [], []
    for key, value in config.model_dump(mode="json").items():
        if isinstance(value, dict):
            tables.append(f"\n[{key}]")
            tables.extend(f"{name} = {_toml_value(setting)}" for name, setting in value.items())
        else:
            top.append(f"{key} = {_toml_value(value)}")
    return "\n".join([*top, *tables]) + "\n"


def _toml_value(value: Any) -> str:
    """A number, string or list of strings in TOML. A JSON string is a TOML string but for the escapes of DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _resolved(config: RunConfig, folder: Path) -> RunConfig:
    """`config` with its paths made absolute, taken from `folder`."""
    held_back = config.held_back
    if isinstance(held_back, str):
        held_back = str(folder / paths.expanded(held_back))
    # A bare name is a model of the catalogue; anything that looks like a file is one.
    base = config.base
    if base.endswith(".gguf") or "/" in base:
        base = str(folder / paths.expanded(base))
    # So it is with templates.
    template = config.template
    if template.endswith(".jinja") or "/" in template:
        template = str(folder / paths.expanded(template))
    data = folder / paths.expanded(config.data)
    return config.model_copy(update={"data": data, "held_back": held_back, "base": base, "template": template})


@dataclass(frozen=True)
class Explained:
    """A setting for a person. key: dotted, as the table and the name in the file. kind: what may stand there."""

    key: str
    kind: str
    default: str
    meaning: str


def explain() -> list[Explained]:
    """Every setting of a run, in the order of the file."""
    return [*_explained(RunConfig, ""), *_explained(Lora, "lora."), *_explained(Training, "training.")]


def _explained(table: type[Group], before: str) -> list[Explained]:
    found = []
    for name, field in table.model_fields.items():
        if field.annotation in (Lora, Training):
            continue
        kind = getattr(field.annotation, "__name__", None) if isinstance(field.annotation, type) else None
        default = "(needed)" if field.is_required() else _toml_value(field.default)
        meaning = " ".join((field.description or "").split())
        found.append(
            Explained(f"{before}{name}", kind or str(field.annotation).replace("typing.", ""), default, meaning)
        )
    return found
