"""Which models and settings the fast path computes, and why not the others."""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import nn

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
_SWISH = ("silu", "swish")


def obstacle(model: Any) -> str | None:
    """Why the fast path cannot compute `model` as it is set now, in a few words; None where it can.

    model: a causal language model of transformers, with or without PEFT's adapters. The fast path is for what most runs
    here are: plain LoRA in float32 on the CPU. For all else there is transformers' own path, which is always right.
    """
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    config, decoder, head = causal.config, causal.get_decoder(), causal.get_output_embeddings()
    if config.model_type not in FAMILIES:
        return f"the family {config.model_type} is not among {', '.join(FAMILIES)}"
    if config.hidden_act not in _SWISH:
        return f"the activation is {config.hidden_act}"
    if type(head) is not nn.Linear or head.bias is not None or head.weight.requires_grad:
        return "the language head is trained or has a bias"
    if type(decoder.embed_tokens) is not nn.Embedding or decoder.embed_tokens.weight.requires_grad:
        return "the embeddings are trained"
    if decoder.training and getattr(decoder, "gradient_checkpointing", False):
        return "activations are computed twice to save memory"
    if decoder.training and config.attention_dropout:
        return "the attention has dropout"
    modules = dict(decoder.named_modules())
    if any(module._forward_hooks or module._forward_pre_hooks for module in modules.values()):
        return "something changes or reads values between its layers, such as NEFTune's noise"
    if any(weight.dtype != torch.float32 or weight.device.type != "cpu" for weight in decoder.parameters()):
        return "it is not held in float32 on the CPU"
    if torch.is_autocast_enabled("cpu"):
        return "it is computed in 16 bits"
    if any(weight.requires_grad and ".lora_" not in name for name, weight in decoder.named_parameters()):
        return "weights of the base are trained"
    for number, layer in enumerate(decoder.layers):
        attention, mlp = layer.self_attn, layer.mlp
        for name in ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"):
            reason = _obstacle_of(getattr(attention if hasattr(attention, name) else mlp, name))
            if reason is not None:
                return f"{name} of layer {number} {reason}"
    return None


def _obstacle_of(layer: Any) -> str | None:
    """Why this linear layer cannot be computed, or None."""
    if type(layer) is nn.Linear:
        return None
    if type(layer) is not LoraLinear or type(layer.get_base_layer()) is not nn.Linear:
        return f"is a {type(layer).__name__}, neither a plain layer nor plain LoRA"
    if layer.merged or len(layer.active_adapters) != 1:
        return "has a merged adapter, or several"
    (name,) = layer.active_adapters
    if name in layer.lora_A:
        if name in layer.lora_variant or layer.lora_bias[name]:
            return "has a variant of LoRA, such as DoRA"
        if layer.training and type(layer.lora_dropout[name]) is not nn.Identity:
            return "has dropout"
    return None
