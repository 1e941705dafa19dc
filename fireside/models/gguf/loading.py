"""How a GGUF model is loaded: one frozen dataclass, which the interface fills in and the worker process reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FlashAttention = Literal["auto", "on", "off"]
CacheType = Literal["f16", "q8_0", "q4_0"]

SPARE_SEQUENCES = 3
"""Sequences beside those in use that keep the KV cache of earlier prompts, as far as there is room."""


@dataclass(frozen=True)
class GgufLoading:
    """How to load a model.

    context_length: tokens one conversation holds; at most what the model was trained with.
    sequences: replies computed at once, each with a context of that length.
    threads, threads_batch: CPU threads for single tokens and for prompts; 0 means all cores this process may use.
    batch: tokens of a prompt computed at a time; a cancel takes effect within that.
    gpu_layers: layers computed on a GPU, -1 all.
    flash_attention: "auto" leaves it to llama.cpp. cache_type: how keys and values are kept; quantised ones need flash
        attention.
    mmap: map the file instead of reading it into memory of its own.
    draft: a small model with the same vocabulary that guesses ahead, or None.
    speculate: guess ahead from what was already said, where that pays.
    kv_folder, kv_bytes: where KV states of conversations are kept over a restart, and how much of them; None: nowhere.
        Without effect where each sequence has a stream of its own.
    template: the name of a template of `templates`, in place of the model file's own; "" for its own.
    """

    path: Path
    context_length: int = 4096
    sequences: int = 1
    threads: int = 0
    threads_batch: int = 0
    batch: int = 256
    gpu_layers: int = 0
    flash_attention: FlashAttention = "auto"
    cache_type: CacheType = "f16"
    mmap: bool = True
    draft: Path | None = None
    speculate: bool = True
    kv_folder: Path | None = None
    kv_bytes: int = 1 << 30
    template: str = ""

    @property
    def unified(self) -> bool:
        """Whether all sequences share one KV cache; otherwise each has a stream of its own.

        One reply at a time shares its cells with the spare sequences. Several at once on a CPU have streams: in a
        shared cache, every token passes over the cells of the others (8 at once: 159 against 178 tokens/s). Only
        neighbouring streams are computed together, which would cost a GPU more than the cells do.
        """
        return self.sequences == 1 or self.gpu_layers != 0

    @property
    def kept_sequences(self) -> int:
        """Sequences of the context, spare ones included."""
        return kept_sequences(self.sequences, unified=self.unified, flash_attention=self.flash_attention != "off")


def kept_sequences(sequences: int, *, unified: bool, flash_attention: bool) -> int:
    """Sequences of a context for so many replies at once: in a unified cache, spare ones keep earlier prompts.

    Without flash attention there are none: a token then costs as much for a spare sequence's cells as for its own
    (8 ms alone, 21 ms beside 3,500 cells; with it, 9.5 ms). Conversations that give way come back from disk.
    """
    return sequences + (SPARE_SEQUENCES if unified and flash_attention else 0)
