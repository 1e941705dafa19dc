"""A small model that guesses what the large one will write: speculative decoding with a draft model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fireside.errors import ModelError
from fireside.models.gguf.context import Context, NoRoom
from fireside.models.gguf.loading import GgufLoading
from fireside.models.gguf.model import Model
from fireside.prefix import common_prefix


class DraftModel:
    """The draft model with a context of its own, which follows one reply at a time. `free` gives it back."""

    def __init__(self, path: Path, loading: GgufLoading, model: Model) -> None:
        """Load `path` to guess for `model`. Raises ModelError: it cannot be loaded, or its vocabulary is another."""
        self._model = Model(path, gpu_layers=loading.gpu_layers, mmap=loading.mmap)
        if self._model.vocabulary_mark != model.vocabulary_mark:
            self._model.free()
            raise ModelError(
                f"{path.name} cannot guess for this model: its vocabulary is another",
                "a draft model is a smaller one of the same family; leave model.draft empty otherwise",
            )
        self._context = Context(self._model, replace(loading, sequences=1))
        self._lib = self._model.lib
        self._greedy = self._lib.llama_sampler_init_greedy()
        self._tokens: list[int] = []

    def guess(self, tokens: Sequence[int], count: int) -> list[int]:
        """The `count` tokens this model finds most likely after `tokens`; fewer where its context ends.

        Empty where it fails, which costs speed and nothing else.
        """
        try:
            return self._guess(tokens, count)
        except (ModelError, NoRoom):
            self._context.drop_batch()
            self._context.cut(0, 0)
            self._tokens = []
            return []

    def _guess(self, tokens: Sequence[int], count: int) -> list[int]:
        wanted = list(tokens)
        shared = common_prefix(self._tokens, wanted[:-1])
        if shared < len(self._tokens):
            self._tokens = self._tokens[:shared] if self._context.cut(0, shared) else []
        missing = wanted[len(self._tokens) :]
        guesses: list[int] = []
        while len(guesses) < count and len(self._tokens) + len(missing) < self._context.length:
            for begin in range(0, len(missing), self._context.batch_size):
                part = missing[begin : begin + self._context.batch_size]
                self._context.add(part, len(self._tokens), 0, wanted=1)
                self._context.decode()
                self._tokens.extend(part)
            token = int(self._lib.llama_sampler_sample(self._greedy, self._context.handle, -1))
            if self._model.ends_turn(token):
                break
            guesses.append(token)
            missing = [token]
        return guesses

    def free(self) -> None:
        """Give the model back."""
        self._lib.llama_sampler_free(self._greedy)
        self._context.free()
        self._model.free()
