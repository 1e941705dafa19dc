"""How a model is loaded in transformers: one frozen dataclass, which the interface fills in and the worker reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Quantisation = Literal["plain", "nf4", "int8"]
Device = Literal["auto", "cuda", "mps", "cpu"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Attention = Literal["auto", "sdpa", "flash_attention_2", "eager"]


@dataclass(frozen=True)
class HfLoading:
    """How to load a model.

    path: a folder with `config.json`, safetensors and a tokenizer; or a GGUF file, whose weights are then dequantised.
    context_length: tokens one conversation holds; at most what the model was trained with.
    sequences: replies computed at once, each with a context of that length.
    threads: CPU threads; 0 means all cores this process may use.
    quantisation: "plain" as the files are; "nf4", 4-bit NF4 with double quantisation (arXiv:2305.14314); "int8",
        LLM.int8() (arXiv:2208.07339). Files that are quantised already (AWQ, GPTQ, bitsandbytes) need "plain".
    device, dtype: "auto" takes what is fast on this machine (`devices.place`). dtype is that of plain weights, and the
        one that quantised weights are computed in.
    attention: "auto" takes FlashAttention-2 where it is installed and the model knows it, else SDPA.
    template: the name of a template of `templates`, in place of the model's own; "" for its own.
    """

    path: Path
    context_length: int = 4096
    sequences: int = 1
    threads: int = 0
    quantisation: Quantisation = "plain"
    device: Device = "auto"
    dtype: Dtype = "auto"
    attention: Attention = "auto"
    template: str = ""
