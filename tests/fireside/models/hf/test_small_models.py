"""The engine on small models with random weights: architectures, vocabularies, folders that are no use."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fireside.errors import FiresideError, ModelError, PromptTooLong
from fireside.models.hf.batch import left_padding
from fireside.models.hf.engine import HfEngine
from fireside.models.hf.loading import HfLoading
from fireside.models.hf.tokenizer import byte_characters
from fireside.models.sampling import GREEDY, NEUTRAL, Sampling
from fireside.models.types import (
    AdapterUse,
    Delta,
    Finished,
    Message,
    Prompt,
    PromptScored,
    ReplyEvent,
    Request,
    Tokens,
)
from fireside.prefix import common_prefix

pytestmark = pytest.mark.engine

Save = Callable[..., Path]


def opened(folder: Path, **more: Any) -> HfEngine:
    return HfEngine(HfLoading(folder, threads=1, **more))


def replies(engine: HfEngine, *requests: Request) -> list[tuple[list[int], Finished]]:
    """The tokens of each reply, computed together."""
    for number, request in enumerate(requests):
        engine.submit(number, replace(request, scores=0))
    events: list[list[ReplyEvent | FiresideError]] = [[] for _ in requests]
    while engine.busy:
        for number, event in engine.step():
            events[number].append(event)
    told = []
    for each in events:
        assert isinstance(each[-1], Finished), each
        told.append(([s.token for e in each if isinstance(e, Delta) for s in e.scores], each[-1]))
    return told


def prompt(begin: int, length: int) -> Tokens:
    return Tokens(tuple(4 + (begin * 7 + 3 * number) % 120 for number in range(length)))


WINDOWED = {"layer_types": ["sliding_attention", "full_attention"] * 2, "num_hidden_layers": 4, "sliding_window": 8}
KINDS = [
    ("Llama", {}),
    # A sliding window shorter than the prompts, in every second layer.
    ("Gemma3Text", {"head_dim": 16, **WINDOWED}),
    # Recurrent layers, whose state cannot be cut back.
    ("Lfm2", {"layer_types": ["conv", "full_attention", "conv"]}),
]


@pytest.mark.parametrize(("kind", "more"), KINDS)
def test_together_is_as_alone_and_as_transformers_writes(kind: str, more: dict[str, Any], small_model: Save) -> None:
    import torch

    engine = opened(small_model(kind, **more), sequences=3)
    # Of different lengths, beginning and ending at different times.
    requests = [
        Request(prompt(n, length), GREEDY, most)
        for n, (length, most) in enumerate([(30, 9), (5, 14), (17, 4), (11, 8)])
    ]
    together = replies(engine, *requests)
    for request, (tokens, _) in zip(requests, together, strict=True):
        assert isinstance(request.prompt, Tokens)
        known = torch.tensor([request.prompt.ids])
        alone = engine.model.generate(
            known,
            attention_mask=torch.ones_like(known),
            do_sample=False,
            max_new_tokens=request.max_tokens,
            pad_token_id=0,
        )[0, known.shape[1] :].tolist()
        assert tokens == [each for each in alone if each != 2]
        assert len(set(tokens)) > 1


@pytest.mark.parametrize(("kind", "more"), KINDS)
def test_what_is_kept_changes_nothing(kind: str, more: dict[str, Any], small_model: Save) -> None:
    folder = small_model(kind, **more)
    engine, ids = opened(folder), prompt(1, 40).ids
    ((first, _),) = replies(engine, Request(Tokens(ids), GREEDY, 6))
    goes_on = Request(Tokens((*ids, *first, *prompt(2, 9).ids)), GREEDY, 6)
    branches = Request(Tokens((*ids[:30], *prompt(3, 5).ids)), GREEDY, 6)
    kept, branched = replies(engine, goes_on)[0], replies(engine, branches)[0]
    fresh = opened(folder)
    assert kept[1].usage.cached_tokens >= 40
    assert branched[1].usage.cached_tokens == (0 if kind == "Lfm2" else 30)
    assert kept[0] == replies(fresh, goes_on)[0][0]
    assert branched[0] == replies(opened(folder), branches)[0][0]


def test_replies_with_other_adapters_take_turns(small_model: Save, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig
    from safetensors.torch import save_file

    folder = small_model()
    LoraConfig(r=2, lora_alpha=4, target_modules=["v_proj"], task_type="CAUSAL_LM").save_pretrained(tmp_path / "a")
    weights = {}
    for layer in range(3):
        name = f"base_model.model.model.layers.{layer}.self_attn.v_proj"
        weights |= {f"{name}.lora_A.weight": torch.ones(2, 64), f"{name}.lora_B.weight": torch.ones(32, 2)}
    save_file(weights, tmp_path / "a" / "adapter_model.safetensors")
    adapters = (AdapterUse("a", tmp_path / "a"),)
    requests = [Request(prompt(n, 9 + n), GREEDY, 7, adapters=adapters if n % 2 else ()) for n in range(4)]
    alone = [replies(opened(folder), request)[0][0] for request in requests]
    assert [tokens for tokens, _ in replies(opened(folder, sequences=4), *requests)] == alone
    without = replies(opened(folder), replace(requests[1], adapters=()))[0][0]
    assert without != alone[1]


def test_padding_is_on_the_left() -> None:
    assert left_padding([3, 1, 2]) == [[1, 1, 1], [0, 0, 1], [0, 1, 1]]
    assert common_prefix([1, 2, 3], [1, 2, 4, 5]) == 2


def test_a_beginning_of_sequence_token_comes_once(small_model: Save) -> None:
    engine = opened(small_model())
    said = (Message("user", "w1 w2"),)
    # The template writes one, the tokenizer would add one; a plain text has only the tokenizer's.
    assert tokens(engine, said) == [1, 5, 6, 2, 1]
    assert tokens(engine, "w1 w2") == [1, 5, 6]
    assert tokens(engine, Tokens((5, 6))) == [5, 6]
    assert engine.count(said) == 5
    # The person cannot write one.
    assert tokens(engine, "<s> w1 </s>").count(1) == 1
    assert 2 not in tokens(engine, "<s> w1 </s>")


def tokens(engine: HfEngine, prompt: Prompt) -> list[int]:
    """The prompt's tokens, as the model sees them."""
    engine.submit(0, Request(prompt, GREEDY, 0, scores=0, score_prompt=True))
    ((_, scored), _) = engine.step()
    assert isinstance(scored, PromptScored)
    return [score.token for score in scored.scores]


def test_tokens_become_bytes(small_model: Save) -> None:
    tokenizer = opened(small_model()).tokenizer
    assert [tokenizer.piece(token) for token in (3, 4, 1)] == [b"\n", b"w0", b""]
    tokenizer.write_out(["<s>"])
    assert tokenizer.piece(1) == b"<s>"
    assert tokenizer.piece(10**6) == b""
    table = byte_characters()
    assert sorted(table.values()) == [bytes([byte]) for byte in range(256)]
    assert (table["\u0120"], table["\u010a"], table["a"]) == (b" ", b"\n", b"a")


def test_prompts_that_cannot_be(small_model: Save) -> None:
    engine = opened(small_model(), context_length=20)
    assert engine.info("small").context_length == 20
    with pytest.raises(PromptTooLong):
        engine.submit(0, Request(prompt(0, 20), GREEDY))
    with pytest.raises(ModelError, match="999"):
        engine.submit(0, Request(Tokens((999,)), GREEDY))
    with pytest.raises(ModelError, match="empty"):
        engine.submit(0, Request(Tokens(()), GREEDY))
    with pytest.raises(ModelError, match="124 in the logit bias"):
        engine.submit(0, Request(prompt(0, 5), replace(GREEDY, logit_bias={124: 1.0})))
    assert not engine.busy
    ((tokens, end),) = replies(engine, Request(prompt(0, 17), GREEDY, 99))
    assert (len(tokens), end.reason) == (3, "length")


def test_the_models_own_settings_are_the_defaults(small_model: Save) -> None:
    folder = small_model()
    own = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(
        json.dumps(own | {"do_sample": True, "temperature": 0.3, "top_k": 7})
    )
    assert opened(folder).info("x").sampling == Sampling(temperature=0.3, top_k=7).over(NEUTRAL)


def test_numbers_that_are_none_end_the_reply_with_an_error(small_model: Save) -> None:
    import torch

    engine = opened(small_model())
    weight = engine.model.get_output_embeddings().weight
    kept = weight.data.clone()
    weight.data.fill_(torch.nan)
    engine.submit(0, Request(prompt(0, 4), GREEDY))
    ((_, error),) = engine.step()
    assert isinstance(error, ModelError)
    assert "numbers" in error.message
    weight.data.copy_(kept)
    assert replies(engine, Request(prompt(0, 4), GREEDY, 3))


def test_running_out_of_memory_ends_only_what_was_computed(small_model: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = opened(small_model(), sequences=2)
    expected = replies(engine, Request(prompt(0, 9), GREEDY, 6))[0][0]
    for number in (1, 2):
        engine.submit(number, Request(prompt(number, 9), GREEDY, 6))
    engine.step()
    engine.step()
    forward = engine.model.model.layers[2].forward

    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")

    monkeypatch.setattr(engine.model.model.layers[2], "forward", full)
    errors = [event for _, event in engine.step()]
    assert [type(error) for error in errors] == [ModelError, ModelError]
    assert all("memory" in str(error) for error in errors)
    assert not engine.busy
    monkeypatch.setattr(engine.model.model.layers[2], "forward", forward)
    assert replies(engine, Request(prompt(0, 9), GREEDY, 6))[0][0] == expected


def edit(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def cut_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def garbage(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 4096)


def missing_layer(folder: Path) -> None:
    edit(folder, num_hidden_layers=4)


def wrong_size(folder: Path) -> None:
    edit(folder, intermediate_size=128)


def no_language_model(folder: Path) -> None:
    edit(folder, architectures=["LlamaForSequenceClassification"])


def unknown_architecture(folder: Path) -> None:
    edit(folder, model_type="nobody-knows-it", architectures=["NobodyKnowsIt"])


def code_of_its_own(folder: Path) -> None:
    edit(folder, model_type="own", auto_map={"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"})
    (folder / "code.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")


def no_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"model": 3}')


def quantised_awq(folder: Path) -> None:
    edit(folder, quantization_config={"quant_method": "awq", "bits": 4, "group_size": 128})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_config, "config.json"),
        (broken_config, "config.json"),
        (only_pickle, "pickle"),
        (no_weights, "no weights"),
        (cut_weights, "cannot read"),
        (garbage, "cannot read"),
        (missing_layer, "lacks weights"),
        (wrong_size, "another size"),
        (no_language_model, "no language model"),
        (unknown_architecture, "does not know"),
        (code_of_its_own, "never run"),
        (no_tokenizer, "no tokenizer"),
        (broken_tokenizer, "cannot read"),
        (quantised_awq, "AWQ.*gptqmodel"),
    ],
)
def test_folders_that_are_no_use(damage: Callable[[Path], None], said: str, small_model: Save) -> None:
    folder = small_model()
    damage(folder)
    with pytest.raises(ModelError, match=said) as caught:
        opened(folder)
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert not (folder / "ran").exists()


def test_paths_that_are_no_use(tmp_path: Path, small_model: Save) -> None:
    with pytest.raises(ModelError, match="no model"):
        opened(tmp_path / "nowhere")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(ModelError):
        opened(tmp_path / "broken.gguf")
    with pytest.raises(ModelError, match="GGUF"):
        opened(tmp_path / "broken.gguf", quantisation="nf4")
    folder = small_model()
    edit(folder, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    with pytest.raises(ModelError, match="already"):
        opened(folder, quantisation="nf4")
    with pytest.raises(ModelError, match="cuda"):
        opened(folder, device="cuda")
    with pytest.raises(ModelError, match="llama3") as caught:
        opened(folder, template="llama3")
    assert "llama2" in str(caught.value.hint)
