"""A training run's configuration: one frozen tree, read from and written to one TOML file.

A whole file for a normal run:

    name = "kitchen"
    data = "examples.jsonl"

    [training]
    epochs = 3
"""

from __future__ import annotations

import difflib
import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fireside.errors import FiresideError, SettingsError
from fireside.paths import checked_name


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
            return checked_name(name, "adapter")
        except FiresideError as error:
            raise ValueError(f"{error.message}; {error.hint}") from error

    @field_validator("held_back")
    @classmethod
    def _usable_share(cls, held_back: float | str) -> float | str:
        if isinstance(held_back, float) and not 0 < held_back <= 0.5:
            raise ValueError("a share must be above 0 and at most 0.5; or name a file of examples")
        return held_back


_GROUPS: dict[str, type[Group]] = {"lora": Lora, "training": Training}


def load_config(file: Path) -> RunConfig:
    """Read a run's configuration. Relative paths in it are taken from the file's folder.

    Raises SettingsError that names the file, the key, what is wrong and, for an unknown key, the nearest match.
    """
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"there is no configuration file {file}", "check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}", "fix that line") from error
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}", "check the path and its permissions") from error
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        raise _explained(error, file) from error
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
        held_back = str(folder / Path(held_back).expanduser())
    # A bare name is a model of the catalogue; anything that looks like a file is one.
    base = config.base
    if base.endswith(".gguf") or "/" in base:
        base = str(folder / Path(base).expanduser())
    return config.model_copy(update={"data": folder / config.data.expanduser(), "held_back": held_back, "base": base})


def _explained(error: ValidationError, file: Path) -> SettingsError:
    """The first problem pydantic found, in the person's terms."""
    problem = error.errors()[0]
    # pydantic adds the tried type's name to the location of a union's problem; the key path ends before it.
    keys = [str(part) for part in problem["loc"]]
    table: type[BaseModel] = RunConfig
    known_path: list[str] = []
    for key in keys:
        if key not in table.model_fields:
            break
        known_path.append(key)
        annotation = table.model_fields[key].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        table = annotation
    if problem["type"] == "extra_forbidden":
        # The key may be right, or nearly, and stand in the wrong table.
        known = {name: name for name in RunConfig.model_fields}
        known |= {name: f"{group}.{name}" for group, fields in _GROUPS.items() for name in fields.model_fields}
        known |= {name: ".".join([*known_path, name]) for name in table.model_fields}
        close = difflib.get_close_matches(keys[-1], known, n=1)
        hint = f"did you mean {known[close[0]]}?" if close else f"known keys: {', '.join(table.model_fields)}"
        return SettingsError(f"{file}: unknown key {'.'.join(keys)}", hint)
    key = ".".join(known_path) or ".".join(keys)
    if problem["type"] == "missing":
        return SettingsError(f"{file}: the key {key} is missing", f'add a line such as {key} = "..."')
    return SettingsError(f"{file}: {key}: {problem['msg']}", "correct the value, or remove the key to use the default")
