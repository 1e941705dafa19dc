"""Folders for what is half made go at the end, and what a killed process left of them goes the next time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from finetune.export.scratch import scratch_folder

_KILLED = """
import os, signal, sys
from pathlib import Path
from finetune.export.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1]), ".export-") as folder:
    (folder / "half.gguf").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_the_next_time_and_nothing_else(tmp_path: Path):
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -9
    (left_over,) = tmp_path.iterdir()
    (tmp_path / "kitchen.gguf").touch()
    with scratch_folder(tmp_path, ".export-") as folder:
        assert folder.is_dir()
        assert not left_over.exists()
    assert [item.name for item in tmp_path.iterdir()] == ["kitchen.gguf"]


def test_a_folder_that_is_in_use_stays(tmp_path: Path):
    with scratch_folder(tmp_path, ".export-") as one, scratch_folder(tmp_path, ".export-") as other:
        assert one != other
        assert one.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_it_goes_also_where_the_work_fails(tmp_path: Path):
    def work() -> None:
        with scratch_folder(tmp_path, ".export-") as folder:
            (folder / "half").touch()
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        work()
    assert list(tmp_path.iterdir()) == []
