"""The base model's tokens as the chat sees them: the tokenizer of whatever will run the result, and its template."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from finetune.base import Base
from fireside.models.gguf.model import Model
from fireside.models.hf.tokenizer import HfTokenizer


class BaseVocabulary(Protocol):
    """What data, preview and samples need of a base's tokens. `finetune.data.render.Vocabulary` is a part of it."""

    chat_template: str
    bos_token: str
    eos_token: str
    special_tokens: tuple[str, ...]

    def tokenize(self, text: str, *, begins: bool) -> list[int]:
        """Token ids, special tokens recognised; `begins`: one beginning-of-sequence token where the model wants it."""
        ...

    def ends_turn(self, token: int) -> bool:
        """Whether generation stops at this token."""
        ...

    @property
    def pad_token(self) -> int | None:
        """The id of the padding token, None where the model names none."""
        ...

    def written(self, tokens: Sequence[int]) -> str:
        """Tokens as text, special ones as they are written."""
        ...

    def free(self) -> None:
        """Give the vocabulary back."""
        ...


class GgufVocabulary:
    """A GGUF base's tokens: llama.cpp's tokenizer, and the template in the model file.

    transformers' reading of a GGUF tokenizer differs from llama.cpp's for some characters (digits of other scripts), so
    training text is tokenised by the engine that will run the adapter.
    """

    def __init__(self, model: Model) -> None:
        """`model`: the base model as llama.cpp has loaded it; it must stay open."""
        self._model = model
        self.chat_template = model.chat_template or ""
        self.bos_token = model.bos_token
        self.eos_token = model.eos_token
        self.special_tokens = tuple(model.special_tokens())

    def tokenize(self, text: str, *, begins: bool) -> list[int]:
        """Token ids. Beginning-of-sequence comes from template or tokenizer, never from both."""
        written = bool(self.bos_token) and text.startswith(self.bos_token)
        return self._model.tokenize(text, add_special=begins and not written)

    def ends_turn(self, token: int) -> bool:
        """Whether generation stops at this token."""
        return self._model.ends_turn(token)

    @property
    def pad_token(self) -> int | None:
        """The id of the padding token, or None where the model file names none."""
        number = self._model.header.metadata.get("tokenizer.ggml.padding_token_id")
        return number if isinstance(number, int) else None

    def written(self, tokens: Sequence[int]) -> str:
        """Tokens as text; special ones as they are written where `open_vocabulary` made this, else as nothing."""
        return self._model.text(tokens)

    def free(self) -> None:
        """Give the model back."""
        self._model.free()


class FolderVocabulary:
    """A folder's tokens: its own tokenizer. An export as GGUF is refused where llama.cpp's tokens are not the same."""

    def __init__(self, tokenizer: HfTokenizer) -> None:
        self._tokenizer = tokenizer
        self.chat_template = tokenizer.chat_template or ""
        self.bos_token = tokenizer.bos_token
        self.eos_token = tokenizer.eos_token
        self.special_tokens = tuple(tokenizer.special_tokens())

    def tokenize(self, text: str, *, begins: bool) -> list[int]:
        """Token ids. Beginning-of-sequence comes from template or tokenizer, never from both."""
        written = bool(self.bos_token) and text.startswith(self.bos_token)
        return self._tokenizer.tokenize(text, add_special=begins and not written)

    def ends_turn(self, token: int) -> bool:
        """Whether generation stops at this token."""
        return self._tokenizer.ends_turn(token)

    @property
    def pad_token(self) -> int | None:
        """The id of the padding token, or None where the tokenizer names none."""
        number = self._tokenizer.native.pad_token_id
        return number if isinstance(number, int) else None

    def written(self, tokens: Sequence[int]) -> str:
        """Tokens as text, special ones as they are written."""
        return b"".join(self._tokenizer.piece(token) for token in tokens).decode("utf-8", "replace")

    def free(self) -> None:
        """Nothing is held."""


def open_vocabulary(base: Base) -> BaseVocabulary:
    """The base's vocabulary alone: of a GGUF file, the weights are mapped and never read. Raises ModelError."""
    if base.is_folder:
        tokenizer = HfTokenizer(base.path, _rows(base.path), _ends(base.path))
        tokenizer.write_out(tokenizer.special_tokens())
        return FolderVocabulary(tokenizer)
    model = Model(base.path)
    model.write_out(model.special_tokens())
    return GgufVocabulary(model)


def _rows(folder: Path) -> int:
    """How many tokens the folder's model has embeddings for."""
    return int(json.loads((folder / "config.json").read_text("utf-8"))["vocab_size"])


def _ends(folder: Path) -> list[int]:
    """The tokens at which the folder's generation settings end a reply."""
    try:
        found = json.loads((folder / "generation_config.json").read_text("utf-8")).get("eos_token_id")
    except (OSError, ValueError, AttributeError):
        return []
    return [number for number in (found if isinstance(found, list) else [found]) if isinstance(number, int)]
