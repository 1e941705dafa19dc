import pytest

from tui.console import Progress


def test_work_that_is_complete_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("indexing", "kB")
    for _ in range(3):
        progress.update(5, 5)
    progress.finish()
    assert capsys.readouterr().err.count("indexing 5/5 kB") == 1
