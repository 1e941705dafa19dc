"""The whole check of an adapter: finds the file that llama.cpp shall run it over, and compares."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune.base import Base
from finetune.export.reference import Weights, write_reference
from finetune.export.scratch import scratch_folder
from finetune.verify.adapter import EXACT, QUANTISED, Limits, Prompt, Report, check, drift, references
from fireside.errors import TrainingError
from fireside.models.gguf.forcing import TeacherForcing
from fireside.models.gguf_header import read_header

_REFERENCE = ".reference-"
# Room for what follows a prompt.
_SPARE = 80
_EXACT_TYPES = (0, 1, 32)  # gguf.LlamaFileType: all F32, mostly F16, mostly BF16


def prove_adapter(
    model: Any, base: Base, adapter: Path, prompts: Sequence[Prompt], *, weights: Weights = "plain", threads: int = 0
) -> Report:
    """Compare transformers' `model` (peft, in evaluation mode) with llama.cpp and the GGUF file `adapter`.

    A GGUF base is run as it is. Of a folder, or where the frozen weights were quantised for training, an F16 GGUF file
    is made first and removed again; where that is another rounding of a GGUF base, the drift over that is told too.
    Raises AdapterError where llama.cpp refuses the file, TrainingError, StorageError.
    """
    if base.path.is_file() and weights == "plain":
        with opened(base.path, prompts, threads) as forcing:
            return check(references(model, prompts, forcing.model.ends_turn), forcing, adapter, limits(base.path))
    with scratch_folder(adapter.parent, _REFERENCE) as folder:
        reference = folder / "base.gguf"
        write_reference(base, weights, reference)
        with opened(reference, prompts, threads) as forcing:
            expected = list(references(model, prompts, forcing.model.ends_turn))
            # LLM.int8() rounds what goes through the layers too, which no file of weights can hold.
            report = check(expected, forcing, adapter, QUANTISED if weights == "int8" else EXACT)
    if base.path.is_file():
        with opened(base.path, prompts, threads) as forcing:
            report = replace(report, drift=drift(expected, forcing, adapter))
    return report


def limits(path: Path) -> Limits:
    """What must be reached over the GGUF file `path`."""
    kind = read_header(path, long_arrays=False).metadata.get("general.file_type")
    return EXACT if kind in _EXACT_TYPES else QUANTISED


@contextmanager
def opened(path: Path, prompts: Sequence[Prompt], threads: int) -> Iterator[TeacherForcing]:
    """The GGUF model `path` in llama.cpp, with a context that holds the prompts and what follows them."""
    length = max(len(prompt.tokens) + len(prompt.reply) for prompt in prompts) + _SPARE
    forcing = TeacherForcing(path, context_length=length, threads=threads)
    try:
        yield forcing
    finally:
        forcing.free()


def read_prompts(path: Path) -> list[Prompt]:
    """The prompts that a run kept. Raises TrainingError."""
    try:
        return [
            Prompt(tuple(item["tokens"]), bool(item["held_back"]), tuple(item.get("reply", ())))
            for item in json.loads(path.read_text("utf-8"))
        ]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TrainingError(f"cannot read {path}: {error}", "train the adapter again") from error
