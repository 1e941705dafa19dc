"""The parts of a decoder layer as autograd functions whose backward pass is written by hand.

All tensors are float32 on the CPU; a row of a matrix is a token. Weights of the base get no gradient, and are never
written to. In the formulas, d before a name is the loss's gradient with respect to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import silu


class Layer(NamedTuple):
    """A linear layer: y = x weight^T + bias + scale (x a^T) b^T (LoRA, arXiv:2106.09685).

    weight: (out, in). bias: (out,) or None. a: (rank, in), b: (out, rank), or both None where there is no adapter.
    """

    weight: Tensor
    bias: Tensor | None
    a: Tensor | None
    b: Tensor | None
    scale: float


def project(x: Tensor, layers: Sequence[Layer]) -> tuple[Tensor, ...]:
    """Each layer's output for the same input x: (tokens, in)."""
    adapters = [tensor for layer in layers if layer.a is not None for tensor in (layer.a, layer.b)]
    outputs: tuple[Tensor, ...] = _Project.apply(x, tuple(layers), *adapters)  # type: ignore[no-untyped-call]  # torch's is untyped
    return outputs


class _Project(torch.autograd.Function):
    """The adapters' inner activations x a^T are computed for all layers at once: thin products are slow."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layers: tuple[Layer, ...], *adapters: Tensor) -> tuple[Tensor, ...]:
        outputs = tuple(_plain(x, layer) for layer in layers)
        inner = x @ torch.cat(adapters[::2]).t() if adapters else x.new_empty(len(x), 0)
        for layer, y, part in zip(layers, outputs, _parts(inner, layers), strict=True):
            if layer.b is not None:
                y.addmm_(part, layer.b.t(), alpha=layer.scale)
        ctx.layers = layers
        ctx.save_for_backward(x, inner, *adapters)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *dys: Tensor) -> tuple[Any, ...]:
        x, inner, *adapters = ctx.saved_tensors
        layers: tuple[Layer, ...] = ctx.layers
        d_inner = torch.empty_like(inner)
        gradients: list[Tensor | None] = []
        parts = zip(layers, dys, _parts(inner, layers), _parts(d_inner, layers), strict=True)
        for layer, dy, part, d_part in parts:
            if layer.b is not None:
                d_part.copy_(dy @ layer.b).mul_(layer.scale)
                gradients += [None, (part.t() @ dy).t().mul(layer.scale)]
        if adapters:
            das = (d_inner.t() @ x).split([len(a) for a in adapters[::2]])
            gradients[::2] = das
        dx = None
        if ctx.needs_input_grad[0]:
            dx = dys[0] @ layers[0].weight
            for layer, dy in zip(layers[1:], dys[1:], strict=True):
                dx.addmm_(dy, layer.weight)
            if adapters:
                dx.addmm_(d_inner, torch.cat(adapters[::2]))
        return dx, None, *gradients


def add_projection(residual: Tensor, x: Tensor, layer: Layer) -> Tensor:
    """residual + the layer's output for x."""
    total: Tensor = _AddProjection.apply(residual, x, layer, layer.a, layer.b)  # type: ignore[no-untyped-call]  # torch's is untyped
    return total


class _AddProjection(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, residual: Tensor, x: Tensor, layer: Layer, a: Tensor | None, b: Tensor | None) -> Tensor:
        y, inner = _added(residual, x, layer)
        ctx.layer = layer
        ctx.save_for_backward(x, inner, a, b)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Any, ...]:
        x, inner, a, b = ctx.saved_tensors
        dx = dy @ ctx.layer.weight
        da = db = None
        if a is not None:
            d_inner = (dy @ b).mul_(ctx.layer.scale)
            dx.addmm_(d_inner, a)
            da, db = d_inner.t() @ x, (inner.t() @ dy).t().mul(ctx.layer.scale)
        return dy, dx, None, da, db


def add_gated(residual: Tensor, gate: Tensor, up: Tensor, layer: Layer) -> Tensor:
    """residual + the layer's output for silu(gate) * up (SwiGLU, arXiv:2002.05202)."""
    total: Tensor = _AddGated.apply(residual, gate, up, layer, layer.a, layer.b)  # type: ignore[no-untyped-call]  # torch's is untyped
    return total


class _AddGated(torch.autograd.Function):
    """Keeps gate and up only; their product is computed once more in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, residual: Tensor, gate: Tensor, up: Tensor, layer: Layer, a: Tensor | None, b: Tensor | None
    ) -> Tensor:
        y, inner = _added(residual, silu(gate).mul_(up), layer)
        ctx.layer = layer
        ctx.save_for_backward(gate, up, inner, a, b)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Any, ...]:
        gate, up, inner, a, b = ctx.saved_tensors
        dx = dy @ ctx.layer.weight
        activated = silu(gate)
        da = db = None
        if a is not None:
            d_inner = (dy @ b).mul_(ctx.layer.scale)
            dx.addmm_(d_inner, a)
            da, db = d_inner.t() @ (activated * up), (inner.t() @ dy).t().mul(ctx.layer.scale)
        d_up = activated.mul_(dx)
        d_gate = torch.ops.aten.silu_backward(dx.mul_(up), gate)
        return dy, d_gate, d_up, None, da, db


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """x / sqrt(mean(x^2) + epsilon) * weight over the last dimension (arXiv:1910.07467). weight gets no gradient."""
    normed: Tensor = _RmsNorm.apply(x, weight, epsilon)  # type: ignore[no-untyped-call]  # torch's is untyped
    return normed


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        inverse = norm.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        normed: Tensor = (x * inverse).mul_(weight)
        return normed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Any, ...]:
        # With n = x * inverse and g = dy * weight: dx = inverse * (g - n * mean(g n)).
        x, weight, inverse = ctx.saved_tensors
        g = dy * weight
        mean = torch.linalg.vecdot(g, x).unsqueeze_(-1).div_(x.shape[-1])
        dx = g.mul_(inverse).addcmul_(x, mean.mul_(inverse.pow(3)), value=-1)
        return dx, None, None


def _plain(x: Tensor, layer: Layer) -> Tensor:
    """The layer's output without its adapter."""
    return torch.nn.functional.linear(x, layer.weight, layer.bias)


def _added(residual: Tensor, x: Tensor, layer: Layer) -> tuple[Tensor, Tensor | None]:
    """residual + the layer's output for x, and x a^T."""
    y = torch.addmm(residual, x, layer.weight.t())
    if layer.bias is not None:
        y.add_(layer.bias)
    if layer.a is None or layer.b is None:
        return y, None
    inner = x @ layer.a.t()
    return y.addmm_(inner, layer.b.t(), alpha=layer.scale), inner


def _parts(inner: Tensor, layers: Sequence[Layer]) -> tuple[Tensor, ...]:
    """The columns of each layer's adapter; none where it has none."""
    return torch.split(inner, [0 if layer.a is None else len(layer.a) for layer in layers], dim=1)
