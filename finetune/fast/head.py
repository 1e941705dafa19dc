"""The language head and its loss in one, forward and backward, in blocks that bound the memory for logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Logits of so many tokens are held at once (50 MB at 49,152 tokens in the vocabulary).
_ROWS = 256
# A product with so many columns runs at 152 GFLOP/s here, one with all 49,152 at 120.
_COLUMNS = 1536


def summed_loss(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """The sum of the negative log-likelihoods (nats) of `labels` under softmax(hidden weight^T).

    hidden: (tokens, width). weight: (vocabulary, width), gets no gradient. labels: (tokens,).
    """
    loss: Tensor = _SummedLoss.apply(hidden, weight, labels)  # type: ignore[no-untyped-call]  # torch's is untyped
    return loss


class _SummedLoss(torch.autograd.Function):
    """The gradient is computed along with the loss, so that no logits are kept."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        losses = hidden.new_empty(len(hidden))
        buffer = hidden.new_empty(min(_ROWS, len(hidden)), len(weight))
        for begin in range(0, len(hidden), _ROWS):
            rows = slice(begin, begin + _ROWS)
            logits = buffer[: len(hidden[rows])]
            for first in range(0, len(weight), _COLUMNS):
                columns = slice(first, first + _COLUMNS)
                torch.mm(hidden[rows], weight[columns].t(), out=logits[:, columns])
            label = labels[rows, None]
            of_label = logits.gather(1, label)
            largest, where = logits.max(dim=1, keepdim=True)
            torch.softmax(logits, 1, out=logits)
            # log(sum(exp(logits))) by the likeliest token, whose probability never underflows.
            losses[rows] = (largest - logits.gather(1, where).log_() - of_label).squeeze(1)
            if gradient is not None:
                logits.scatter_add_(1, label, logits.new_full(label.shape, -1.0))
                torch.mm(logits, weight, out=gradient[rows])
        ctx.save_for_backward(gradient)
        return losses.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Any, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * d_loss, None, None
