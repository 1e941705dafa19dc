"""The base that a run trained over, as an F16 GGUF file: what its adapter is proved on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from finetune.base import Base
from finetune.export.gguf_model import NumberFormat, write_model, write_over_gguf
from fireside.errors import ModelError

Weights = Literal["plain", "nf4", "int8"]


def write_reference(base: Base, weights: Weights, target: Path) -> None:
    """Write the frozen weights of a run over `base`, dequantised, to the GGUF file `target`.

    Raises TrainingError (what cannot be GGUF), ModelError, StorageError.
    """
    from finetune.weights import load_dequantised

    model = load_dequantised(base, weights)
    write_whole(model, base, target, number_format="F16", name=base.name)


def write_whole(
    model: Any, base: Base, target: Path, *, number_format: NumberFormat, name: str, template: str = ""
) -> tuple[str, ...]:
    """Write `model`, of transformers and trained over `base`, as a GGUF file with the base's vocabulary.

    template: the chat template, "" for the base's own. Returns what llama.cpp leaves out, for a person.
    Raises TrainingError, ModelError, StorageError.
    """
    state = model.state_dict()
    if base.path.is_file():
        written = write_over_gguf(
            base.path, state, model.config, target, number_format=number_format, name=name, template=template
        )
    else:
        tokenizer = fast_tokenizer(base.path)
        tokenizer.chat_template = template or tokenizer.chat_template
        written = write_model(state, model.config, tokenizer, target, number_format=number_format, name=name)
    return written.notes


def fast_tokenizer(folder: Path) -> Any:
    """transformers' tokenizer of a model folder. Raises ModelError."""
    from transformers import AutoTokenizer

    from fireside.models.hf.weights import load_failure

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the files are a stranger's; whatever reading them fails with is their fault
        raise load_failure(folder, error) from error
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(f"{folder.name} has no tokenizer.json", "get the model again, with all its files")
    return tokenizer
