"""The base model's tokens as the chat sees them: llama.cpp's tokenizer, and the template in the model file."""

from __future__ import annotations

from collections.abc import Sequence

from finetune.base import Base
from fireside.models.gguf.model import Model


class GgufVocabulary:
    """The base model's tokens as the chat sees them: llama.cpp's tokenizer, and the template in the model file.

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


def open_vocabulary(base: Base) -> GgufVocabulary:
    """The base's vocabulary alone: its weights are mapped and never read. Raises ModelError."""
    model = Model(base.path)
    model.write_out(model.special_tokens())
    return GgufVocabulary(model)
