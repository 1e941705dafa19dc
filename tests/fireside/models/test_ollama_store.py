from __future__ import annotations

import json
from pathlib import Path

import pytest

from fireside.errors import ModelError
from fireside.models import catalog
from fireside.models.ollama_store import ollama_models

DIGEST = "a1" * 32
LAYER = "application/vnd.ollama.image.model"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "ollama"
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / f"sha256-{DIGEST}").write_bytes(b"GGUF")
    monkeypatch.setenv("OLLAMA_MODELS", str(folder))
    return folder


def manifest(store: Path, name: str, *digests: str, text: str = "") -> None:
    path = store / "manifests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    layers = [{"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:" + "0" * 64, "size": 1}]
    layers += [{"mediaType": LAYER, "digest": digest, "size": 4} for digest in digests]
    path.write_text(text or json.dumps({"schemaVersion": 2, "layers": layers}))


def test_models_are_listed_and_found_by_name_and_tag(store: Path) -> None:
    blob = store / "blobs" / f"sha256-{DIGEST}"
    manifest(store, "registry.ollama.ai/library/llama3.2/latest", f"sha256:{DIGEST}")
    manifest(store, "registry.ollama.ai/library/llama3.2/1b", f"sha256:{DIGEST}")
    manifest(store, "registry.ollama.ai/someone/fine/v1", f"sha256:{DIGEST}")
    manifest(store, "hf.co/org/model/Q4_K_M", f"sha256:{DIGEST}")
    assert [(each.name, each.path) for each in ollama_models()] == [
        ("ollama:hf.co/org/model:Q4_K_M", blob),
        ("ollama:llama3.2:1b", blob),
        ("ollama:llama3.2:latest", blob),
        ("ollama:someone/fine:v1", blob),
    ]
    model = catalog.find("ollama:llama3.2")
    assert (model.name, model.path, model.source, model.size) == ("ollama:llama3.2:latest", blob, "Ollama", 4)
    with pytest.raises(ModelError, match="it belongs to Ollama"):
        catalog.remove("ollama:llama3.2:1b")
    assert blob.exists()
    with pytest.raises(ModelError) as caught:
        catalog.find("ollama:llama3.2:2b")
    assert str(caught.value.hint).startswith("did you mean ollama:llama3.2:")


@pytest.mark.parametrize(
    ("digests", "text"),
    [
        ((), ""),
        (("sha256:../../../etc/passwd",), ""),
        (("sha256:" + "b" * 64,), ""),
        ((f"sha256:{DIGEST}", f"sha256:{DIGEST}"), ""),
        ((), "not JSON"),
        ((), "[]"),
        ((), '{"layers": [{}]}'),
        ((), "[" * 100_000),
    ],
)
def test_a_manifest_that_names_no_file_is_passed_over(store: Path, digests: tuple[str, ...], text: str) -> None:
    manifest(store, "registry.ollama.ai/library/bad/latest", *digests, text=text)
    manifest(store, "registry.ollama.ai/library/good/latest", f"sha256:{DIGEST}")
    assert [each.name for each in ollama_models()] == ["ollama:good:latest"]


def test_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (str(tmp_path / "nowhere"), "~nobody-of-this-name/x"):
        monkeypatch.setenv("OLLAMA_MODELS", folder)
        assert ollama_models() == []
