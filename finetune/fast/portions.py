"""A batch's loss a portion at a time, its gradients along with it, so that memory is bounded whatever the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Arguments = tuple[Any, ...]


def summed(loss_of: Callable[..., Tensor], portions: Sequence[Arguments], parameters: Sequence[Tensor]) -> Tensor:
    """The sum of loss_of(*portion) over `portions`, differentiable with respect to `parameters` alone.

    The activations of a portion are let go before the next one is computed: the gradients are computed here, and only
    handed out by the backward pass.
    """
    if not torch.is_grad_enabled() or not parameters:
        return torch.stack([loss_of(*portion) for portion in portions]).sum()
    total: Tensor = _Summed.apply(loss_of, portions, *parameters)  # type: ignore[no-untyped-call]  # torch's is untyped
    return total


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss_of: Callable[..., Tensor], portions: Sequence[Arguments], *parameters: Tensor) -> Tensor:
        total = torch.zeros(())
        gradients: list[Tensor] = []
        for portion in portions:
            with torch.enable_grad():
                loss = loss_of(*portion)
            found = torch.autograd.grad(loss, parameters, materialize_grads=True)
            total += loss.detach()
            if gradients:
                torch._foreach_add_(gradients, found)
            else:
                gradients = list(found)
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_total: Tensor) -> tuple[Any, ...]:
        return None, None, *(gradient * d_total for gradient in ctx.saved_tensors)
