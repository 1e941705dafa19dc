"""A llama.cpp context: the KV cache of several sequences, batches of tokens through the model, and logits out."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from fireside.cores import usable_cores
from fireside.errors import AdapterError, ModelError
from fireside.models.gguf import log
from fireside.models.gguf.loading import GgufLoading
from fireside.models.gguf.model import Model, modified_at

AdapterSet: TypeAlias = tuple[tuple[Path, int, float], ...]
"""Adapters as applied: file, when it was written, scale. Two equal sets compute the same."""

_NO_ROOM = 1  # llama_decode: no place in the KV cache for the batch; nothing was changed


class NoRoom(Exception):
    """The KV cache is full: a sequence that is not in use must go."""


class Context:
    """Sequences of tokens computed by `model`, in one KV cache. Not thread-safe. `free` gives it back.

    Tokens are put into the next batch with `add` and computed with `decode`, which empties the batch; `logits(row)` and
    the samplers read the results by the row that `add` returned.
    """

    def __init__(self, model: Model, loading: GgufLoading, *, rows: int = 64) -> None:
        """Make the context. rows: the most tokens of a batch whose logits are wanted. Raises ModelError: no memory."""
        import numpy as np

        self._model, self._lib, self._np = model, model.lib, np
        length = loading.context_length
        if model.trained_length > 0:
            length = min(length, model.trained_length)
        self.unified = loading.unified
        self.sequences = loading.kept_sequences
        # llama.cpp aborts where a sequence could not have a row of its own.
        rows = max(rows, self.sequences)
        # A batch cannot be larger than the context.
        rows = min(rows, length * loading.sequences)
        threads = loading.threads or usable_cores()
        parameters = self._lib.llama_context_default_params()
        parameters.n_ctx = length * loading.sequences
        parameters.n_seq_max = self.sequences
        parameters.kv_unified = self.unified
        parameters.n_batch = parameters.n_ubatch = self.batch_size = max(min(loading.batch, length), rows)
        # The buffer of logits is sized by this; by default it holds a whole batch of vocabularies (100 MB here).
        parameters.n_outputs_max = self.rows = rows
        parameters.n_threads, parameters.n_threads_batch = threads, loading.threads_batch or threads
        parameters.flash_attn_type = {"auto": -1, "off": 0, "on": 1}[loading.flash_attention]
        parameters.type_k = parameters.type_v = getattr(self._lib, f"GGML_TYPE_{loading.cache_type.upper()}")
        parameters.no_perf = True
        self.handle = self._lib.llama_init_from_model(model.handle, parameters)
        if not self.handle:
            raise ModelError(
                f"llama.cpp cannot make a context of {parameters.n_ctx} tokens: {log.last_error()}",
                "most likely memory is short: set model.context_length to a smaller number",
            )
        self.cells: int = self._lib.llama_n_ctx(self.handle)
        self.length: int = min(length, self.cells)
        self._memory = self._lib.llama_get_memory(self.handle)
        self._applied: AdapterSet = ()
        # Rows have few addresses. Making an array from a pointer takes 0.08 ms behind a batch, when no cache is warm.
        self._views: dict[int, Any] = {}
        self._logits_at = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32)(
            ctypes.cast(self._lib.llama_get_logits_ith, ctypes.c_void_p).value or 0
        )
        self._make_batch(self.batch_size)

    def _make_batch(self, capacity: int) -> None:
        """The batch's arrays, made once. llama.cpp takes a pointer to each token's sequences: one each here."""
        np = self._np
        self._tokens, self._positions = np.zeros(capacity, np.int32), np.zeros(capacity, np.int32)
        self._sequences, self._counts = np.zeros(capacity, np.int32), np.ones(capacity, np.int32)
        self._wanted = np.zeros(capacity, np.int8)
        start, step = self._sequences.ctypes.data, self._sequences.itemsize
        pointer = ctypes.POINTER(ctypes.c_int32)
        self._pointers = (pointer * capacity)(
            *(ctypes.cast(start + index * step, pointer) for index in range(capacity))
        )
        self._batch = self._lib.llama_batch(
            n_tokens=0,
            token=self._tokens.ctypes.data_as(pointer),
            pos=self._positions.ctypes.data_as(pointer),
            n_seq_id=self._counts.ctypes.data_as(pointer),
            seq_id=self._pointers,
            logits=self._wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def add(self, tokens: Sequence[int], position: int, sequence: int, *, wanted: int) -> int:
        """Put `tokens` into the next batch, at `position` and on of `sequence`; logits for the last `wanted`.

        Returns the row of the first.
        """
        first = int(self._batch.n_tokens)
        end = first + len(tokens)
        if len(tokens) == 1:
            self._tokens[first], self._positions[first], self._sequences[first] = tokens[0], position, sequence
            self._wanted[first] = wanted
        else:
            self._tokens[first:end] = tokens
            self._positions[first:end] = self._np.arange(position, position + len(tokens))
            self._sequences[first:end] = sequence
            self._wanted[first:end] = 0
            self._wanted[end - wanted : end] = 1
        self._batch.n_tokens = end
        return first

    def decode(self) -> None:
        """Compute the batch. Raises NoRoom, the batch being kept; or ModelError, the batch being gone."""
        status = self._lib.llama_decode(self.handle, self._batch)
        if status == _NO_ROOM:
            raise NoRoom
        self._batch.n_tokens = 0
        if status != 0:
            raise ModelError(
                f"llama.cpp could not compute the next tokens (status {status}: {log.last_error()})",
                "send again; if it happens again, begin a new conversation",
            )

    def drop_batch(self) -> None:
        """Empty the batch without computing it."""
        self._batch.n_tokens = 0

    def logits(self, row: int) -> Any:
        """The logits of `row`: float32 array (vocabulary,), llama.cpp's own memory, changed where it is changed."""
        address = self._logits_at(self.handle, row)
        found = self._views.get(address)
        if found is None:
            values = (ctypes.c_float * self._model.vocabulary_size).from_address(address)
            found = self._views[address] = self._np.ctypeslib.as_array(values)
        return found

    def cut(self, sequence: int, length: int) -> bool:
        """Keep only the first `length` tokens of `sequence`. False where the model cannot: it is then empty."""
        if self._lib.llama_memory_seq_rm(self._memory, sequence, length, -1):
            return True
        self._lib.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        return False

    def copy(self, source: int, target: int, length: int) -> None:
        """Let `target`, which is empty, begin with the first `length` tokens of `source`.

        In a unified cache they share memory. Otherwise the next `decode` copies the whole stream.
        """
        if self.unified:
            self._lib.llama_memory_seq_cp(self._memory, source, target, 0, length)
        else:
            self._lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)
            self.cut(target, length)

    def apply(self, adapters: AdapterSet) -> None:
        """Make `adapters` the active ones for the next batch; the model stays loaded. Raises AdapterError."""
        if adapters == self._applied:
            return
        handles = [self._model.adapter(path, modified) for path, modified, _ in adapters]
        array = (self._lib.llama_adapter_lora_p_ctypes * max(len(handles), 1))(*handles)
        scales = (ctypes.c_float * max(len(handles), 1))(*(scale for _, _, scale in adapters))
        if self._lib.llama_set_adapters_lora(self.handle, array, len(handles), scales) != 0:
            raise AdapterError("llama.cpp refused the adapter", "check that it was made for this model")
        self._applied = adapters

    def save(self, sequence: int, tokens: Sequence[int], path: Path) -> bool:
        """Write the KV state of `sequence`, which holds `tokens`, to `path`; whether that worked."""
        array = (self._lib.llama_token * len(tokens))(*tokens)
        written = self._lib.llama_state_seq_save_file(self.handle, str(path).encode(), sequence, array, len(tokens))
        return bool(written > 0)

    def load(self, sequence: int, path: Path, count: int) -> bool:
        """Read a KV state of `count` tokens into `sequence`; whether it fitted. The file must have been checked.

        llama.cpp aborts the process on a file that is cut off.
        """
        array = (self._lib.llama_token * count)()
        read = ctypes.c_size_t(0)
        taken = self._lib.llama_state_seq_load_file(
            self.handle, str(path).encode(), sequence, array, count, ctypes.byref(read)
        )
        if taken > 0 and read.value == count:
            return True
        self._lib.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        return False

    def free(self) -> None:
        """Give the context back."""
        if self.handle:
            self._lib.llama_free(self.handle)
            self.handle = None


def adapter_set(adapters: Sequence[tuple[Path, float]]) -> AdapterSet:
    """`adapters` (file, scale) as `Context.apply` takes them; those of scale 0 are left out, they change nothing."""
    return tuple((path, modified_at(path), float(scale)) for path, scale in adapters if scale != 0)
