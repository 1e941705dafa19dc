"""Loads the weights that are trained over: as they are, or held in 4 or 8 bits by bitsandbytes, on the CPU or a GPU."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Any, Literal

from finetune.base import Base
from finetune.choices import Choices
from fireside.models.hf.devices import Placement
from fireside.models.hf.loading import HfLoading
from fireside.models.hf.weights import dequantised, load_failure, load_model

Weights = Literal["plain", "nf4", "int8"]

ON_CPU = Placement("cpu", "float32")
# LLM.int8() computes features beyond this in 16 bits (arXiv:2208.07339, section 3.2).
_OUTLIER = 6.0


def placement(choices: Choices) -> Placement:
    """Where a frozen base lies, and in which numbers: on a GPU in those that are computed with, else in float32."""
    on_gpu = choices.device.value != "cpu"
    return Placement(choices.device.value, choices.precision.value) if on_gpu else ON_CPU


def load(base: Base, weights: Weights = "plain", placement: Placement = ON_CPU, attention: str = "sdpa") -> Any:
    """The base, from a GGUF file or a folder of safetensors, frozen and in evaluation mode.

    weights: "nf4" (4 bits, double quantisation: QLoRA, arXiv:2305.14314) and "int8" (LLM.int8()) hold all linear
    layers but the language head in bitsandbytes' layers. A GGUF file is dequantised first. placement: device and
    dtype. attention: as transformers names it.
    Raises ModelError where the files cannot be read.
    """
    if base.path.is_dir():
        # transformers has no SDPA for Gemma 2, whose soft caps lie inside of attention.
        eager = attention == "eager" or base.architecture == "gemma2"
        loading = HfLoading(base.path, quantisation=weights, attention="eager" if eager else "sdpa")
        model = load_model(loading, placement)
    else:
        model = dequantised(base.path, placement.dtype)
        if weights != "plain":
            _quantise(model, weights, placement)
        try:
            model.to(placement.device)
        except RuntimeError as error:
            raise load_failure(base.path, error) from error
    if attention == "flash_attention_2":
        model.set_attn_implementation(attention)
    if weights == "int8" and placement.device == "cpu":
        for layer in model.modules():
            if hasattr(layer, "init_8bit_state"):
                layer.register_forward_pre_hook(_as_in_training)
    model.requires_grad_(False)
    return model


def load_dequantised(base: Base, weights: Weights, dtype: str = "float32") -> Any:
    """A plain float32 model that holds, bit for bit, the weights that a run over `base` with `weights` computes with.

    dtype: of the run's placement. Raises ModelError where the files cannot be read.
    """
    import torch

    model = load(base, "plain", Placement("cpu", dtype))
    if weights != "plain":
        for _, layer in _linear_layers(model):
            layer.weight.data = _rounded(layer.weight.data, weights)
    return model.to(torch.float32)


def _as_in_training(layer: Any, _: Any) -> None:
    """On a CPU, bitsandbytes' 8-bit layer rounds activations too, but not while training; it is measured as trained."""
    layer.training = True


def _linear_layers(model: Any) -> list[tuple[str, Any]]:
    """The linear layers that are quantised, by name: all but the language head, as transformers does it."""
    import torch

    head = model.get_output_embeddings()
    return [(name, m) for name, m in model.named_modules() if type(m) is torch.nn.Linear and m is not head]


def _quantise(model: Any, weights: Weights, placement: Placement) -> None:
    """Put bitsandbytes' layers in place of the model's linear ones, one after the other, quantised on the device."""
    for name, layer in _linear_layers(model):
        model.set_submodule(name, _nf4(layer, placement) if weights == "nf4" else _int8(layer, placement))
    _give_back_memory()
    # What PEFT asks to choose its layers by.
    model.is_loaded_in_4bit, model.is_loaded_in_8bit = weights == "nf4", weights == "int8"


def _give_back_memory() -> None:
    """Let the system have what was freed: glibc keeps the 32-bit weights' room (600 MB of the bundled model's), in
    pieces too small for activations. Other C libraries have no such call."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _nf4(layer: Any, placement: Placement) -> Any:
    import bitsandbytes
    import torch

    new = bitsandbytes.nn.Linear4bit(
        layer.in_features,
        layer.out_features,
        bias=False,
        compute_dtype=getattr(torch, placement.dtype),
        compress_statistics=True,
        quant_type="nf4",
        device="meta",
    )
    new.weight = bitsandbytes.nn.Params4bit(
        layer.weight.data, requires_grad=False, compress_statistics=True, quant_type="nf4", module=new
    ).to(placement.device)
    new.bias = layer.bias
    return new


def _int8(layer: Any, placement: Placement) -> Any:
    import bitsandbytes

    new = bitsandbytes.nn.Linear8bitLt(
        layer.in_features,
        layer.out_features,
        bias=False,
        has_fp16_weights=False,
        threshold=_OUTLIER,
        device="meta",
    )
    new.weight = bitsandbytes.nn.Int8Params(layer.weight.data, requires_grad=False).to(placement.device)
    new.bias = layer.bias
    return new


def _rounded(weight: Any, weights: Weights) -> Any:
    """The matrix as its quantised form gives it back."""
    import torch
    from bitsandbytes import functional

    if weights == "nf4":
        packed, state = functional.quantize_4bit(weight, compress_statistics=True, quant_type="nf4")
        return functional.dequantize_4bit(packed, state)
    rows, scales, _ = functional.int8_vectorwise_quant(weight.to(torch.float16))
    # As bitsandbytes' backward pass has it.
    return rows.to(weight.dtype).mul_(scales.unsqueeze(1).mul(1.0 / 127.0))
