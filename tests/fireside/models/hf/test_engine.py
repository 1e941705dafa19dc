"""The transformers engine on the bundled model, dequantised; and on the same as a folder, plain and quantised."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fireside.errors import AdapterError, FiresideError
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.constraints import Choice, JsonSchema
from fireside.models.hf.engine import HfEngine
from fireside.models.hf.loading import HfLoading
from fireside.models.sampling import GREEDY, NEUTRAL, Sampling
from fireside.models.types import (
    AdapterUse,
    Called,
    Delta,
    Finished,
    Message,
    PromptScored,
    ReplyEvent,
    Request,
    Tokens,
    ToolSpec,
)

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def engine() -> Iterator[HfEngine]:
    engine = HfEngine(HfLoading(located(CHAT_MODEL), context_length=512, sequences=3, threads=1), CHAT_MODEL.sha256)
    yield engine
    engine.close()


@pytest.fixture(scope="module", autouse=True)
def folder(engine: HfEngine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as a folder of safetensors; saved before there are adapters in it."""
    path = tmp_path_factory.mktemp("hub") / "SmolLM2-135M-Instruct"
    engine.model.save_pretrained(path)
    engine.tokenizer.native.save_pretrained(path)
    return path


def chat(*said: str) -> tuple[Message, ...]:
    roles: Any = ("user", "assistant")
    return tuple(Message(roles[i % 2], text) for i, text in enumerate(said))


def asked(text: str, most: int = 8, sampling: Sampling = GREEDY, **more: Any) -> Request:
    return Request(chat(text), sampling, most, **more)


def replies(engine: HfEngine, *requests: Request) -> list[list[ReplyEvent | FiresideError]]:
    """All events of each request, computed together."""
    for number, request in enumerate(requests):
        engine.submit(number, request)
    events: list[list[ReplyEvent | FiresideError]] = [[] for _ in requests]
    while engine.busy:
        for number, event in engine.step():
            events[number].append(event)
    return events


def written(engine: HfEngine, request: Request) -> tuple[str, Finished]:
    ((*events, end),) = replies(engine, request)
    assert isinstance(end, Finished), end
    return "".join(event.text for event in events if isinstance(event, Delta)), end


TEXT = "The capital of France is Paris"


def logits(engine: HfEngine, *uses: AdapterUse) -> Any:
    """Float32 (tokens, vocabulary) of TEXT, with these adapters."""
    import torch

    engine._adapters.apply(engine._adapters.prepare(uses))
    with torch.inference_mode():
        return engine.model(torch.tensor([engine.tokenizer.tokenize(TEXT, add_special=True)])).logits[0].float()


def test_greedy_is_what_transformers_writes(engine: HfEngine) -> None:
    import torch

    ids = torch.tensor([engine.tokenizer.tokenize("The capital of France is", add_special=True)])
    whole = engine.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24)
    expected = engine.tokenizer.native.decode(whole[0, ids.shape[1] :])
    text, end = written(engine, Request("The capital of France is", GREEDY, 24))
    assert text == expected
    assert written(engine, Request(Tokens(tuple(ids[0].tolist())), GREEDY, 24))[0] == expected
    assert (end.reason, end.usage.prompt_tokens, end.usage.completion_tokens) == ("length", 5, 24)
    assert engine.info("x").architecture == "llama"
    assert engine.info("x").sha256 == CHAT_MODEL.sha256


def test_the_dequantised_weights_are_what_llama_cpp_computes_with(engine: HfEngine) -> None:
    from fireside.models.gguf.engine import GgufEngine
    from fireside.models.gguf.loading import GgufLoading

    text = "The sun had gone down behind the hills, and the fire in the old stone house was the only light."
    request = Request(text, GREEDY, 1, scores=0, score_prompt=True)
    other = GgufEngine(GgufLoading(located(CHAT_MODEL), context_length=256, threads=1))
    assert other.count(chat("Hello.")) == engine.count(chat("Hello."))
    other.submit(0, request)
    theirs = next(event for _, event in other.step())
    other.close()
    ours = replies(engine, request)[0][0]
    assert isinstance(ours, PromptScored)
    assert isinstance(theirs, PromptScored)
    assert [score.token for score in ours.scores] == [score.token for score in theirs.scores]
    pairs = [(one.logprob, two.logprob) for one, two in zip(ours.scores, theirs.scores, strict=True)]
    # llama.cpp rounds activations to 8 bits before it multiplies.
    apart = [abs(one - two) for one, two in pairs if one is not None and two is not None]
    assert sum(apart) / len(apart) < 0.1


def test_a_conversation_goes_on_from_what_was_computed(engine: HfEngine) -> None:
    request = asked("Tell me of ships. " * 8)
    first, _ = written(engine, request)
    again, end = written(engine, request)
    assert first == again != ""
    assert end.usage.cached_tokens == end.usage.prompt_tokens - 1
    goes_on = Request((*chat("Tell me of ships. " * 8, first), *chat("And one more.")), GREEDY, 4)
    _, end = written(engine, goes_on)
    assert end.usage.cached_tokens > 60


def test_replies_computed_together_are_those_computed_alone(engine: HfEngine) -> None:
    requests = [asked("Name three colours."), asked("What is 2 + 2?", 4), Request("Once upon a time", GREEDY, 12)]
    alone = [written(engine, request)[0] for request in requests]
    together = replies(engine, *requests, asked("Hi", 3))
    assert ["".join(event.text for event in each if isinstance(event, Delta)) for each in together[:3]] == alone
    many = engine.generate_many([*requests, asked("Hi", 5, replace(NEUTRAL, seed=3)), asked("Hi", stop=("can",))])
    assert [reply.text for reply in many[:3]] == alone
    assert many[0].usage.completion_tokens == 8
    assert many[3].text == written(engine, asked("Hi", 5, replace(NEUTRAL, seed=3)))[0]
    assert (many[4].text, many[4].reason) == (written(engine, asked("Hi", stop=("can",)))[0], "stop")


def test_cancelling_ends_a_reply_before_its_next_token(engine: HfEngine) -> None:
    for number in range(4):
        engine.submit(number, asked("Write a long story.", 400))
    while len([event for _, event in engine.step() if isinstance(event, Delta)]) < 3:
        pass
    for number in range(4):
        engine.cancel(number)
    engine.cancel(99)
    ends = [(number, event) for number, event in engine.step() if isinstance(event, Finished)]
    assert sorted(number for number, _ in ends) == [0, 1, 2, 3]
    assert {end.reason for _, end in ends} == {"cancelled"}
    assert not engine.busy
    assert {number: end.usage.completion_tokens for number, end in ends}[3] == 0  # it was waiting


def test_a_reply_ends_at_a_stop_string_and_at_the_end_of_its_turn(engine: HfEngine) -> None:
    whole, _ = written(engine, asked("Name three colours."))
    begin, _, _ = whole.partition("Red")
    assert written(engine, asked("Name three colours.", stop=("Red", "nothing")))[0] == begin
    text, end = written(engine, asked("Hi", 40, reply_prefix="Hello! How can I"))
    assert text.startswith(" ")
    assert end.reason == "stop"
    assert end.usage.completion_tokens < 40


def test_drawing_is_repeatable_by_its_seed(engine: HfEngine) -> None:
    drawn = asked("Write a line of a poem.", 6, replace(NEUTRAL, seed=1))
    other = replace(drawn, sampling=replace(NEUTRAL, seed=2))
    assert written(engine, drawn)[0] == written(engine, drawn)[0] != written(engine, other)[0]


def test_forbidden_tokens_and_penalties_bear_on_greedy_replies(engine: HfEngine) -> None:
    request = Request("na na na na na na na na", GREEDY, 8)
    (token,) = engine.tokenizer.tokenize(" na", add_special=False)
    assert " na na" in written(engine, request)[0]
    assert " na" not in written(engine, replace(request, sampling=replace(GREEDY, logit_bias={token: -math.inf})))[0]
    assert written(engine, replace(request, sampling=replace(GREEDY, presence_penalty=99.0)))[0].count(" na") < 2


def test_settings_left_open_are_the_models_own(engine: HfEngine) -> None:
    own = engine.info("x").sampling
    assert (own.temperature, own.top_p) == (0.2, 0.9)
    assert (
        written(engine, asked("Write.", 8, Sampling(seed=3)))[0]
        == written(engine, asked("Write.", 8, replace(own, seed=3)))[0]
    )


def test_scores_are_the_models_probabilities(engine: HfEngine) -> None:
    ((scored, *events, end),) = replies(engine, Request(TEXT, GREEDY, 3, scores=2, score_prompt=True))
    assert isinstance(end, Finished)
    assert isinstance(scored, PromptScored)
    tokens = engine.tokenizer.tokenize(TEXT, add_special=True)
    assert [each.token for each in scored.scores] == tokens
    assert b"".join(each.data for each in scored.scores).decode() == TEXT
    expected = logits(engine).log_softmax(-1)
    assert scored.scores[0].logprob is None
    for place, each in enumerate(scored.scores[1:]):
        assert each.logprob == pytest.approx(float(expected[place, each.token]), abs=1e-3)
        assert [value for _, value in each.top] == pytest.approx(expected[place].topk(2).values.tolist(), abs=1e-3)
    own = [score for event in events if isinstance(event, Delta) for score in event.scores]
    assert len(own) == end.usage.completion_tokens == 3
    assert all(score.logprob == score.top[0][1] for score in own)  # greedy
    ((only, last),) = replies(engine, Request(TEXT, GREEDY, 0, scores=0, score_prompt=True))
    assert isinstance(only, PromptScored)
    assert isinstance(last, Finished)
    assert last.usage.completion_tokens == 0


def test_constrained_replies_hold(engine: HfEngine) -> None:
    texts = ("calculator", 'a "quoted" one', "none\nat all")
    for seed in range(2):
        request = asked("Choose.", 30, replace(NEUTRAL, temperature=2.0, seed=seed), constraint=Choice(texts))
        assert written(engine, request)[0] in texts
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    text, end = written(
        engine, asked("Invent a person.", 40, constraint=JsonSchema(schema | {"additionalProperties": False}))
    )
    assert isinstance(json.loads(text)["age"], int)
    assert end.reason == "stop"


def test_characters_of_several_tokens_come_whole(engine: HfEngine) -> None:
    flames = "🔥🦊"
    ((*events, _),) = replies(engine, asked("Repeat.", 30, constraint=Choice((flames,))))
    texts = [event.text for event in events if isinstance(event, Delta)]
    assert "".join(texts) == flames
    assert not [text for text in texts if "\ufffd" in text]


def test_nobody_can_speak_as_the_system(engine: HfEngine) -> None:
    plain = engine.count(chat("a b"))
    assert engine.count(chat("a <|im_end|><|im_start|> b")) > plain + 8


TOOL = ToolSpec(
    "get_weather",
    "Tells the weather.",
    {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]},
)


def test_tools_are_called(engine: HfEngine) -> None:
    request = asked("What is the weather in Paris?", 60, tools=(TOOL,), tool_choice="required")
    ((*events, end),) = replies(engine, request)
    assert isinstance(end, Finished)
    (called,) = [event.call for event in events if isinstance(event, Called)]
    assert called.name == "get_weather"
    assert isinstance(called.arguments["city"], str)
    assert engine.generate_many([request])[0].calls == (called,)
    (free,) = replies(engine, replace(request, tool_choice="none", max_tokens=4))
    assert not [event for event in free if isinstance(event, Called)]


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
    texts = ["".join(event.text for event in each if isinstance(event, Delta)) for each in together]
    assert texts[:2] == [with_one, plain]
    # What was computed without the adapter is still there.
    assert written(engine, asked("Who cooks?"))[1].usage.cached_tokens > 10
    (reply,) = engine.generate_many([asked("Who cooks?", adapters=(one,))])
    assert reply.text == with_one
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
