"""Gives a whole model its place: written, quantised, proved against what was trained, with its card beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finetune.base import Base
from finetune.export.folder import SavedModel, save_folder
from finetune.export.gguf_model import FORMATS, NumberFormat
from finetune.export.quantise import Quantised, quantise
from finetune.export.reference import write_whole
from finetune.export.scratch import scratch_folder
from finetune.export.source import Tell
from finetune.verify.adapter import Prompt
from finetune.verify.expected import Expected, expected_of
from finetune.verify.model import ModelReport
from finetune.verify.prove import opened
from fireside.errors import StorageError, TrainingError
from fireside.models.gguf_header import read_header, tensor_bytes
from fireside.models.model_cards import card_path, write_card
from fireside.paths import ensure_folder

Made = tuple[Path, ModelReport, dict[str, Any]]
"""Where an export lies, its proof, and what its card tells of it."""


@dataclass(frozen=True)
class Whole:
    """How a whole model is exported.

    target: a GGUF file, or a folder where safetensors are wanted. kind: llama.cpp's type, such as "Q4_K_M"; of
    safetensors "F32", "F16" or "BF16". template: in place of the base's chat template, "" for its own. importance: an
    importance matrix. threads: 0 means all.
    """

    target: Path
    kind: str = "F16"
    template: str = ""
    importance: Path | None = None
    threads: int = 0

    @property
    def is_folder(self) -> bool:
        """Whether safetensors are wanted."""
        return self.target.suffix != ".gguf"


def publish_model(
    model: Any, trained: Any, base: Base, wanted: Whole, prompts: Sequence[Prompt], card: dict[str, Any], tell: Tell
) -> ModelReport:
    """Export `model`, a plain model of transformers, prove it, and move it to `wanted.target` with its card.

    trained: the model that the export must speak like, mostly `model` itself. prompts: a few of ours are taken where
    there are none. card: what is known of the model already.
    A refused export is kept and marked. Raises TrainingError (what llama.cpp cannot hold), ModelError, StorageError.
    """
    check_free(wanted.target)
    ensure_folder(wanted.target.parent)
    tell("writing down what the trained model says ...")
    with (
        expected_of(trained, base, wanted.template, prompts) as expected,
        scratch_folder(wanted.target.parent, ".export-") as folder,
    ):
        export = _folder_export if wanted.is_folder else _file_export
        made, report, details = export(model, base, wanted, expected, folder, tell)
        document = {
            **card,
            **details,
            "name": wanted.target.stem,
            "kind": wanted.kind,
            "origin": "exported",
            "verified": report.verified,
            "verify": report.scores(),
        }
        _keep(made, wanted.target, document)
    return report


def check_free(target: Path) -> None:
    """Raises StorageError where something is at `target` already: an export never replaces a model."""
    if target.exists() or target.is_symlink():
        raise StorageError(f"there is already {target}", "remove it, or choose another place: --output PATH")


def _file_export(model: Any, base: Base, wanted: Whole, expected: Expected, folder: Path, tell: Tell) -> Made:
    """A GGUF file: in 16 or 32 bits first, proved; then quantised, and proved again."""
    tell("writing the model as GGUF ...")
    plain: NumberFormat = next((each for each in FORMATS if each == wanted.kind), "F16")
    path = folder / f"{plain}.gguf"
    notes = write_whole(model, base, path, number_format=plain, name=wanted.target.stem, template=wanted.template)

    def proof(file: Path, kind: str) -> ModelReport:
        tell(f"comparing {kind} in llama.cpp with the trained model ...")
        with opened(file, expected.prompts, wanted.threads) as forcing:
            return expected.check(forcing, kind)

    before = report = proof(path, plain)
    size = sum(tensor_bytes(tensor) for tensor in read_header(path, long_arrays=False).tensors)
    details: dict[str, Any] = {"size": size, "notes": list(notes)}
    if wanted.kind != plain:
        tell(f"quantising to {wanted.kind} ...")
        small = folder / "quantised.gguf"
        made = quantise(path, small, wanted.kind, importance=wanted.importance, threads=wanted.threads)
        path, report = small, proof(small, wanted.kind)
        if not before.verified:
            report = replace(report, verified=False, reason=f"before quantisation: {before.reason}")
        details |= _quantised_details(made, before)
    return path, report, details


def _quantised_details(made: Quantised, before: ModelReport) -> dict[str, Any]:
    """What a card tells of quantisation."""
    return {
        "size": made.size,
        "tensors": made.tensors,
        "fallbacks": made.fallbacks,
        "in_words": made.in_words(),
        "plain_perplexity": before.perplexity,
    }


def _folder_export(model: Any, base: Base, wanted: Whole, expected: Expected, folder: Path, tell: Tell) -> Made:
    """A folder of safetensors with its tokenizer, read back and proved."""
    if wanted.kind not in FORMATS:
        raise TrainingError(
            f"safetensors are written in 16 or 32 bits, not as {wanted.kind}",
            "--type F16, BF16 or F32; or --format gguf",
        )
    tell("writing the model as safetensors ...")
    path = folder / "model"
    save_folder(model, base, path, wanted.kind, wanted.template, expected.vocabulary)
    tell("reading it back and comparing ...")
    report = expected.check(SavedModel(path), wanted.kind)
    return path, report, {"size": sum(file.stat().st_size for file in path.glob("*.safetensors")), "notes": []}


def _keep(made: Path, target: Path, card: dict[str, Any]) -> None:
    """Move the export to its place; its card is there before it, so that a refused one is never seen without."""
    try:
        write_card(made if made.is_dir() else target, card)
        made.rename(target)
    except OSError as error:
        if not made.is_dir():
            card_path(target).unlink(missing_ok=True)
        raise StorageError(f"cannot keep {target}: {error.strerror}", "free some space") from error
