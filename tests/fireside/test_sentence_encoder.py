"""A sentence-transformers model as the encoder: the vectors that the library itself makes, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_encoders import SIZE, rewritten, tiny_encoder

from fireside.errors import ModelError
from fireside.sentence_encoder import SentenceEncoder

TEXTS = ["the stove takes dry birch wood", "Drain the pump.", "", "water " * 200, "Lake? lake: Lake, SAUNA"] * 3
PROMPTS = {"query": "query: ", "document": "passage: "}


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mean pooling, prompts of both kinds."""
    return tiny_encoder(tmp_path_factory.mktemp("models") / "prompted", "mean", PROMPTS)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The [CLS] vector, normalised, no prompts."""
    return tiny_encoder(tmp_path_factory.mktemp("models") / "plain", "cls")


@pytest.fixture
def copied(plain: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(plain, tmp_path / "copied"))


def theirs(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


@pytest.mark.parametrize("model", ["prompted", "plain"])
def test_vectors_are_those_of_sentence_transformers(model: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(model)
    encoder, reference = SentenceEncoder(str(folder)), theirs(folder)
    made, asked = encoder.encode(TEXTS), encoder.encode_queries(TEXTS)
    assert made.dtype == np.float32
    assert np.abs(made - reference.encode_document(TEXTS, normalize_embeddings=True)).max() < 1e-5
    assert np.abs(asked - reference.encode_query(TEXTS, normalize_embeddings=True)).max() < 1e-5
    assert np.linalg.norm(made, axis=1) == pytest.approx(1, abs=1e-5)
    assert (np.abs(made - asked).max() > 0.05) == (model == "prompted")
    assert encoder.encode([]).shape == (0, SIZE)


def test_pooling_and_prompts_of_the_folder_are_honoured(plain: Path, copied: Path) -> None:
    before, ids = SentenceEncoder(str(plain)), {SentenceEncoder(str(copied)).id}
    rewritten(copied / "config_sentence_transformers.json", prompts={"query": "", "passage": "passage: "})
    passages = SentenceEncoder(str(copied))
    ids.add(passages.id)
    assert np.abs(passages.encode(["water"]) - before.encode(["passage: water"])).max() < 1e-5
    rewritten(copied / "config_sentence_transformers.json", prompts={})
    rewritten(copied / "1_Pooling" / "config.json", pooling_mode="mean")
    pooled = SentenceEncoder(str(copied))
    assert np.abs(pooled.encode(TEXTS) - theirs(copied).encode_document(TEXTS)).max() < 1e-5
    assert np.abs(pooled.encode(TEXTS) - before.encode(TEXTS)).max() > 0.05
    assert len(ids | {pooled.id}) == 3


def test_the_first_numbers_of_a_vector_are_of_length_1_again(plain: Path) -> None:
    whole, short = SentenceEncoder(str(plain)), SentenceEncoder(str(plain), 8)
    cut = whole.encode(TEXTS)[:, :8]
    assert short.dimension == 8
    assert np.abs(short.encode(TEXTS) - cut / np.linalg.norm(cut, axis=1, keepdims=True)).max() < 1e-5
    assert short.encode_queries(["pump"]).shape == (1, 8)
    assert short.id == f"{whole.id}-8"
    with pytest.raises(ModelError, match="have 32 numbers, and 64 were asked for") as caught:
        SentenceEncoder(str(plain), 64).encode(["pump"])
    assert "encoder_dimension" in str(caught.value.hint)


def test_the_id_changes_with_what_a_vector_depends_on(plain: Path, copied: Path) -> None:
    assert SentenceEncoder(str(copied)).id == SentenceEncoder(str(plain)).id.replace("plain", "copied")
    before = SentenceEncoder(str(copied)).id
    (copied / "README.md").write_text("words about it")
    assert SentenceEncoder(str(copied)).id == before
    weights = bytearray((copied / "model.safetensors").read_bytes())
    weights[-3] ^= 1
    (copied / "model.safetensors").write_bytes(weights)
    assert SentenceEncoder(str(copied)).id != before


def test_what_is_read_of_a_text_leaves_room_for_the_prompt(prompted: Path, plain: Path) -> None:
    encoder = SentenceEncoder(str(prompted))
    assert (SentenceEncoder(str(plain)).max_tokens, encoder.max_tokens) == (48, 46)
    text = " ".join(["water"] * 44)
    full, longer, shorter = encoder.encode([text, f"{text} lake", text[:-6]])
    assert full @ longer == pytest.approx(1, abs=1e-5)
    assert full @ shorter < 1 - 1e-5


def test_words_have_exact_places_and_add_up(plain: Path) -> None:
    encoder = SentenceEncoder(str(plain))
    text = "The stove,  takes birchwood " + "water " * 100
    words = encoder.words(text)
    assert [text[start:end] for start, end, _ in words[:5]] == ["The", "stove", ",", "takes", "birchwood"]
    assert words[4][2] == 5
    assert sum(count for _, _, count in words) == encoder.count_tokens([text])[0] == 9 + 100


def test_progress_counts_texts(plain: Path) -> None:
    steps: list[tuple[int, int]] = []
    SentenceEncoder(str(plain)).encode(["water " * 40] * 120, lambda done, total: steps.append((done, total)))
    assert len(steps) > 1
    assert steps == sorted(steps)
    assert steps[-1] == (120, 120)


def test_models_are_found_by_folder_and_by_name(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(plain, tmp_path / "home" / "models" / "mine")
    assert SentenceEncoder("mine").id.startswith("mine-")
    cache = tmp_path / "hub" / "models--sentence-transformers--tiny"
    shutil.copytree(plain, cache / "snapshots" / ("0" * 40))
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("tiny", "sentence-transformers/tiny"):
        encoder = SentenceEncoder(name)
        assert encoder.id == SentenceEncoder(str(plain)).id.replace("plain", "tiny")
    assert encoder.encode(["water"]).shape == (1, SIZE)


@pytest.mark.parametrize("name", ["", "tiny", "nobody/nothing", "a/b/c", "/no/such/folder", "not a name"])
def test_a_missing_model_is_one_clear_line(name: str) -> None:
    with pytest.raises(ModelError, match="there is no encoder") as caught:
        SentenceEncoder(name).encode(["water"])
    assert "documents.encoder takes a folder" in str(caught.value.hint)


def _without_modules(folder: Path) -> None:
    (folder / "modules.json").unlink()


def _own_code(folder: Path) -> None:
    text = (folder / "modules.json").read_text()
    (folder / "modules.json").write_text(text.replace("sentence_transformers.base.modules.normalize", "custom_code"))


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _another_kind(folder: Path) -> None:
    rewritten(folder / "config_sentence_transformers.json", model_type="CrossEncoder")


def _half_json(folder: Path) -> None:
    (folder / "modules.json").write_text('[{"idx": 0')


def _half_weights(folder: Path) -> None:
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _unknown_architecture(folder: Path) -> None:
    rewritten(folder / "config.json", model_type="own", auto_map={"AutoModel": "modeling.Own"})


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_without_modules, "is no model of sentence-transformers"),
        (_own_code, "brings code of its own"),
        (_pickled, "keeps weights as pickle"),
        (_another_kind, "is a CrossEncoder"),
        (_half_json, "cannot read .*modules.json"),
        (_half_weights, "cannot be loaded"),
        (_no_weights, "cannot be loaded"),
        (_unknown_architecture, "cannot be loaded"),
    ],
)
def test_a_broken_or_unsafe_folder_is_one_clear_line(copied: Path, spoil: Any, told: str) -> None:
    spoil(copied)
    with pytest.raises(ModelError, match=told) as caught:
        SentenceEncoder(str(copied)).encode(["water"])
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_weights_that_are_no_numbers_are_told(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] *= float("nan")
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="no numbers: it is damaged"):
        SentenceEncoder(str(copied)).encode(["water"])
