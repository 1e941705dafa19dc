"""The base model: one GGUF file, known by its sha256, read as llama.cpp reads it and as transformers trains it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fireside.errors import TrainingError
from fireside.models.bundled import CHAT_MODEL, checked
from fireside.models.catalog import BUNDLED_NAME, find
from fireside.models.digests import known_sha256
from fireside.models.gguf_header import read_header

# The export knows llama's tensor layout, which Mistral, TinyLlama and SmolLM2 share; others are not proved here.
_ARCHITECTURES = ("llama",)


@dataclass(frozen=True)
class Base:
    """A model file to train over. heads and kv_heads are attention heads of queries and of keys; layers are blocks."""

    name: str
    path: Path
    sha256: str
    architecture: str
    layers: int
    heads: int
    kv_heads: int


def find_base(name: str) -> Base:
    """The base model called `name`: a model of `fireside models list`, or the path of a GGUF file.

    Raises ModelError (not there, not a GGUF file) and TrainingError (an adapter, or an architecture not known here).
    """
    path = checked(CHAT_MODEL) if name == BUNDLED_NAME else find(name).path
    header = read_header(path)
    if header.text("general.type") == "adapter":
        raise TrainingError(f"{path.name} is an adapter, not a model", "name the model it was made for as base")
    architecture = header.text("general.architecture")
    if architecture not in _ARCHITECTURES:
        raise TrainingError(
            f"{path.name} is of the architecture {architecture!r}, which cannot be trained yet",
            f"use a model of the architecture {' or '.join(_ARCHITECTURES)}",
        )
    if not header.text("tokenizer.chat_template"):
        raise TrainingError(f"{path.name} has no chat template, so chats cannot be trained", "use a chat model")
    heads = _count(header.metadata.get(f"{architecture}.attention.head_count"), path)
    return Base(
        name=name if name == BUNDLED_NAME else path.stem,
        path=path,
        sha256=CHAT_MODEL.sha256 if name == BUNDLED_NAME else known_sha256(path),
        architecture=architecture,
        layers=_count(header.metadata.get(f"{architecture}.block_count"), path),
        heads=heads,
        kv_heads=_count(header.metadata.get(f"{architecture}.attention.head_count_kv", heads), path),
    )


def _count(value: Any, path: Path) -> int:
    """A count from the model's metadata."""
    if not isinstance(value, int) or value < 1:
        raise TrainingError(f"{path.name} does not tell its layers and heads as one number", "use another base model")
    return value
