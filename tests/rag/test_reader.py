import os
from pathlib import Path

import pytest

from fireside.errors import DocumentError
from rag import reader
from rag.reader import Reader

CRASH = "import os; input(); os.abort()"
HANG = "import signal, sys; input(); signal.alarm(1); signal.pause()"


@pytest.mark.parametrize(("program", "said"), [(CRASH, "made its reader crash"), (HANG, "given up after 1 seconds")])
def test_a_file_that_kills_its_reader_does_not_stop_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    good = tmp_path / "good.md"
    good.write_text("# Fire\n\nBirch wood.\n")
    working = reader._PROGRAM
    with Reader(seconds_per_file=1) as documents:
        monkeypatch.setattr(reader, "_PROGRAM", program)
        with pytest.raises(DocumentError, match=said):
            documents.read(tmp_path / "evil.pdf")
        monkeypatch.setattr(reader, "_PROGRAM", working)
        document = documents.read(good)
        assert document.text == "# Fire\n\nBirch wood.\n"
        assert document.blocks[1].heading == ("Fire",)


def test_errors_cross_the_process_with_their_hints(tmp_path: Path) -> None:
    (tmp_path / "empty.md").touch()
    with Reader() as documents, pytest.raises(DocumentError, match="is empty") as caught:
        documents.read(tmp_path / "empty.md")
    assert caught.value.hint


def test_code_beside_the_documents_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("import pathlib; pathlib.Path('ran').touch()")
    (tmp_path / "a.md").write_text("text")
    monkeypatch.chdir(tmp_path)
    with Reader() as documents:
        assert documents.read(tmp_path / "a.md").text == "text"
    assert not (tmp_path / "ran").exists()


def test_an_interrupt_from_the_terminal_does_not_reach_the_reader(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text")
    with Reader() as documents:
        documents.read(tmp_path / "a.md")
        assert documents._child is not None
        assert os.getpgid(documents._child.pid) != os.getpgid(0)
