"""Causal attention over several examples in one row, none of which sees another.

PyTorch's own kernel runs at 50 GFLOP/s here (512 tokens, both passes), where matrix products run at 180. So queries are
taken in blocks, each with the keys up to its end, and each step is a matrix product of one block: nothing is computed
of what lies more than a block in the future, and no mask larger than a block is built. The queries that share keys
(grouped-query attention, arXiv:2305.13245) are rows of the same product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_BLOCK = 128
# Of longer examples the attention's weights, whose number grows with the square of the length, are computed twice.
_KEPT = 1024


def attend(q: Tensor, k: Tensor, v: Tensor, turn: tuple[Tensor, Tensor], lengths: Sequence[int]) -> Tensor:
    """Rotary position embedding (arXiv:2104.09864) and scaled dot-product attention within each example.

    q: (tokens, heads, size). k, v: (tokens, kv heads, size). turn: cosines and sines, (tokens, size), as transformers'
    rotary embeddings give them. lengths: the examples' tokens, their sum is `tokens`. Returns (tokens, heads * size).
    """
    attended: Tensor = _Attend.apply(q, k, v, *turn, tuple(lengths))  # type: ignore[no-untyped-call]  # torch's is untyped
    return attended


class _Attend(torch.autograd.Function):
    """Queries are held as (kv heads, tokens * groups, size), keys and values as (kv heads, tokens, size)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, cos: Tensor, sin: Tensor, lengths: Sequence[int]) -> Tensor:
        tokens, heads, size = q.shape
        groups = heads // k.shape[1]
        q = _by_key_head(_turned(q, cos, sin).mul_(size**-0.5), groups)
        k = _turned(k, cos, sin).transpose(0, 1).contiguous()
        v = v.transpose(0, 1).contiguous()
        future = _future(min(_BLOCK, max(lengths)), groups, q.dtype)
        out = torch.empty_like(q)
        kept: list[Tensor | None] = []
        for begin, first, end in _blocks(lengths):
            weights = _weights(q, k, future, begin, first, end)
            torch.bmm(weights, v[:, begin:end], out=out[:, first * groups : end * groups])
            kept.append(weights if end - begin <= _KEPT else None)
        attended = out.view(-1, tokens, groups, size).transpose(0, 1).reshape(tokens, heads * size)
        ctx.lengths, ctx.groups = lengths, groups
        ctx.save_for_backward(q, k, v, cos, sin, future, attended, *kept)
        return attended

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_attended: Tensor) -> tuple[Any, ...]:
        # With P the weights: dV = P^T dO, dP = dO V^T, dS = P (dP - rowsum(dO O)), dQ = dS K, dK = dS^T Q.
        q, k, v, cos, sin, future, attended, *kept = ctx.saved_tensors
        tokens, size = cos.shape
        groups = ctx.groups
        shape = (tokens, len(k) * groups, size)
        sums = torch.linalg.vecdot(d_attended.view(shape), attended.view(shape)).unsqueeze_(-1)
        d_out, sums = _by_key_head(d_attended.view(shape), groups), _by_key_head(sums, groups)
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for (begin, first, end), weights in zip(_blocks(ctx.lengths), kept, strict=True):
            if weights is None:
                weights = _weights(q, k, future, begin, first, end)
            rows = slice(first * groups, end * groups)
            dv[:, begin:end].baddbmm_(weights.transpose(1, 2), d_out[:, rows])
            ds = torch.bmm(d_out[:, rows], v[:, begin:end].transpose(1, 2))
            ds.sub_(sums[:, rows]).mul_(weights)
            torch.bmm(ds, k[:, begin:end], out=dq[:, rows])
            dk[:, begin:end].baddbmm_(ds.transpose(1, 2), q[:, rows])
        dq = dq.mul_(size**-0.5).view(-1, tokens, groups, size).transpose(0, 1).reshape(shape)
        return _turned(dq, cos, -sin), _turned(dk.transpose(0, 1), cos, -sin), dv.transpose(0, 1), None, None, None


def _by_key_head(x: Tensor, groups: int) -> Tensor:
    """(tokens, heads, size) as (kv heads, tokens * groups, size)."""
    tokens, heads, size = x.shape
    return x.view(tokens, heads // groups, groups, size).transpose(0, 1).reshape(heads // groups, tokens * groups, size)


def _weights(q: Tensor, k: Tensor, future: Tensor, begin: int, first: int, end: int) -> Tensor:
    """How much each query of a block attends to each key since its example's beginning: (kv heads, queries, keys)."""
    groups = q.shape[1] // k.shape[1]
    weights = torch.bmm(q[:, first * groups : end * groups], k[:, begin:end].transpose(1, 2))
    weights[:, :, first - begin :] += future[: (end - first) * groups, : end - first]
    return torch.softmax(weights, -1, out=weights)


def _blocks(lengths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Of each block of queries: where its example begins, where it begins, and where it ends."""
    begin = 0
    for length in lengths:
        for first in range(begin, begin + length, _BLOCK):
            yield begin, first, min(first + _BLOCK, begin + length)
        begin += length


def _future(size: int, groups: int, dtype: torch.dtype) -> Tensor:
    """What is added to a block's scores, (size * groups, size): -inf where a key comes after the query."""
    mask = torch.full((size, size), float("-inf"), dtype=dtype).triu_(1)
    return mask.repeat_interleave(groups, 0)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x: (tokens, heads, size), each pair of its elements i and i + size/2 turned by the angle of its position."""
    half = x.shape[-1] // 2
    turned = x * cos.unsqueeze(1)
    turned[..., :half].addcmul_(x[..., half:], sin[:, None, :half], value=-1)
    turned[..., half:].addcmul_(x[..., :half], sin[:, None, half:])
    return turned
