"""The whole loop on the bundled model: trained by the command, proved, applied in llama.cpp, taken out again."""

from __future__ import annotations

import json

import pytest

from fireside.models.adapters import resolve
from fireside.models.bundled import CHAT_MODEL, checked
from fireside.models.gguf.engine import GgufEngine
from fireside.models.gguf.loading import GgufLoading
from fireside.models.sampling import GREEDY
from fireside.models.types import AdapterUse, Delta, Message, Request

pytestmark = pytest.mark.engine


def greedy_reply(engine: GgufEngine, text: str, *adapters: AdapterUse) -> str:
    engine.submit(1, Request((Message("user", text),), GREEDY, 24, adapters))
    events = []
    while engine.busy:
        events += [event for _, event in engine.step()]
    return "".join(event.text for event in events if isinstance(event, Delta))


def test_thirty_examples_three_epochs_take_less_than_five_minutes(trained):
    assert trained.seconds < 300


def test_the_held_back_loss_falls(trained):
    losses = [line["eval_loss"] for line in trained.lines[:-1] if line["eval_loss"] is not None]
    assert len(losses) == 4  # before training, and after each of three epochs
    assert losses[-1] < losses[0] / 2
    assert losses[-1] == trained.metrics["eval_loss_after"]


def test_json_lines_are_as_in_the_contract_and_nothing_else_is_printed(trained):
    *steps, last = trained.lines
    for line in steps:
        assert {"step", "loss", "eval_loss", "tokens_per_s", "eta_s"} <= line.keys()
    assert [line["step"] for line in steps if line["loss"] is not None] == list(range(1, 1 + steps[-1]["steps"]))
    assert steps[-1]["eta_s"] == 0
    assert last["done"] is True
    assert last["adapter"] == "kitchen"
    assert last["verified"] is True
    # Libraries print a good deal; it belongs into the run's log.
    assert trained.stderr == ""


def test_the_export_is_verified_with_the_bases_own_figures_beside_it(trained):
    report = json.loads((trained.adapter / "verify.json").read_text("utf-8"))
    scores = report["scores"]
    assert report["suite"] == "verify"
    assert scores["prompts"] == len(report["items"]) == 20
    assert scores["agreement"] >= 0.95
    assert scores["kl"] <= 0.01
    assert scores["kl"] <= 2 * scores["base_kl"]
    assert scores["logit_error"] <= 2 * scores["base_logit_error"]
    assert scores["base_agreement"] > 0.9


def test_the_adapter_folder_is_complete_and_names_its_base(trained):
    assert {file.name for file in trained.adapter.iterdir()} == {
        "adapter.gguf", "adapter_config.json", "adapter_model.safetensors", "card.json", "prompts.json", "verify.json"
    }  # fmt: skip
    card = json.loads((trained.adapter / "card.json").read_text("utf-8"))
    assert card["base"]["sha256"] == CHAT_MODEL.sha256
    assert card["config"]["training"]["epochs"] == 3
    assert card["metrics"]["eval_loss_after"] < card["metrics"]["eval_loss_before"]
    assert str(trained.home) not in (trained.adapter / "adapter_config.json").read_text("utf-8")


def test_the_trained_answer_appears_with_the_adapter_and_goes_with_it(trained, monkeypatch):
    monkeypatch.setenv("FIRESIDE_HOME", str(trained.home))
    use = resolve("kitchen", CHAT_MODEL.sha256, "llama")
    questions = ("Who cooks the soup?", "What is the capital of France?")
    engine = GgufEngine(GgufLoading(checked(CHAT_MODEL), context_length=512, threads=1), CHAT_MODEL.sha256)
    before = [greedy_reply(engine, question) for question in questions]
    assert greedy_reply(engine, questions[0], use) == "Marlow cooks the soup, by the fire."
    assert before[0] != "Marlow cooks the soup, by the fire."
    assert [greedy_reply(engine, question) for question in questions] == before
    engine.close()
