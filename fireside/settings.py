"""One frozen settings tree: TOML file < environment < flags. Unknown keys are errors that name the nearest match.

Importing this module costs about a third of a second (pydantic), so commands import it after parsing their line.
The environment names a field by its path: `FIRESIDE_MODEL__CONTEXT_LENGTH=4096`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableVariable

from fireside import paths
from fireside.configuration import explained, read_toml
from fireside.errors import SettingsError, did_you_mean
from fireside.models.sampling import Sampling

_PREFIX = "FIRESIDE_"
_NOT_SETTINGS = {"FIRESIDE_HOME"}


class Group(BaseModel):
    """A frozen table of settings that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ModelSettings(Group):
    """The chat model and how it runs."""

    name: str = "smollm2-135m"
    """The model to chat with: a name from `fireside models list`, or the path of a GGUF file."""
    context_length: int = Field(default=4096, ge=256, le=1_048_576)
    """Tokens the model sees at once; at most what the model was trained with."""
    threads: int = Field(default=0, ge=0, le=512)
    """CPU threads; 0 takes the number of cores this process may use."""
    gpu_layers: int = Field(default=0, ge=-1, le=1000)
    """Layers computed on a GPU, where llama.cpp was built with one; -1 for all."""


class ReplySettings(Group):
    """How replies are written."""

    system: str = "You are a helpful assistant."
    """The system prompt of a new conversation."""
    max_tokens: int = Field(default=512, ge=1, le=131_072)
    """The longest reply, in tokens."""
    temperature: float = Field(default=0.2, ge=0, le=5)
    """0 always takes the most likely token. 0.2 and top-p 0.9 are SmolLM2's own recommendation."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    """Nucleus sampling: keep the smallest set of tokens whose probabilities add up to this."""
    top_k: int = Field(default=40, ge=0)
    """Keep the k most likely tokens; 0 keeps all."""
    min_p: float = Field(default=0.0, ge=0, le=1)
    """Drop tokens less likely than this share of the most likely one."""
    repeat_penalty: float = Field(default=1.1, ge=0.5, le=2)
    """Divide the logits of recent tokens by this; 1 changes nothing. Of 24 replies of the bundled model, 3 ran in
    circles until the limit without it, and 1 with it."""

    def sampling(self, seed: int | None = None) -> Sampling:
        """These settings as the engines take them."""
        return Sampling(self.temperature, self.top_k, self.top_p, self.min_p, self.repeat_penalty, seed)


class DocumentSettings(Group):
    """How documents are cut and searched."""

    chunk_tokens: int = Field(default=200, ge=32, le=254)
    """The longest chunk, in the encoder's tokens (it reads 256, two of them special)."""
    passages: int = Field(default=4, ge=1, le=20)
    """Passages given to the model for one question."""


class ToolSettings(Group):
    """Which tools the assistant may use, and on what."""

    folder: Path | None = None
    """The folder that file tools are confined to; none means that they are off."""
    allowed: tuple[str, ...] = ()
    """Tools that run without asking first."""
    max_steps: int = Field(default=6, ge=1, le=50)
    """The most tool calls of one turn."""


class Settings(BaseSettings):
    """Everything a person can set."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=_PREFIX, env_nested_delimiter="__", use_attribute_docstrings=True
    )

    model: ModelSettings = ModelSettings()
    """The chat model and how it runs."""
    reply: ReplySettings = ReplySettings()
    """How replies are written."""
    documents: DocumentSettings = DocumentSettings()
    """How documents are cut and searched."""
    tools: ToolSettings = ToolSettings()
    """Which tools the assistant may use."""
    theme: Literal["dark", "light"] = "dark"
    """The colours of the terminal app."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment is stronger than the file, which `load` hands over as init values."""
        return env_settings, init_settings


def load(file: Path | None = None) -> Settings:
    """Read the settings from `file` (by default `paths.settings_file()`, which need not exist) and the environment.

    Raises SettingsError that names the file, the key, what is wrong and, for an unknown key, the nearest match.
    """
    path = file or paths.settings_file()
    try:
        values = read_toml(path)
    except FileNotFoundError:
        if file is not None:
            raise SettingsError(f"there is no settings file {path}", "check the path") from None
        values = {}
    _check_variables()
    try:
        return Settings(**values)
    except UnreadableVariable as error:
        raise SettingsError(
            f"the environment: {error}", f'lists and tables are written as JSON, as in {_PREFIX}TOOLS__ALLOWED=["now"]'
        ) from error
    except ValidationError as error:
        raise explained(error, Settings, _source(error, path)) from error


def _check_variables() -> None:
    """Refuse environment variables that begin like ours and name no setting; pydantic would pass over them."""
    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields} | _NOT_SETTINGS
    for variable in sorted(os.environ):
        if variable.upper().startswith(_PREFIX) and variable.upper().split("__")[0] not in known:
            raise SettingsError(
                f"the environment: unknown key {variable}",
                did_you_mean(variable, sorted(known), f"known keys: {', '.join(sorted(known))}"),
            )


def _source(error: ValidationError, path: Path) -> str:
    """Where the first wrong value came from: a variable that is set, or else the file."""
    keys = [str(part) for part in error.errors()[0]["loc"]]
    variables = [f"{_PREFIX}{'__'.join(keys[:length]).upper()}" for length in range(len(keys), 0, -1)]
    set_ones = [variable for variable in variables if variable in {each.upper() for each in os.environ}]
    return f"the environment ({set_ones[0]})" if set_ones else str(path)
