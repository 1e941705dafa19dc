from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from tiny_cross_encoder import save_cross_encoder

from fireside.errors import ModelError
from rag import ingest
from rag.library import Library
from rag.rerank import CrossEncoderReranker, reranker

QUESTION = "when is the pump drained?"
TEXTS = [
    "Drain the pump before frost.",
    "The stove takes birch wood only.",
    "",
    "An owl nests in the barn. " * 40,
    "Ihre Schlüssel hängen an der Tür",
    "pump",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_cross_encoder(folder)
    return folder


@pytest.fixture
def damaged(model: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(model, tmp_path / "spoilt"))


def configured(folder: Path, **changed: Any) -> None:
    """The model's config.json with other values."""
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


def refused(name: Path | str) -> str:
    with pytest.raises(ModelError) as caught:
        CrossEncoderReranker(str(name))(QUESTION, TEXTS)
    assert caught.value.hint
    return caught.value.message


def predicted(folder: Path) -> Any:
    own = CrossEncoder(str(folder), local_files_only=True)
    return own.predict([(QUESTION, text) for text in TEXTS], show_progress_bar=False)


def test_scores_and_order_are_those_of_the_library_that_the_model_was_made_for(model: Path) -> None:
    expected = predicted(model)
    scores = CrossEncoderReranker(str(model))(QUESTION, TEXTS)
    assert scores == pytest.approx([float(score) for score in expected], abs=1e-6)
    assert list(np.argsort(scores)) == list(np.argsort(expected))
    assert max(scores) - min(scores) > 0.01


def test_a_model_that_gives_logits_keeps_its_order_and_scores_from_0_to_1(damaged: Path) -> None:
    identity = "torch.nn.modules.linear.Identity"
    configured(damaged, sentence_transformers={"activation_fn": identity, "version": "6.2.0"})
    settings = damaged / "config_sentence_transformers.json"
    if settings.is_file():
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"activation_fn": identity}))
    logits = predicted(damaged)
    assert logits.min() < 0 or logits.max() > 1
    scores = CrossEncoderReranker(str(damaged))(QUESTION, TEXTS)
    assert scores == pytest.approx(list(1 / (1 + np.exp(-logits.astype(np.float64)))), abs=1e-6)
    assert list(np.argsort(scores)) == list(np.argsort(logits))


def test_good_passages_do_not_tie_where_their_logits_are_high(damaged: Path) -> None:
    weights = own_weights(damaged)
    weights["classifier.bias"] += 20
    save_weights(damaged, weights)
    scores = CrossEncoderReranker(str(damaged))(QUESTION, TEXTS)
    assert len(set(scores)) == len(TEXTS)
    assert max(scores) < 1


def test_no_more_than_the_model_can_read_is_read(model: Path) -> None:
    long = CrossEncoderReranker(str(model))("why? " * 300, ["so " * 3000, "so"])
    assert all(0 < score < 1 for score in long)


def test_a_model_in_the_cache_is_found_by_its_name(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "hub" / "models--org--tiny"
    shutil.copytree(model, repository / "snapshots" / ("0" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    found = CrossEncoderReranker("org/tiny")(QUESTION, TEXTS)
    assert found == CrossEncoderReranker(str(model))(QUESTION, TEXTS)
    assert refused("org/other").startswith("there is no reranker org/other")


def test_a_library_orders_its_passages_by_it(library: Library, folder: Path, model: Path, read_here: None) -> None:
    ingest.add(library, [folder], 200)
    library.rerank = reranker(str(model))
    found = library.search(QUESTION, 4)
    texts = ["\n".join([passage.title, *passage.heading, passage.text]) for passage in found]
    own = CrossEncoder(str(model), local_files_only=True)
    ranks = own.rank(QUESTION, texts, show_progress_bar=False)
    assert [rank["corpus_id"] for rank in ranks] == [0, 1, 2, 3]
    assert [passage.rerank for passage in found] == pytest.approx([rank["score"] for rank in ranks], abs=1e-6)


def test_without_a_name_there_is_none_and_without_texts_nothing_is_loaded() -> None:
    assert reranker(None) is None
    assert reranker("") is None
    assert reranker("no/such") is reranker("no/such")
    assert CrossEncoderReranker("no/such")(QUESTION, []) == []


@pytest.mark.parametrize("name", ["/no/such/folder", "no such name", "no-such-model", "a/b/c", "nul\0"])
def test_a_missing_model_is_one_line(name: str) -> None:
    assert refused(name).startswith(f"there is no reranker {name}")


def test_a_sentence_encoder_is_refused_before_a_head_of_random_numbers_is_made(damaged: Path) -> None:
    configured(damaged, architectures=["BertModel"])
    assert "is no cross-encoder: its architecture is BertModel" in refused(damaged)
    configured(damaged, architectures=None)
    assert "config.json" in refused(damaged)
    (damaged / "config.json").write_text("{")
    assert "config.json" in refused(damaged)


def test_weights_that_can_run_code_are_refused(damaged: Path) -> None:
    torch.save(own_weights(damaged), damaged / "pytorch_model.bin")
    (damaged / "model.safetensors").unlink()
    assert "has no weights in safetensors" in refused(damaged)


def test_code_of_its_own_is_refused(damaged: Path) -> None:
    modules = [{"idx": 0, "name": "0", "path": "", "type": "own.Transformer"}]
    (damaged / "modules.json").write_text(json.dumps(modules))
    assert "brings code of its own (own.Transformer)" in refused(damaged)


def test_a_function_that_is_no_activation_is_not_called(damaged: Path) -> None:
    config = json.loads((damaged / "config.json").read_text())
    for own in ({"activation_fn": "torch.hub.list"}, {"activation_fn": "os.system"}):
        (damaged / "config.json").write_text(json.dumps(config | {"sentence_transformers": own}))
        assert "as its activation" in refused(damaged)


def test_several_labels_are_refused(tmp_path: Path) -> None:
    save_cross_encoder(tmp_path / "three", labels=3)
    assert "it has 3 labels, and a reranker has one" in refused(tmp_path / "three")


def test_damaged_weights_are_refused(damaged: Path) -> None:
    weights = own_weights(damaged)
    weights["classifier.weight"][:] = float("nan")
    save_weights(damaged, weights)
    assert "scores that are no numbers" in refused(damaged)
    file = damaged / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    assert "cannot be loaded" in refused(damaged)


def own_weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    # Copies: the file is mapped, and it is overwritten.
    return {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}


def save_weights(folder: Path, weights: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    save_file(weights, folder / "model.safetensors", {"format": "pt"})
