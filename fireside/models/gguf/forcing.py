"""Teacher forcing: the logits of a text as it stands, for proving an adapter's export; not for chat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fireside.models.gguf.context import Context, adapter_set
from fireside.models.gguf.loading import GgufLoading
from fireside.models.gguf.model import Model


class TeacherForcing:
    """A GGUF model that reads texts and tells its logits, with adapters or without. `free` gives it back."""

    def __init__(self, path: Path, *, context_length: int, threads: int = 0) -> None:
        """Load `path`. Raises ModelError."""
        self.model = Model(path)
        try:
            self._context = Context(self.model, GgufLoading(path, context_length, threads=threads))
        except BaseException:
            self.model.free()
            raise

    def apply_adapters(self, adapters: Sequence[tuple[Path, float]]) -> None:
        """Compute with `adapters` (file, scale) from now on. Raises AdapterError where one does not fit."""
        self._context.apply(adapter_set(adapters))

    def logits(self, tokens: Sequence[int]) -> Any:
        """Float32 array (len(tokens), vocabulary): row i predicts token i + 1.

        Computed from nothing, in batches of the same sizes, so that every call computes the same. Raises ModelError.
        """
        import numpy as np

        context = self._context
        context.cut(0, 0)
        rows = []
        for begin in range(0, len(tokens), context.rows):
            part = tokens[begin : begin + context.rows]
            first = context.add(part, begin, 0, wanted=len(part))
            context.decode()
            rows += [context.logits(first + index).copy() for index in range(len(part))]
        context.cut(0, 0)
        return np.stack(rows)

    def free(self) -> None:
        """Give the model back."""
        self._context.free()
        self.model.free()
