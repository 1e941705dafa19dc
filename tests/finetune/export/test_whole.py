"""Whole models: proved, kept with a card; a refused one is marked and never offered; nothing half-made is left."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
from tiny_families import MISTRAL, save_model, sentencepiece

from finetune.base import find_base
from finetune.export import child, gguf_model, tensors
from finetune.export.request import Request, find_source, place
from finetune.export.whole import Whole, publish_model
from finetune.verify.model import limits_of
from finetune.weights import load
from fireside import paths
from fireside.errors import AdapterError, ModelError, StorageError, TrainingError
from fireside.models import catalog
from fireside.models.model_cards import card_path, read_card


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return find_base(str(save_model(tmp_path_factory.mktemp("tiny") / "tiny", "qwen2")))


def told(_: str) -> None:
    """Nobody listens."""


def publish(base, target, kind="F16", **changes):
    model = load(base)
    return publish_model(model, model, base, Whole(target, kind, threads=1, **changes), [], {"base": "tiny"}, told)


def test_an_export_is_proved_and_offered(base, home):
    target = paths.models_folder() / "tiny-F16.gguf"
    report = publish(base, target)
    assert report.verified, report.reason
    assert (report.tokens, report.texts) == (200, 200)
    assert report.same_template
    assert report.stops
    card = read_card(target)
    assert card is not None
    assert card["verify"]["kl"] == report.figures.kl
    assert catalog.find("tiny-F16").path == target
    assert sorted(file.name for file in target.parent.iterdir()) == ["tiny-F16.card.json", "tiny-F16.gguf"]
    with pytest.raises(StorageError, match="already"):
        publish(base, target)


def test_a_quantised_export_is_proved_twice(base, home):
    report = publish(base, paths.models_folder() / "tiny-Q8_0.gguf", "Q8_0")
    card = read_card(paths.models_folder() / "tiny-Q8_0.gguf")
    assert card is not None
    assert card["fallbacks"] == 0
    assert report.perplexity == pytest.approx(report.trained_perplexity, rel=0.1)


def test_safetensors_are_read_back_and_proved(base, home):
    target = paths.models_folder() / "tiny-F16"
    report = publish(base, target)
    assert report.verified, report.reason
    assert catalog.find("tiny-F16").kind == "hf"
    with pytest.raises(TrainingError, match="16 or 32 bits"):
        publish(base, paths.models_folder() / "small", "Q4_K_M")


def test_a_refused_export_is_kept_marked_and_never_offered(home, tmp_path, monkeypatch):
    folder = find_base(str(save_model(tmp_path / "tiny", "llama")))
    monkeypatch.setattr(tensors, "permute_rows", lambda matrix, heads: matrix)
    target = paths.models_folder() / "broken.gguf"
    report = publish(folder, target)
    assert not report.verified
    assert "KL" in report.reason
    assert target.is_file()
    assert "broken" not in [model.name for model in catalog.models()]
    for name in ("broken", str(target)):
        with pytest.raises(ModelError, match="failed its check"):
            catalog.find(name)
    catalog.remove("broken")
    assert not target.exists()
    assert not card_path(target).exists()


def test_another_template_is_in_the_file(base, home):
    target = paths.models_folder() / "other.gguf"
    template = "{% for m in messages %}{{ m['content'] }}<|im_end|>{% endfor %}"
    report = publish(base, target, template=template)
    assert report.verified, report.reason
    from fireside.models.gguf_header import read_header

    assert read_header(target).text("tokenizer.chat_template") == template


def test_a_tokenizer_that_llama_cpp_cannot_follow_is_refused_with_a_text(home, tmp_path, monkeypatch):
    folder = find_base(str(save_model(tmp_path / "tiny", "llama")))
    monkeypatch.setattr(gguf_model, "candidates", lambda model, whole_words: [{"tokenizer.ggml.pre": "bloom"}])
    with pytest.raises(TrainingError, match="the first that differs is"):
        publish(folder, paths.models_folder() / "tiny.gguf")
    assert list(paths.models_folder().iterdir()) == []


def test_a_space_that_only_bare_texts_get_is_told_and_chats_are_the_same(home, tmp_path):
    tokenizer = sentencepiece(["[INST]", "[/INST]"], MISTRAL, prefix="first")
    folder = find_base(str(save_model(tmp_path / "tiny", "mistral", tokenizer=tokenizer)))
    target = paths.models_folder() / "tiny.gguf"
    report = publish(folder, target)
    assert report.verified, report.reason
    assert report.tokens == 200
    card = read_card(target)
    assert card is not None
    assert "no space" in card["notes"][0]


def test_a_full_disk_leaves_nothing(base, home):
    paths.ensure_folder(paths.models_folder())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(StorageError):
            publish(base, paths.models_folder() / "tiny.gguf")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(paths.models_folder().iterdir()) == []


def test_the_process_exports_and_tells_its_steps(base, home, capsys):
    request = {"source": str(base.path), "is_adapter": False, "kind": "f16", "ollama": True, "threads": 1}
    assert child.main(["export", json.dumps(request)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all("tell" in line for line in lines[:-1])
    report = lines[-1]["done"]
    assert report["verified"]
    assert Path(report["path"]) == paths.models_folder() / "tiny-F16.gguf"
    text = Path(report["modelfile"]).read_text("utf-8")
    assert text.startswith("FROM ./tiny-F16.gguf\nTEMPLATE")
    # And once more, from its card alone.
    assert child.main(["verify", report["path"]]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])["done"]
    assert again["scores"]["verified"]
    assert again["scores"]["kl"] == pytest.approx(report["scores"]["kl"], rel=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "Q4_K_X"}, "no type"),
        ({"format": "awq"}, "AWQ needs"),
        ({"format": "adapter"}, "is a model, not an adapter"),
        ({"output": "model.bin"}, "does not end in .gguf"),
        ({"imatrix": "/nowhere"}, "there is no file"),
    ],
)
def test_what_cannot_be_exported_is_one_line(base, home, capsys, changes, message):
    request = {"source": str(base.path), "is_adapter": False, **changes}
    assert child.main(["export", json.dumps(request)]) == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert message in last["error"]
    assert last["hint"]


def test_names_are_found_or_the_nearest_is_told(home):
    assert find_source(catalog.BUNDLED_NAME) == (catalog.BUNDLED_NAME, False)
    with pytest.raises(AdapterError, match="no adapter, run or model") as refused:
        find_source("smollm2-136m")
    assert catalog.BUNDLED_NAME in (refused.value.hint or "")


def test_exports_go_to_the_models_folder_by_name_and_type(home):
    request = Request("kitchen", True, kind="Q8_0")
    assert place(request, ".gguf") == paths.models_folder() / "kitchen-Q8_0.gguf"


def test_small_types_are_judged_by_perplexity_alone():
    assert limits_of("Q4_K_M") is None
    f16, q8 = limits_of("F16"), limits_of("Q8_0")
    assert f16 is not None
    assert q8 is not None
    assert f16.kl < q8.kl
