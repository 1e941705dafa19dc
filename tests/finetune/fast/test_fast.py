"""The fast path is transformers' path: the same losses and gradients for every family it knows, alone or packed."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from finetune.data.render import IGNORED, Example

with warnings.catch_warnings():
    # transformers and peft warn about each other's coming changes when imported.
    warnings.simplefilter("ignore")
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    from finetune import loss as loss_module
    from finetune.batches import as_row, collate
    from finetune.fast.supported import obstacle
    from finetune.loss import _fast, _plain, held_back_loss, reply_loss
    from finetune.packing import pack

SHAPE = {
    "vocab_size": 61, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512, "tie_word_embeddings": True,
}  # fmt: skip
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "llama with biases": {"attention_bias": True, "mlp_bias": True},
    "llama of other heads": {"num_key_value_heads": 4, "head_dim": 16, "tie_word_embeddings": False},
    "llama of longer contexts": {
        "rope_parameters": {
            "rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
        }
    },
    "mistral": {"sliding_window": 4096},
    "qwen2": {},
    "qwen3": {},
}  # fmt: skip


def base(family: str, **more: Any) -> Any:
    """A model of random weights, biases and norms included."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(family.split()[0], **SHAPE | FAMILIES.get(family, {}) | more)
    model = AutoModelForCausalLM.from_config(config)
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    return model.requires_grad_(False)


def tuned(model: Any, **more: Any) -> Any:
    """`model` with adapters that do something."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lora = LoraConfig(
            **{"r": 4, "lora_alpha": 12, "target_modules": "all-linear", "init_lora_weights": False} | more
        )
        return get_peft_model(model, lora).train()


def examples(*lengths: int) -> list[Example]:
    """Examples of random tokens, of which the latter half is trained, and one in the middle is not."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for row, length in enumerate(lengths):
        ids = torch.randint(1, 61, (length,), generator=generator).tolist()
        labels = [IGNORED] * (length // 2) + ids[length // 2 :]
        labels[-2] = IGNORED
        made.append(Example(tuple(ids), tuple(labels), row))
    return made


def gradients(model: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    torch.autograd.backward(loss)
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.requires_grad}


def assert_same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        error = (ours[name] - gradient).norm() / gradient.norm()
        assert error < 1e-5, (name, error)


# More than one block of queries, whole blocks, and less than one.
LENGTHS = (150, 128, 7, 40, 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_and_gradients_are_those_of_transformers(family):
    model = tuned(base(family))
    assert obstacle(model) is None
    batch = collate([as_row(example) for example in examples(*LENGTHS)])
    causal = model.get_base_model()
    ours, count = _fast(causal, batch)
    theirs, their_count = _plain(causal, batch)
    assert count == their_count == sum(example.trained for example in examples(*LENGTHS))
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    assert_same(gradients(model, ours / count), gradients(model, theirs / count))


def test_long_examples_keep_less_and_have_the_same_gradients(monkeypatch):
    monkeypatch.setattr("finetune.fast.attention._KEPT", 128)
    model = tuned(base("llama"))
    batch = collate([as_row(example) for example in examples(*LENGTHS)])
    ours, theirs = (path(model.get_base_model(), batch)[0] for path in (_fast, _plain))
    assert_same(gradients(model, ours), gradients(model, theirs))


def test_portions_of_a_batch_have_its_gradients_and_take_less_memory(monkeypatch):
    model = tuned(base("llama"))
    batch = collate([as_row(example) for example in examples(*LENGTHS)])
    whole = gradients(model, 2 * _fast(model.get_base_model(), batch)[0])
    sizes = []
    inner = loss_module.hidden_states
    monkeypatch.setattr(loss_module, "PORTION", 140)
    monkeypatch.setattr(loss_module, "hidden_states", lambda *given: sizes.append(len(given[1])) or inner(*given))
    assert_same(gradients(model, 2 * _fast(model.get_base_model(), batch)[0]), whole)
    assert sizes == [150, 135, 43]


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize("path", [_fast, _plain])
def test_packed_examples_do_not_see_each_other(family, path):
    model = tuned(base(family))
    causal = model.get_base_model()
    alone = [path(causal, collate([as_row(example)])) for example in examples(*LENGTHS)]
    rows = pack(examples(*LENGTHS), 200)
    assert len(rows) == 2
    packed, count = path(causal, collate(rows))
    assert count == sum(number for _, number in alone)
    assert packed.item() == pytest.approx(sum(loss.item() for loss, _ in alone), rel=1e-5)
    assert_same(gradients(model, packed), gradients(model, sum(loss for loss, _ in alone)))


def test_adapters_on_some_layers_and_of_several_ranks():
    model = tuned(
        base("llama"),
        target_modules=["q_proj", "v_proj", "up_proj"],
        rank_pattern={"v_proj": 2},
        alpha_pattern={"v_proj": 7},
    )
    batch = collate([as_row(example) for example in examples(30, 20)])
    ours, theirs = (path(model.get_base_model(), batch)[0] for path in (_fast, _plain))
    assert_same(gradients(model, ours), gradients(model, theirs))


def test_a_model_without_adapters_and_one_whose_adapters_are_off():
    model = base("llama")
    assert obstacle(model) is None
    kept = examples(30, 20)
    before = held_back_loss(model, kept, 2)
    loss, count = _plain(model, collate([as_row(example) for example in kept]))
    assert before == pytest.approx(loss.item() / count, rel=1e-5)
    model = tuned(model)
    assert held_back_loss(model, kept, 2) != pytest.approx(before, rel=1e-3)
    with model.disable_adapter():
        assert held_back_loss(model, kept, 2) == pytest.approx(before, rel=1e-6)


def test_steps_change_adapters_alone_and_follow_those_of_transformers():
    def steps(path: Any) -> list[float]:
        model = tuned(base("qwen3"))
        frozen = {n: w.detach().clone() for n, w in model.named_parameters() if not w.requires_grad}
        optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=1e-2)
        losses = []
        for _ in range(4):
            loss, count = path(model.get_base_model(), collate(pack(examples(30, 20, 9), 64)))
            torch.autograd.backward(loss / count)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item() / count)
        assert all(torch.equal(dict(model.named_parameters())[name], weight) for name, weight in frozen.items())
        return losses

    ours, theirs = steps(_fast), steps(_plain)
    assert ours[-1] < ours[0] - 0.1
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_an_unlikely_label_has_a_finite_loss_and_gradient():
    from finetune.fast.head import summed_loss

    hidden = torch.tensor([[200.0, 0.0], [0.0, 1.0]], requires_grad=True)
    loss = summed_loss(hidden, torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]), torch.tensor([2, 1]))
    assert loss.item() == pytest.approx(400 + 0.5514, rel=1e-5)
    loss.backward()
    assert hidden.grad is not None
    assert hidden.grad[0].tolist() == pytest.approx([2.0, 0.0])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: tuned(base("gemma")), "family gemma"),
        (lambda: tuned(base("phi3", pad_token_id=0)), "family phi3"),
        (lambda: tuned(base("llama"), use_dora=True), "DoRA"),
        (lambda: tuned(base("llama"), lora_dropout=0.1), "dropout"),
        (lambda: tuned(base("llama"), modules_to_save=["lm_head"]), "head is trained"),
        (lambda: base("llama").requires_grad_(True), "head is trained"),
        (lambda: base("llama").to(torch.bfloat16), "float32"),
        (lambda: tuned(base("llama", hidden_act="gelu")), "activation is gelu"),
    ],
)
def test_what_is_not_known_goes_through_transformers_and_says_why(make, words):
    model = make()
    assert words in (obstacle(model) or "")
    loss, count = reply_loss(model, collate([as_row(example) for example in examples(12, 9)]))
    assert torch.isfinite(loss)
    assert count == 9


def test_checkpointing_and_noise_on_embeddings_go_through_transformers():
    model = tuned(base("llama"))
    model.get_base_model().activation_checkpointing_enable()
    assert "save memory" in (obstacle(model) or "")
    model = tuned(base("llama"))
    handle = model.get_input_embeddings().register_forward_hook(lambda module, given, output: output * 2)
    assert "noise" in (obstacle(model) or "")
    handle.remove()
    assert obstacle(model) is None


def test_examples_beyond_a_sliding_window_go_through_transformers():
    model = tuned(base("mistral", sliding_window=16))
    causal = model.get_base_model()
    for length, path in ((16, _fast), (24, _plain)):
        batch = collate([as_row(example) for example in examples(length)])
        assert reply_loss(model, batch)[0].item() == path(causal, batch)[0].item()
    assert _fast(causal, batch)[0].item() != pytest.approx(_plain(causal, batch)[0].item(), rel=1e-4)


def test_the_softened_logits_of_gemma2_are_in_the_loss():
    model = base("gemma2", final_logit_softcapping=2.0).eval()
    batch = collate([as_row(example) for example in examples(12, 9)])
    loss, count = reply_loss(model, batch)
    plain = model(input_ids=batch["input_ids"], labels=batch["labels"], attention_mask=batch["attention_mask"]).loss
    assert loss.item() / count == pytest.approx(plain.item(), rel=1e-5)
