from __future__ import annotations

from pathlib import Path

import pytest

from fireside import paths
from fireside.errors import ModelError
from fireside.models import catalog


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "no-ollama"))
    return paths.ensure_folder(paths.models_folder())


def test_the_bundled_model_comes_first_and_then_the_folder_by_name(folder: Path) -> None:
    for name in ("zebra.gguf", "apple.gguf", "notes.txt"):
        (folder / name).write_bytes(b"GGUF")
    (folder / "folder.gguf").mkdir()
    (folder / "gone.gguf").symlink_to(folder / "nowhere")
    found = catalog.models()
    assert [model.name for model in found] == [catalog.BUNDLED_NAME, "apple", "zebra"]
    assert [model.source for model in found] == ["bundled", "models folder", "models folder"]
    assert found[1].size == 4
    assert catalog.find("zebra").path == folder / "zebra.gguf"


def test_a_file_of_the_bundled_models_name_does_not_take_its_place(folder: Path) -> None:
    (folder / f"{catalog.BUNDLED_NAME}.gguf").write_bytes(b"GGUF")
    assert catalog.find(catalog.BUNDLED_NAME).source == "bundled"


def test_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.bin").write_bytes(b"GGUF")
    model = catalog.find("mine.bin")
    assert (model.name, model.path, model.source) == ("mine", tmp_path / "mine.bin", "file")


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("smollm2-135", "there is no model called 'smollm2-135'", "did you mean smollm2-135m?"),
        ("qwen", "there is no model called 'qwen'", "known models: smollm2-135m"),
        ("missing.gguf", "there is no model file missing.gguf", "check the path"),
        ("some/where", "there is no model file some/where", "check the path"),
        ("x" * 300, "cannot look at the model file", "check the path"),
        ("~nobody-of-this-name/m.gguf", "cannot look at the model file", "check the path"),
        ("a\0b", "there is no model called", "known models"),
        ("", "there is no model called", "known models"),
    ],
)
def test_a_model_that_is_not_there(name: str, message: str, hint: str) -> None:
    with pytest.raises(ModelError) as caught:
        catalog.find(name)
    assert caught.value.message.startswith(message)
    assert str(caught.value.hint).startswith(hint)


def hf_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(b"x" * 10)
    return path


def test_folders_and_models_in_several_files(folder: Path, tmp_path: Path) -> None:
    hf_folder(folder / "b-model")
    hf_folder(folder / ".pulling" / "c-model")
    (folder / "empty").mkdir()
    for number in (1, 2):
        (folder / f"a-0000{number}-of-00002.gguf").write_bytes(b"GGUF")
    assert [(each.name, each.kind, each.size, each.path.name) for each in catalog.models()[1:]] == [
        ("a", "gguf", 8, "a-00001-of-00002.gguf"),
        ("b-model", "hf", 10, "b-model"),
    ]
    elsewhere = catalog.find(str(hf_folder(tmp_path / "elsewhere")))
    assert (elsewhere.kind, elsewhere.source) == ("hf", "folder")
    with pytest.raises(ModelError, match="holds no model"):
        catalog.find(str(folder / "empty"))
    with pytest.raises(ModelError, match="is not the first part"):
        catalog.find(str(folder / "a-00002-of-00002.gguf"))


def test_only_what_lies_in_the_models_folder_is_removed(folder: Path, tmp_path: Path) -> None:
    hf_folder(folder / "b-model")
    outside = hf_folder(tmp_path / "outside")
    (folder / "link").symlink_to(outside)
    (folder / "mine.gguf").write_bytes(b"GGUF")
    (tmp_path / "other.gguf").write_bytes(b"GGUF")
    for name in ("b-model", "link", "mine"):
        assert catalog.remove(name).name == name
    assert list(folder.iterdir()) == []
    assert (outside / "config.json").exists()
    for name, said in (
        (catalog.BUNDLED_NAME, "it is installed with Fireside"),
        (str(tmp_path / "other.gguf"), "it lies outside of the models folder"),
        (str(outside), "it lies outside of the models folder"),
    ):
        with pytest.raises(ModelError, match=said):
            catalog.remove(name)
    assert (tmp_path / "other.gguf").exists()


def test_a_repository_is_not_a_model_yet(folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        catalog.find("hf:org/name")
    assert caught.value.hint == "get it first: fireside models pull hf:org/name"
