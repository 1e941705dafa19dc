"""What a decoder layer keeps of each token for the backward pass, in numbers, for the estimates of memory."""

from __future__ import annotations

from finetune.config import RunConfig
from finetune.shape import Shape

# The fast path's attention keeps the weights of each block of so many queries, and of longer examples none.
_ATTENTION_BLOCK = 128
_ATTENTION_KEPT = 1024


def fast_floats(config: RunConfig, shape: Shape, length: int) -> int:
    """Numbers kept for each token of an example of `length` tokens in each layer, by the functions of `finetune.fast`.

    The inputs of both norms and of what follows them; queries, keys, values, and the attention's result twice; gate
    and up; x A^T of each adapter; and the attention's weights, a triangle of blocks.
    """
    queries, keys = _widths(shape)
    attention = shape.heads * (length + min(length, _ATTENTION_BLOCK)) // 2 if length <= _ATTENTION_KEPT else 0
    inner = config.lora.rank * len(shape.linear)
    return 4 * shape.hidden + 3 * queries + 2 * keys + 2 * shape.feed_forward + inner + attention


def plain_floats(config: RunConfig, shape: Shape) -> int:
    """Numbers that autograd keeps for each token in each layer of a llama block of transformers, with PEFT's adapters.

    Each norm keeps its input twice and its output; the rotation keeps queries and keys twice; the feed-forward keeps
    gate, silu(gate), up and their product. An adapter keeps x A^T; with dropout the noise (on a CPU as floats) and what
    it leaves of the input too; DoRA keeps its output.
    """
    queries, keys = _widths(shape)
    each = 8 * shape.hidden + 4 * queries + 5 * keys + 4 * shape.feed_forward
    if config.method == "lora":
        each += config.lora.rank * len(shape.linear)
        if config.lora.dropout:
            each += 2 * sum(ins for ins, _ in shape.linear.values())
        if config.lora.dora:
            each += 2 * sum(outs for _, outs in shape.linear.values())
    return each


def _widths(shape: Shape) -> tuple[int, int]:
    """Numbers of a token's queries, and of its keys."""
    queries = shape.linear.get("q_proj", (0, shape.hidden))[1]
    keys = shape.linear.get("k_proj", (0, shape.hidden * shape.kv_heads // max(shape.heads, 1)))[1]
    return queries, keys
