from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from fireside.errors import ModelError
from fireside.models import digests

OLD = 1_000_000_000


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were hashed."""
    found: list[Path] = []
    real = digests.sha256_of

    def sha256_of(path: Path) -> str:
        found.append(path)
        return real(path)

    monkeypatch.setattr(digests, "sha256_of", sha256_of)
    return found


def file(path: Path, data: bytes, changed: float = OLD) -> str:
    path.write_bytes(data)
    os.utime(path, (changed, changed))
    return hashlib.sha256(data).hexdigest()


def test_a_file_is_hashed_once_and_again_when_it_changed(tmp_path: Path, read: list[Path]) -> None:
    path = tmp_path / "m.gguf"
    digest = file(path, b"one")
    assert [digests.known_sha256(path) for _ in range(3)] == [digest] * 3
    assert len(read) == 1
    assert digests.known_sha256(path) != (other := file(path, b"two", OLD + 1))
    assert digests.known_sha256(path) == other
    assert len(read) == 2
    # The same size and time, and another file all the same.
    (tmp_path / "new").write_bytes(b"six")
    os.utime(tmp_path / "new", (OLD + 1, OLD + 1))
    (tmp_path / "new").replace(path)
    assert digests.known_sha256(path) == hashlib.sha256(b"six").hexdigest()


def test_a_file_that_has_just_changed_is_not_trusted_to_stay(tmp_path: Path, read: list[Path]) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"one")
    digests.known_sha256(path)
    digests.known_sha256(path)
    assert len(read) == 2


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"x": 1}', "\xff"])
def test_a_damaged_cache_is_no_obstacle(tmp_path: Path, content: str) -> None:
    path = tmp_path / "m.gguf"
    digest = file(path, b"one")
    digests.digests_file().parent.mkdir(parents=True)
    digests.digests_file().write_text(content, encoding="latin-1")
    assert digests.known_sha256(path) == digest
    digests.digests_file().write_text(f'{{"{path}": [1]}}')
    assert digests.known_sha256(path) == digest


def test_where_it_cannot_be_kept_it_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[Path]
) -> None:
    path = tmp_path / "m.gguf"
    digest = file(path, b"one")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "file"))
    assert [digests.known_sha256(path), digests.known_sha256(path)] == [digest, digest]
    assert len(read) == 2


def test_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        file(tmp_path / name, b"x")
        digests.known_sha256(tmp_path / name)
    (tmp_path / "a.gguf").unlink()
    digests.remember_sha256(tmp_path / "b.gguf", "0" * 64)
    text = digests.digests_file().read_text()
    assert "a.gguf" not in text
    assert digests.known_sha256(tmp_path / "b.gguf") == "0" * 64


def test_a_model_in_several_files(tmp_path: Path) -> None:
    paths = [tmp_path / f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    lines = "\n".join(file(path, path.name.encode()) for path in paths)
    assert digests.known_sha256(paths[0]) == hashlib.sha256(lines.encode()).hexdigest()
    paths[1].unlink()
    with pytest.raises(ModelError, match="cannot read"):
        digests.known_sha256(paths[0])
