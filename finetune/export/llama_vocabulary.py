"""The vocabulary of a GGUF file as llama.cpp reads it, without the weights; with other settings than the file's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fireside.errors import ModelError
from fireside.models.gguf import log


class LlamaVocabulary:
    """llama.cpp's tokenizer of a GGUF file. `free` gives it back."""

    def __init__(self, path: Path, overrides: Mapping[str, str | bool] | None = None) -> None:
        """Load the vocabulary of `path`. overrides: metadata that takes the place of the file's. Raises ModelError."""
        import llama_cpp

        self._lib = llama_cpp
        log.collect(llama_cpp)
        llama_cpp.llama_backend_init()
        parameters = llama_cpp.llama_model_default_params()
        parameters.vocab_only = True
        kept = _overrides(llama_cpp, overrides or {})
        if overrides:
            parameters.kv_overrides = kept
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            raise ModelError(f"llama.cpp cannot read the vocabulary of {path.name}: {log.last_error()}", None)
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)

    def tokenize(self, text: str, *, begins: bool) -> list[int]:
        """Token ids, special tokens recognised; `begins`: with the tokens that the model wants at the beginning."""
        data = text.encode("utf-8", "replace")
        capacity = 2 * len(data) + 16
        buffer = (self._lib.llama_token * capacity)()
        count = self._lib.llama_tokenize(self._vocabulary, data, len(data), buffer, capacity, begins, True)
        if count < 0:
            raise ModelError("the text could not be turned into tokens", None)
        return list(buffer[:count])

    def ends_turn(self, token: int) -> bool:
        """Whether llama.cpp stops at this token."""
        return bool(self._lib.llama_vocab_is_eog(self._vocabulary, token))

    def free(self) -> None:
        """Give the vocabulary back."""
        self._lib.llama_model_free(self._model)


def _overrides(lib: Any, values: Mapping[str, str | bool]) -> Any:
    """llama.cpp's array of overrides, which ends with one that has no key."""
    array = (lib.llama_model_kv_override * (len(values) + 1))()
    for entry, (key, value) in zip(array, values.items(), strict=False):
        entry.key = key.encode()
        if isinstance(value, bool):
            entry.tag = lib.LLAMA_KV_OVERRIDE_TYPE_BOOL
            entry.value.val_bool = value
        else:
            entry.tag = lib.LLAMA_KV_OVERRIDE_TYPE_STR
            entry.value.val_str = value.encode()
    return array
