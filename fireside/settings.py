"""One frozen settings tree: TOML file < environment < flags. Unknown keys are errors that name the nearest match.

Importing this module costs about a third of a second (pydantic), so commands import it after parsing their line.
The environment names a field by its path: `FIRESIDE_MODEL__CONTEXT_LENGTH=4096`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableVariable

from fireside import paths
from fireside.configuration import explained, read_toml
from fireside.errors import SettingsError, did_you_mean
from fireside.models.sampling import Sampling
from fireside.themes import ThemeName as ThemeName

_PREFIX = "FIRESIDE_"
_NOT_SETTINGS = {"FIRESIDE_HOME", "FIRESIDE_SERVE_TOKEN"}


class Group(BaseModel):
    """A frozen table of settings that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ModelSettings(Group):
    """The chat model and how it runs.

    Where a setting is 0 or "auto", what `fireside bench --tune` found to be fastest is used, or else the default.
    """

    name: str = "smollm2-135m"
    """The model to chat with: a name from `fireside models list`, a path, or `remote:NAME` of the table `remotes`."""
    context_length: int = Field(default=4096, ge=256, le=1_048_576)
    """Tokens the model sees at once; at most what the model was trained with."""
    template: Literal["", "chatml", "llama2", "human-assistant"] = ""
    """A named chat template in place of the model's own, for models that have none."""
    threads: int = Field(default=0, ge=0, le=512)
    """CPU threads; 0 takes the number of cores this process may use."""
    threads_batch: int = Field(default=0, ge=0, le=512)
    """CPU threads while a prompt is read; 0 takes as many as for writing."""
    batch: int = Field(default=0, ge=0, le=16_384)
    """Tokens of a prompt computed at a time."""
    gpu_layers: int = Field(default=0, ge=-1, le=1000)
    """Layers computed on a GPU, where llama.cpp was built with one; -1 for all."""
    flash_attention: Literal["auto", "on", "off"] = "auto"
    """Attention computed without its whole matrix."""
    kv_type: Literal["auto", "f16", "q8_0", "q4_0"] = "auto"
    """How keys and values of the context are kept; q8_0 takes half of f16's memory, q4_0 a quarter."""
    kv_disk_mb: int = Field(default=1024, ge=0, le=1_000_000)
    """Megabytes of conversations' computed state on disk, so that they go on at once after a restart; 0 keeps none."""
    mmap: Literal["auto", "on", "off"] = "auto"
    """Map a model file instead of reading it into memory."""
    speculate: bool = True
    """Guess ahead from what was already said, where that pays; the words stay the same."""
    draft: str = ""
    """A small model of the same family that guesses ahead: a name or a path."""
    quantisation: Literal["plain", "nf4", "int8"] = "plain"
    """For models in Hugging Face's format: weights as they are, in 4 bits (NF4), or in 8."""
    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    """For models in Hugging Face's format: where they are computed."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """For models in Hugging Face's format: the numbers they are computed in."""


class SamplingSettings(Group):
    """How the next token is chosen. A setting that is left out is the model's own recommendation."""

    temperature: float | None = Field(default=None, ge=0, le=5)
    """How freely the model chooses; 0 always takes the most likely token."""
    temperature_range: float | None = Field(default=None, ge=0, le=5)
    """Dynamic temperature: that much lower where the model is sure, that much higher where it is not; 0 is off."""
    top_k: int | None = Field(default=None, ge=0)
    """Keep the k most likely tokens; 0 keeps all."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Nucleus sampling: keep the smallest set of tokens whose probabilities add up to this."""
    min_p: float | None = Field(default=None, ge=0, le=1)
    """Drop tokens less likely than this share of the most likely one."""
    typical_p: float | None = Field(default=None, gt=0, le=1)
    """Keep tokens about as surprising as expected, up to this probability together; 1 keeps all."""
    top_n_sigma: float | None = Field(default=None, ge=0, le=100)
    """Keep tokens whose logit is within this many standard deviations of the best; 0 keeps all."""
    xtc_probability: float | None = Field(default=None, ge=0, le=1)
    """How often the most likely choices are excluded, where there are several good ones; 0 is never."""
    xtc_threshold: float | None = Field(default=None, ge=0, le=1)
    """The probability from which a token is such a good choice."""
    repeat_penalty: float | None = Field(default=None, ge=0.5, le=2)
    """Divide the logits of recent tokens by this; 1 changes nothing."""
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    """Taken from a token's logit for every time it occurred of late; 0 changes nothing."""
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    """Taken from a token's logit if it occurred of late; 0 changes nothing."""
    penalty_window: int | None = Field(default=None, ge=-1)
    """How many tokens the penalties look back on; -1 is the whole context."""
    dry_multiplier: float | None = Field(default=None, ge=0, le=10)
    """DRY: how strongly going on with a sequence that was there before is penalised; 0 is off."""
    dry_base: float | None = Field(default=None, ge=1, le=10)
    """DRY: how fast the penalty grows with the sequence's length."""
    dry_allowed_length: int | None = Field(default=None, ge=0)
    """DRY: repeated sequences up to this length are not penalised."""
    mirostat: Literal[0, 1, 2] | None = None
    """Mirostat, version 1 or 2, in place of the settings that keep or drop tokens; 0 is off."""
    mirostat_tau: float | None = Field(default=None, ge=0, le=20)
    """Mirostat: the surprise aimed at, in bits."""
    mirostat_eta: float | None = Field(default=None, ge=0, le=1)
    """Mirostat: how fast it adapts."""
    logit_bias: dict[int, float] = {}
    """Added to the logits of these tokens, by number; -inf forbids one."""
    banned_phrases: tuple[str, ...] = ()
    """Texts that replies never contain, in whatever case."""
    seed: int | None = Field(default=None, ge=0)
    """Makes replies repeatable; without one, each is drawn anew."""

    def sampling(self, seed: int | None = None) -> Sampling:
        """What is set here, as the engines take it; the rest is left to the model. A `seed` given comes first."""
        own = {name: getattr(self, name) for name in SamplingSettings.model_fields}
        return Sampling(**own | ({} if seed is None else {"seed": seed}))


class ReplySettings(SamplingSettings):
    """How replies are written."""

    system: str = "You are a helpful assistant."
    """The system prompt of a new conversation."""
    max_tokens: int = Field(default=512, ge=1, le=131_072)
    """The longest reply, in tokens."""


class RemoteSettings(Group):
    """An OpenAI-compatible server."""

    url: str
    """Its address, up to and with `/v1`."""
    model: str = ""
    """The server's name for the model; empty takes the only one it has."""
    key_variable: str | None = None
    """The environment variable that holds the key. The key itself never stands in the settings."""
    kind: Literal["auto", "openai", "compatible", "vllm", "llama-server", "llama-cpp-python", "ollama", "fireside"] = (
        "auto"
    )
    """What is known of the server beyond the common part of the API; "auto" finds out."""
    context_length: int = Field(default=0, ge=0)
    """Tokens the model sees at once, where the server does not tell; 0 asks it."""
    allow_plain_http: bool = False
    """Send the key unencrypted to another machine."""
    connect_s: float = Field(default=10.0, gt=0)
    """Seconds for a connection."""
    first_s: float = Field(default=300.0, gt=0)
    """Seconds until a reply begins."""
    between_s: float = Field(default=60.0, gt=0)
    """Seconds between two pieces of a reply."""
    total_s: float = Field(default=3600.0, gt=0)
    """Seconds for a whole reply."""
    retries: int = Field(default=2, ge=0, le=10)
    """How often a request that failed before its reply began is sent again."""
    backoff_s: float = Field(default=0.5, gt=0)
    """Seconds before the first of these; twice that before each further one."""
    longest_wait_s: float = Field(default=60.0, gt=0)
    """The longest wait that a server may ask for, in seconds."""


class DocumentSettings(Group):
    """How documents are cut and searched."""

    encoder: str = "bundled"
    """What texts are encoded with: "bundled", or a sentence-transformers model, by folder or name in the Hugging Face
    cache. A library that another one made has to be embedded anew: `fireside docs rebuild`."""
    encoder_dimension: int = Field(default=0, ge=0, le=65_536)
    """Numbers kept of each vector, for an encoder that was trained so (Matryoshka); 0 keeps all."""
    chunk_tokens: int = Field(default=200, ge=32, le=8190)
    """The longest chunk, in the encoder's tokens; at most what it reads (the bundled one 254, beside two special)."""
    chunk_overlap: int = Field(default=0, ge=0, le=1024)
    """Of these, the most that a chunk repeats of the end of the one before it, in whole sentences."""
    passages: int = Field(default=4, ge=1, le=20)
    """Passages given to the model for one question."""
    expand_tokens: int = Field(default=0, ge=0, le=100_000)
    """Tokens that passages may take together with the text around them; 0 gives the passages as they were found."""
    reranker: str | None = None
    """A cross-encoder that orders the best passages anew: a folder, or a name in the Hugging Face cache."""


ToolKind = Literal["files", "documents", "memory", "programs", "web", "own"]
TOOL_KINDS: tuple[ToolKind, ...] = get_args(ToolKind)
"""Tools by what they need, beside the calculator and the clock."""


class ToolSettings(Group):
    """Which tools the assistant may use, and on what."""

    offered: tuple[ToolKind, ...] = ("files", "documents", "memory", "own")
    """What a chat with tools offers, beside calculator and clock; programs run in a sandbox, the web is the network."""

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
    remotes: dict[Annotated[str, Field(pattern=r"^[\w.-]+$")], RemoteSettings] = {}
    """Servers by the name that `remote:NAME` calls them."""
    titles: Literal["model", "first words"] = "model"
    """Who names a new conversation: the model, after its first reply, or the first words of the first message."""
    keys: dict[str, str] = {}
    """Keys of the terminal app by action, as in `"message.retry" = "R"`; F1 in the app names the actions."""
    theme: ThemeName = "dark"
    """The colours of the terminal app."""
    prompt_keys: Literal["plain", "vim"] = "plain"
    """How the prompt is edited: with the keys of any text field, or with vim's two modes."""
    plain: bool = False
    """Chat line by line instead of on a full screen, for screen readers; as `fireside --plain`."""

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
    return from_values(values, path)


def from_values(values: Mapping[str, Any], path: Path) -> Settings:
    """The settings of a file's `values` and the environment. path: the file that errors name. Raises SettingsError."""
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
