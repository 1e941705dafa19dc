import os
import zipfile
from pathlib import Path

import pytest

from fireside.errors import DocumentError
from rag import reader
from rag.reader import Reader

CRASH = "import os; input(); os.abort()"
SMALL = (
    "import sys; sys.path.append(sys.argv[1]); from rag.loaders import child; child._MAX_MEMORY = 300_000_000; "
    "child.main(int(sys.argv[2]))"
)
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


def test_a_name_with_escapes_and_newlines_gives_one_safe_line(tmp_path: Path) -> None:
    bad = tmp_path / "a\n\x1b]52;c;eA==\x07b.pdf"
    bad.write_bytes(b"%PDF-1.4 and then nothing")
    good = tmp_path / "a\nb.txt"
    good.write_text("text")
    with Reader() as documents:
        with pytest.raises(DocumentError) as caught:
            documents.read(bad)
        assert documents.read(good).path == str(good)
    assert caught.value.message == f"{tmp_path}/a b.pdf is not a PDF that can be read: it is damaged"


def test_what_was_left_out_comes_with_the_document(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "text")
        archive.writestr("b.pdf", "%PDF-")
    with Reader() as documents:
        assert documents.read(tmp_path / "a.zip").notes == (
            f"{tmp_path}/a.zip/b.pdf is not a PDF that can be read: it is damaged; it was left out",
        )


def test_a_file_that_takes_too_much_memory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wide.json").write_text("[" + "[]," * 4_000_000 + "[]]")
    (tmp_path / "good.md").write_text("text")
    monkeypatch.setattr(reader, "_PROGRAM", SMALL)
    with Reader() as documents:
        with pytest.raises(DocumentError, match="takes more memory to read than is allowed"):
            documents.read(tmp_path / "wide.json")
        assert documents.read(tmp_path / "good.md").text == "text"


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
