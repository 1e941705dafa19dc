"""Ollama's local store, read only: which models it holds, and the GGUF file of each.

A model is a manifest, `manifests/HOST/NAMESPACE/NAME/TAG`, JSON with layers; the layer of the type `...image.model` is
a GGUF file, kept under its digest as `blobs/sha256-HEX` (Ollama's `docs/import.md` and `manifest` package).
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from fireside import paths
from fireside.errors import StorageError

PREFIX = "ollama:"
_HOST, _NAMESPACE = "registry.ollama.ai", "library"
_MODEL_LAYER = "application/vnd.ollama.image.model"
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")
_LONGEST_MANIFEST = 1 << 20


@dataclass(frozen=True)
class OllamaModel:
    """A model of the store: its name as `ollama:NAME:TAG`, and its GGUF file."""

    name: str
    path: Path


def store_folder() -> Path | None:
    """The folder: `OLLAMA_MODELS`, or `~/.ollama/models`; None where there is no home folder."""
    try:
        return paths.expanded(os.environ.get("OLLAMA_MODELS") or "~/.ollama/models")
    except StorageError:
        return None


def ollama_models() -> list[OllamaModel]:
    """Every model whose GGUF file is there, by name. A manifest that cannot be read is passed over."""
    store = store_folder()
    if store is None:
        return []
    found = []
    try:
        manifests = sorted((store / "manifests").glob("*/*/*/*"))
    except OSError:
        return []
    for manifest in manifests:
        path = _model_file(store, manifest)
        if path is not None:
            found.append(OllamaModel(_name(*manifest.parts[-4:]), path))
    return sorted(found, key=lambda each: each.name)


def full_name(name: str) -> str:
    """`ollama:NAME` as the list has it: with the tag `latest`, where none is given."""
    return name if ":" in name.removeprefix(PREFIX) else f"{name}:latest"


def _name(host: str, namespace: str, name: str, tag: str) -> str:
    """As Ollama shows it: without its own host, and without the namespace of its library."""
    before = "" if host == _HOST else f"{host}/"
    if before or namespace != _NAMESPACE:
        before += f"{namespace}/"
    return f"{PREFIX}{before}{name}:{tag}"


def _model_file(store: Path, manifest: Path) -> Path | None:
    """The GGUF file a manifest names; None where it names none, several, or one that is not there."""
    try:
        with manifest.open("rb") as stream:
            document = json.loads(stream.read(_LONGEST_MANIFEST))
        digests = [layer["digest"] for layer in document["layers"] if layer["mediaType"] == _MODEL_LAYER]
        match = _DIGEST.fullmatch(digests[0]) if len(digests) == 1 else None
        path = store / "blobs" / f"sha256-{match[1]}" if match else None
        return path if path is not None and path.is_file() else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
