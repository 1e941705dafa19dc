"""A training run's configuration: one frozen tree, read from and written to one TOML file.

A whole file for a normal run:

    name = "kitchen"
    data = "examples.jsonl"

    [training]
    epochs = 3
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
    target_modules: str | list[str] = "all-linear"
    """Which linear layers get an adapter: "all-linear", or names such as ["q_proj", "v_proj"]."""


class Training(Group):
    """How the adapter is trained."""

    epochs: int = Field(default=3, ge=1, le=1000)
    """How many times each example is seen."""
    learning_rate: float = Field(default=5e-4, gt=0, le=1)
    """The peak of a linear schedule. LoRA wants about ten times the rate of full fine-tuning."""
    batch_size: int = Field(default=4, ge=1, le=1024)
    """Examples in one step."""
    max_length: int = Field(default=1024, ge=16, le=131_072)
    """The longest example in tokens; what is beyond is cut off its end."""
    max_gradient_norm: float = Field(default=1.0, gt=0)
    """Gradients longer than this are shortened to it, so that one odd example cannot throw the run off."""


class RunConfig(Group):
    """Everything that defines a training run."""

    name: str
    """The adapter's name, as in `/adapter NAME`."""
    data: Path = Field(strict=False)
    """Chat-format JSON lines: {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", ...}]}."""
    base: str = "smollm2-135m"
    """The model to train over: the bundled model's name, or the path of a GGUF file."""
    held_back: float | str = 0.1
    """The share of the examples never trained on, or a second JSON-lines file. Their loss tells what was learnt."""
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    """Order of the examples and initial weights: the same seed on the same machine gives the same adapter."""
    threads: int = Field(default=0, ge=0, le=512)
    """CPU threads; 0 takes the number of cores this process may use."""
    lora: Lora = Lora()
    """The adapter's shape."""
    training: Training = Training()
    """How the adapter is trained."""

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
    data = folder / paths.expanded(config.data)
    return config.model_copy(update={"data": data, "held_back": held_back, "base": base})
