"""The forward pass of llama-like decoders over a row of examples, with the modules transformers and PEFT made.

Nothing is kept between passes but their own parameters, so saving, optimising and resuming know nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from finetune.fast.attention import attend
from finetune.fast.functions import Layer, add_gated, add_projection, project, rms_norm


def hidden_states(
    decoder: Any, input_ids: Tensor, position_ids: Tensor, lengths: Sequence[int], wanted: Tensor
) -> Tensor:
    """What the language head is applied to, (wanted, width), for the tokens with the indices `wanted`.

    decoder: a model without its head for which `finetune.fast.supported.obstacle` finds nothing. input_ids,
    position_ids: (tokens,). lengths: of the examples, in tokens. Of the last layer only what is wanted is computed.
    """
    x = decoder.embed_tokens(input_ids)
    cos, sin = decoder.rotary_emb(x, position_ids[None])
    for layer in decoder.layers:
        attended = _attention(layer, x, (cos[0], sin[0]), lengths)
        if layer is decoder.layers[-1]:
            x, attended = x.index_select(0, wanted), attended.index_select(0, wanted)
        x = add_projection(x, attended, _linear(layer.self_attn.o_proj))
        x = _feed_forward(layer, x)
    return _norm(decoder.norm, x)


def _attention(layer: Any, x: Tensor, turn: tuple[Tensor, Tensor], lengths: Sequence[int]) -> Tensor:
    """What a layer's attention finds for norm(x), before its output projection."""
    attention = layer.self_attn
    normed = _norm(layer.input_layernorm, x)
    q, k, v = project(normed, [_linear(attention.q_proj), _linear(attention.k_proj), _linear(attention.v_proj)])
    q, k, v = (y.view(len(x), -1, attention.head_dim) for y in (q, k, v))
    if hasattr(attention, "q_norm"):
        q, k = _norm(attention.q_norm, q), _norm(attention.k_norm, k)
    return attend(q, k, v, turn, lengths)


def _feed_forward(layer: Any, x: Tensor) -> Tensor:
    """x + the layer's feed-forward part for norm(x)."""
    gate, up = project(
        _norm(layer.post_attention_layernorm, x), [_linear(layer.mlp.gate_proj), _linear(layer.mlp.up_proj)]
    )
    return add_gated(x, gate, up, _linear(layer.mlp.down_proj))


def _norm(norm: Any, x: Tensor) -> Tensor:
    return rms_norm(x, norm.weight, norm.variance_epsilon)


def _linear(module: Any) -> Layer:
    """A linear layer, with the adapter PEFT put around it if there is one."""
    if type(module) is nn.Linear:
        return Layer(module.weight, module.bias, None, None, 0.0)
    base = module.get_base_layer()
    (name,) = module.active_adapters
    if name not in module.lora_A or module.disable_adapters:
        return Layer(base.weight, base.bias, None, None, 0.0)
    a, b = module.lora_A[name].weight, module.lora_B[name].weight
    return Layer(base.weight, base.bias, a, b, module.scaling[name])
