"""The loss on reply positions only is the plain loss, in value and in gradient."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from finetune.data.render import IGNORED, Example

with warnings.catch_warnings():
    # trl and transformers warn about each other's coming changes when imported.
    warnings.simplefilter("ignore")
    from finetune.batches import as_row, collate
    from finetune.loss import held_back_loss, reply_loss


@pytest.fixture(scope="module")
def model() -> Any:
    """A llama of two layers with random weights and a LoRA adapter that does something."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_peft_model(
            LlamaForCausalLM(shape), LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
        )


EXAMPLES = [
    Example((1, 2, 3, 4, 5), (IGNORED, IGNORED, 3, 4, 5), 1),
    Example((6, 7, 8), (IGNORED, 7, IGNORED), 2),
    Example((9, 10, 11, 12, 13, 14, 15), (IGNORED,) * 5 + (14, 15), 3),
]


def gradients(model: Any, loss: Any) -> list[Any]:
    model.zero_grad()
    loss.backward()
    return [weight.grad.clone() for weight in model.parameters() if weight.requires_grad]


def test_reply_loss_is_the_plain_loss(model):
    import torch

    batch = collate([as_row(example) for example in EXAMPLES])
    loss, count = reply_loss(model, batch)
    assert count == 6
    plain = model(**batch).loss
    assert torch.allclose(loss / count, plain, atol=1e-6)
    for ours, theirs in zip(gradients(model, loss / count), gradients(model, model(**batch).loss), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_padding_does_not_change_the_loss(model):
    alone = [reply_loss(model, collate([as_row(example)])) for example in EXAMPLES]
    together, count = reply_loss(model, collate([as_row(example) for example in EXAMPLES]))
    assert together.item() == pytest.approx(sum(loss.item() for loss, _ in alone), abs=1e-4)
    assert count == sum(number for _, number in alone)


def test_the_held_back_loss_is_a_mean_over_tokens_whatever_the_batches(model):
    losses = [held_back_loss(model, EXAMPLES, size) for size in (1, 2, 3)]
    assert losses == pytest.approx([losses[0]] * 3, abs=1e-5)
