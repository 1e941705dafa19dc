"""A whole model as a folder of safetensors with its tokenizer, and reading one back to prove it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune.base import Base
from finetune.export.pretokenizer import BYTE_LEVEL_SPLITS, split_like
from finetune.export.reference import fast_tokenizer
from finetune.vocabulary import BaseVocabulary
from fireside import atomic
from fireside.errors import StorageError
from fireside.models.gguf_header import read_header
from fireside.models.hf.tokenizer import HfTokenizer
from fireside.models.hf.weights import load_failure

_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def save_folder(model: Any, base: Base, folder: Path, kind: str, template: str, vocabulary: BaseVocabulary) -> None:
    """Write `model` to `folder` in "F32", "F16" or "BF16" with the tokenizer of `base`.

    template: in place of the base's chat template, "" for its own. Raises StorageError, ModelError.
    """
    import torch

    tokenizer = fast_tokenizer(base.path) if base.is_folder else _tokenizer_of_gguf(base.path)
    if vocabulary.chat_template:
        tokenizer.chat_template = template or vocabulary.chat_template
    dtype = getattr(torch, _DTYPES[kind])
    # Weights that are one stay one: a tied head is not written twice.
    once: dict[int, Any] = {}
    state = {key: once.setdefault(each.data_ptr(), each.to(dtype)) for key, each in model.state_dict().items()}
    try:
        model.save_pretrained(folder, state_dict=state)
        tokenizer.save_pretrained(folder)
        config = folder / "config.json"
        atomic.write_text(
            config, json.dumps({**json.loads(config.read_text("utf-8")), "dtype": _DTYPES[kind]}, indent=2)
        )
    except (OSError, RuntimeError) as error:  # safetensors tells a full disk in words of its own
        raise StorageError(f"cannot write {folder.name}: {error}", "free some space") from error


def _tokenizer_of_gguf(path: Path) -> Any:
    """transformers' tokenizer of a GGUF file, splitting text as llama.cpp does, which it does not see to by itself."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    except Exception as error:  # a model file is a stranger's; whatever reading it fails with is the file's fault
        raise load_failure(path, error) from error
    way = read_header(path, long_arrays=False).text("tokenizer.ggml.pre")
    if way in BYTE_LEVEL_SPLITS:
        tokenizer.backend_tokenizer.pre_tokenizer = split_like(way)
        tokenizer.backend_tokenizer.normalizer = None
    return tokenizer


class SavedModel:
    """A folder of safetensors that reads texts and tells its logits, as `gguf.forcing.TeacherForcing` does."""

    def __init__(self, folder: Path) -> None:
        """Load it in float32. Raises ModelError."""
        from transformers import AutoModelForCausalLM

        try:
            self._network = AutoModelForCausalLM.from_pretrained(str(folder), dtype="float32", local_files_only=True)
        except Exception as error:  # what was written cannot be read back
            raise load_failure(folder, error) from error
        self._network.train(False)
        ends = self._network.generation_config.eos_token_id
        numbers = ends if isinstance(ends, list) else [ends] if ends is not None else []
        self.model = HfTokenizer(folder, int(self._network.config.vocab_size), numbers)

    def logits(self, tokens: Sequence[int]) -> Any:
        """Float32 array (len(tokens), vocabulary): row i predicts token i + 1."""
        import torch

        with torch.no_grad():
            return self._network(input_ids=torch.tensor([list(tokens)]), use_cache=False).logits[0].float().numpy()
