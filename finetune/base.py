"""The base model: a GGUF file or a folder of safetensors, known by its sha256, of a family that is proved here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.export.families import family_of, model_types, readable_architectures
from fireside.errors import TrainingError
from fireside.models.bundled import CHAT_MODEL, checked
from fireside.models.catalog import BUNDLED_NAME, find
from fireside.models.digests import file_sha256, known_sha256
from fireside.models.gguf_header import read_header
from fireside.models.hf.weights import read_config

_TOKENIZER = "tokenizer.json"
# What of a folder decides what the model computes.
_COUNTED = ("config.json", "generation_config.json", "tokenizer_config.json", _TOKENIZER, "chat_template.jinja")


@dataclass(frozen=True)
class Base:
    """A model to train over.

    path: a GGUF file or a folder. sha256: of the file, or over the folder's files. architecture: as GGUF names it.
    heads and kv_heads are attention heads of queries and of keys; layers are blocks.
    """

    name: str
    path: Path
    sha256: str
    architecture: str
    layers: int
    heads: int
    kv_heads: int

    @property
    def is_folder(self) -> bool:
        """Whether the model is a folder of safetensors."""
        return self.path.is_dir()

    @property
    def file_sha256(self) -> str:
        """What binds an adapter to one GGUF file; "" of a folder, which can become several."""
        return "" if self.is_folder else self.sha256


def find_base(name: str) -> Base:
    """The base model called `name`: a model of `fireside models list`, the path of a GGUF file or of a folder.

    Raises ModelError (not there, no model, damaged) and TrainingError (an adapter, quantised for good, or a family not
    known here).
    """
    path = checked(CHAT_MODEL) if name == BUNDLED_NAME else find(name).path
    return _folder_base(path) if path.is_dir() else _file_base(name, path)


def _file_base(name: str, path: Path) -> Base:
    header = read_header(path)
    if header.text("general.type") == "adapter":
        raise TrainingError(f"{path.name} is an adapter, not a model", "name the model it was made for as base")
    architecture = header.text("general.architecture")
    if architecture not in readable_architectures():
        raise TrainingError(
            f"{path.name} is of the architecture {architecture!r}, which cannot be trained over",
            f"use a GGUF file of the architecture {', '.join(readable_architectures())}, or a folder of safetensors",
        )
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


def _folder_base(path: Path) -> Base:
    config = read_config(path)
    model_type = str(config.get("model_type"))
    family = family_of(model_type)
    if family is None:
        raise TrainingError(
            f"{path.name} is of the family {model_type!r}, which cannot be trained over",
            f"use a model of the family {', '.join(model_types())}",
        )
    if isinstance(config.get("quantization_config"), Mapping):
        raise TrainingError(
            f"{path.name} is quantised, and training needs the weights as they were before",
            'get the model in 16 bits; weights = "nf4" holds it in 4 while it trains',
        )
    if not (path / _TOKENIZER).is_file():
        raise TrainingError(f"{path.name} has no {_TOKENIZER}", "get the model again, with all its files")
    heads = _count(config.get("num_attention_heads"), path)
    return Base(
        name=path.name,
        path=path,
        sha256=_folder_sha256(path),
        architecture=family.architecture,
        layers=_count(config.get("num_hidden_layers"), path),
        heads=heads,
        kv_heads=_count(config.get("num_key_value_heads") or heads, path),
    )


def _folder_sha256(folder: Path) -> str:
    """One digest over names and digests of the files that decide what the model computes."""
    files = [folder / name for name in _COUNTED if (folder / name).is_file()] + sorted(folder.glob("*.safetensors"))
    lines = [f"{file.name} {file_sha256(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _count(value: Any, path: Path) -> int:
    """A count from the model's metadata."""
    if not isinstance(value, int) or value < 1:
        raise TrainingError(f"{path.name} does not tell its layers and heads as one number", "use another base model")
    return value
