"""The lock of a run: one holder at a time, and none that has died."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.owned import owned
from fireside import paths
from fireside.errors import FiresideError, StorageError


def test_a_run_has_one_owner_at_a_time() -> None:
    with owned(1), owned(2):
        with pytest.raises(FiresideError, match="run 1 is under way"), owned(1):
            pass
        with pytest.raises(FiresideError, match="run 1 is under way"), owned(1):
            pass
    with owned(1):
        pass
    assert list(paths.run_locks_folder().iterdir()) == []


def test_an_owner_that_was_killed_holds_nobody_off() -> None:
    script = "from agents.owned import owned\nwith owned(1):\n    print('held', flush=True)\n    input()\n"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"held\n"
        with pytest.raises(FiresideError), owned(1):
            pass
        owner.kill()
    with owned(1):
        pass


def test_a_lock_that_cannot_be_made_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "traces.locks").write_text("")
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path))
    with pytest.raises(StorageError), owned(1):
        pass
