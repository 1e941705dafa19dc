"""PEFT adapters in the transformers engine, and the bundled model as a folder, plain and quantised."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_replies import asked, replies, text_of, written
from hf_logits import logits

from fireside.errors import AdapterError, FiresideError
from fireside.models.hf.engine import HfEngine
from fireside.models.hf.loading import HfLoading
from fireside.models.sampling import GREEDY
from fireside.models.types import (
    AdapterUse,
    Request,
)

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module", autouse=True)
def folder(engine: HfEngine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as a folder of safetensors; saved before there are adapters in it."""
    path = tmp_path_factory.mktemp("hub") / "SmolLM2-135M-Instruct"
    engine.model.save_pretrained(path)
    engine.tokenizer.native.save_pretrained(path)
    return path


def save_adapter(folder: Path, layers: int = 30, size: int = 576, seed: int = 1, **more: Any) -> Path:
    """A random LoRA adapter of rank 4 and alpha 8 over q_proj, as PEFT saves it; returns its GGUF's path."""
    import torch
    from peft import LoraConfig
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj"], task_type="CAUSAL_LM", **more).save_pretrained(folder)
    random = torch.Generator().manual_seed(seed)
    weights = {}
    for layer in range(layers):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        weights[f"{name}.lora_A.weight"] = torch.randn(4, size, generator=random) * 0.02
        weights[f"{name}.lora_B.weight"] = torch.randn(size, 4, generator=random)
    save_file(weights, folder / "adapter_model.safetensors")
    (folder / "adapter.gguf").touch()
    return folder / "adapter.gguf"


def merged_logits(engine: HfEngine, *uses: AdapterUse) -> Any:
    """The logits with the adapters' products, alpha / rank * scale * B A, added to the weights themselves."""
    from safetensors.torch import load_file

    layers = [getattr(each.self_attn.q_proj, "base_layer", each.self_attn.q_proj) for each in engine.model.model.layers]
    kept = [layer.weight.data for layer in layers]
    for use in uses:
        weights = load_file(use.path.parent / "adapter_model.safetensors")
        for number, layer in enumerate(layers):
            name = f"base_model.model.model.layers.{number}.self_attn.q_proj"
            product = weights[f"{name}.lora_B.weight"] @ weights[f"{name}.lora_A.weight"]
            layer.weight.data = layer.weight.data + use.scale * 2 * product
    result = logits(engine)
    for layer, weight in zip(layers, kept, strict=True):
        layer.weight.data = weight
    return result


def test_adapters_swap_and_leave_no_trace(engine: HfEngine, tmp_path: Path) -> None:
    import torch

    base = logits(engine)
    plain, _ = written(engine, asked("Who cooks?"))
    one = AdapterUse("one", save_adapter(tmp_path / "one"))
    two = AdapterUse("two", save_adapter(tmp_path / "two", seed=2), -0.5)
    expected = {uses: merged_logits(engine, *uses) for uses in [(one,), (two,), (one, two)]}
    for uses in [(one,), (one, two), (replace(one, scale=0.0), two)]:
        wanted = expected[tuple(use for use in uses if use.scale)]
        torch.testing.assert_close(logits(engine, *uses), wanted, atol=5e-3, rtol=1e-3)
        assert (wanted - base).abs().max() > 0.5
    assert torch.equal(logits(engine), base)
    # In one conversation, on and off; and beside another with none, at the same time.
    with_one, end = written(engine, asked("Who cooks?", adapters=(one,)))
    assert end.usage.cached_tokens == 0
    assert with_one != plain
    together = replies(
        engine, asked("Who cooks?", adapters=(one,)), asked("Who cooks?"), asked("Who cooks?", adapters=(two,))
    )
    texts = [text_of(each) for each in together]
    assert texts[:2] == [with_one, plain]
    # What was computed without the adapter is still there.
    assert written(engine, asked("Who cooks?"))[1].usage.cached_tokens > 10
    (reply,) = engine.generate_many([asked("Who cooks?", adapters=(one,))])
    assert not isinstance(reply, FiresideError)
    assert text_of(reply) == with_one
    # Written anew, it is loaded anew.
    save_adapter(tmp_path / "other", seed=3)
    (tmp_path / "other" / "adapter_model.safetensors").replace(tmp_path / "one" / "adapter_model.safetensors")
    assert written(engine, asked("Who cooks?", adapters=(one,)))[0] != with_one


def test_only_so_many_adapters_stay_loaded(engine: HfEngine, tmp_path: Path) -> None:
    import torch

    base = logits(engine)
    uses = [AdapterUse(str(n), save_adapter(tmp_path / str(n), layers=30, seed=n)) for n in range(10)]
    for use in uses:
        logits(engine, use)
    layer = engine.model.model.layers[0].self_attn.q_proj
    assert len(layer.lora_A) <= 8
    torch.testing.assert_close(logits(engine, uses[0]), merged_logits(engine, uses[0]), atol=5e-3, rtol=1e-3)
    assert torch.equal(logits(engine), base)


def test_adapters_that_do_not_fit(engine: HfEngine, tmp_path: Path) -> None:
    import torch

    base = logits(engine)
    only_gguf = tmp_path / "imported" / "adapter.gguf"
    only_gguf.parent.mkdir()
    only_gguf.touch()
    wrong_size = save_adapter(tmp_path / "size", size=64)
    too_deep = save_adapter(tmp_path / "deep", layers=31)
    too_few = save_adapter(tmp_path / "few", layers=29)
    dora = save_adapter(tmp_path / "dora", use_dora=True)
    other_base = save_adapter(tmp_path / "other")
    (tmp_path / "other" / "card.json").write_text(json.dumps({"base": {"name": "Someone else", "sha256": "00"}}))
    damaged = save_adapter(tmp_path / "damaged")
    (tmp_path / "damaged" / "adapter_model.safetensors").write_bytes(b"\xff" * 100)
    no_config = save_adapter(tmp_path / "config")
    (tmp_path / "config" / "adapter_config.json").write_text("{")
    pickled = save_adapter(tmp_path / "pickled")
    (tmp_path / "pickled" / "adapter_model.safetensors").rename(tmp_path / "pickled" / "adapter_model.bin")
    for path, said in (
        (tmp_path / "nowhere" / "adapter.gguf", "no adapter"),
        (only_gguf, "no PEFT weights"),
        (wrong_size, "shape"),
        (too_deep, "no layer"),
        (too_few, "missing"),
        (dora, "plain LoRA"),
        (other_base, "Someone else"),
        (damaged, "cannot be read"),
        (no_config, "cannot be read"),
        (pickled, "pickle"),
    ):
        with pytest.raises(AdapterError, match=said) as caught:
            engine.submit(0, asked("x", adapters=(AdapterUse("x", path),)))
        assert caught.value.hint
    assert not engine.busy
    assert torch.equal(logits(engine), base)


@pytest.mark.parametrize(("quantisation", "most"), [("nf4", 1.0), ("int8", 0.1)])
def test_quantised_weights_say_nearly_the_same(
    engine: HfEngine, folder: Path, tmp_path: Path, quantisation: Any, most: float
) -> None:
    quantised = HfEngine(HfLoading(folder, threads=1, quantisation=quantisation))
    exact, near = logits(engine).log_softmax(-1), logits(quantised).log_softmax(-1)
    divergence = (exact.exp() * (exact - near)).sum(-1).mean()
    assert 1e-5 < divergence < most
    layer = quantised.model.model.layers[0].mlp.up_proj
    assert layer.weight.element_size() == 1
    if quantisation == "nf4":
        state = layer.weight.quant_state
        assert (state.quant_type, state.nested) == ("nf4", True)
    assert " Paris" in written(quantised, Request("The capital of France is", GREEDY, 2))[0]
    assert quantised.info("x").sampling.top_p == 0.9
    # Adapters go over quantised weights too.
    base = logits(quantised)
    assert (logits(quantised, AdapterUse("one", save_adapter(tmp_path / "one"))) - base).abs().max() > 0.5
    assert bool((logits(quantised) == base).all())
    quantised.close()
