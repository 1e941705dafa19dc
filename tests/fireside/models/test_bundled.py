from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from fireside.errors import ModelError
from fireside.models.bundled import (
    CHAT_MODEL,
    ENCODER_MODEL,
    ENCODER_TOKENIZER,
    BundledFile,
    checked,
    located,
    sha256_of,
)


def test_the_files_are_found_without_importing_their_packages() -> None:
    script = (
        "import sys\nfrom fireside.models.bundled import *\n"
        "for file in (CHAT_MODEL, ENCODER_MODEL, ENCODER_TOKENIZER):\n"
        "    assert located(file).is_file()\n    assert file.package not in sys.modules, file.package\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", [CHAT_MODEL, ENCODER_MODEL, ENCODER_TOKENIZER])
def test_the_installed_files_are_the_known_ones(file: BundledFile) -> None:
    assert checked(file) == located(file)


def test_a_damaged_or_missing_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_model"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "model.bin").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    good = BundledFile("some_model", "model.bin", hashlib.sha256(b"weights").hexdigest())
    assert checked(good) == package / "model.bin"
    with pytest.raises(ModelError, match="sha256 differs") as caught:
        checked(BundledFile("some_model", "model.bin", "0" * 64))
    assert str(caught.value.hint).endswith("some-model")
    for missing in (BundledFile("some_model", "other.bin", ""), BundledFile("no_such_package", "model.bin", "")):
        with pytest.raises(ModelError, match="is not installed"):
            located(missing)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read"):
        sha256_of(tmp_path / "missing")
