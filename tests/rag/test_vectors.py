"""Chroma stays in line with the record: after damage, after other processes, between threads."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fireside.database import Database
from rag import ingest, store
from rag.chroma import Folder
from rag.library import Library

QUESTION = "when to drain the pump"


def indexed(library: Library) -> list[str]:
    return [Path(record.path).name for record in library.documents()]


def stamp(library: Library) -> Path:
    return library.folder / "chroma" / "stamp"


def test_a_lost_chroma_folder_is_made_anew_without_embedding(library: Library, folder: Path, encoder: Any) -> None:
    ingest.add(library, [folder], 200)
    before = library.search(QUESTION, 4)
    library.close()
    shutil.rmtree(library.folder / "chroma")
    encoder.encoded.clear()
    assert library.search(QUESTION, 4) == before
    assert encoder.encoded == [QUESTION]


def test_a_commit_while_the_folder_is_checked_is_no_damage(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.add(library, [folder], 200)
    library.close()
    generation, cleared, clear = store.generation, [], Folder.clear
    late = Library(library.folder, library.encoder)

    def overtaken(database: Database) -> int:
        number = generation(database)
        if indexed(late) == ["boat.txt", "birds.html", "rules.md"]:
            with store.opened(late.database) as other:
                store.remove(other, [str(folder / "boat.txt")])
        return number

    def noted(folder: Folder) -> None:
        cleared.append(folder)
        clear(folder)

    monkeypatch.setattr(store, "generation", overtaken)
    monkeypatch.setattr(Folder, "clear", noted)
    assert {Path(each.document).name for each in library.search(QUESTION, 4)} == {"birds.html", "rules.md"}
    assert cleared == []


def test_a_chroma_folder_behind_the_record_catches_up(library: Library, folder: Path) -> None:
    ingest.add(library, [folder / "boat.txt"], 200)
    library.close()
    behind = library.folder.parent / "behind"
    shutil.copytree(library.folder / "chroma", behind)
    ingest.add(library, [folder / "rules.md"], 200)
    library.remove(["boat.txt"])
    library.close()
    shutil.rmtree(library.folder / "chroma")
    behind.rename(library.folder / "chroma")
    assert {found.document for found in library.search("boat pump", 9)} == {str(folder / "rules.md")}
    with store.opened(library.database) as database:
        assert len(library.index.nearest(database, library.encoder.encode(["boat"])[0], 9)) == 2


@pytest.mark.parametrize("damage", ["sqlite", "garbage stamp", "vectors cut off", "collection gone"])
def test_a_damaged_chroma_folder_is_made_anew(library: Library, tmp_path: Path, damage: str) -> None:
    # Chroma writes its HNSW files once there are 1,000 vectors.
    lines = [f"# Note\n\n{' '.join(f'n{number}x{part}' for part in range(9))}\n" for number in range(1100)]
    (tmp_path / "notes.md").write_text("\n".join(lines))
    ingest.add(library, [tmp_path / "notes.md"], 200)
    (before,) = library.search("n42x1 n42x2 n42x3", 1)
    assert before.text.startswith("n42x0 ")
    library.close()
    chroma = library.folder / "chroma"
    if damage == "sqlite":
        (chroma / "chroma.sqlite3").write_bytes(b"garbage" * 5000)
    elif damage == "garbage stamp":
        stamp(library).write_bytes(b"\xff\xfe\x00")
    elif damage == "vectors cut off":
        (data,) = chroma.glob("*/data_level0.bin")
        data.write_bytes(data.read_bytes()[:1000])
    else:
        with sqlite3.connect(chroma / "chroma.sqlite3") as connection:
            connection.execute("DELETE FROM collections")
        connection.close()
    assert library.search("n42x1 n42x2 n42x3", 1) == [before]
    with store.opened(library.database) as database:
        (vector,) = store.vectors_of(database, [7]).values()
        assert library.index.nearest(database, vector, 1) == [7]


@pytest.mark.parametrize("sections", [2, 1100])
def test_a_folder_closed_and_opened_again_is_not_made_anew(library: Library, tmp_path: Path, sections: int) -> None:
    (tmp_path / "notes.md").write_text("\n".join(f"# Note\n\nn{number}\n" for number in range(sections)))
    ingest.add(library, [tmp_path / "notes.md"], 200)
    stamped = stamp(library).read_text()
    for _ in range(3):
        library.close()
        assert library.search("n1", 1)[0].text == "n1"
    assert stamp(library).read_text() == stamped


def test_a_rebuild_embeds_nothing(library: Library, folder: Path, encoder: Any) -> None:
    ingest.add(library, [folder], 200)
    encoder.encoded.clear()
    assert library.rebuild() == 4
    assert encoder.encoded == []
    assert library.search(QUESTION, 1)[0].text == "Drain the pump before frost."


def test_a_file_dotenv_beside_the_documents_does_not_configure_chroma(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    ingest.add(library, [folder], 200)
    (tmp_path / ".env").write_text("IS_PERSISTENT=perhaps\nCHROMA_API_IMPL=somebody.elses.module\n")
    program = (
        "from pathlib import Path; from rag import store; from rag.library import Library\n"
        f"library = Library(Path({str(library.folder)!r}))\n"
        "with store.opened(library.database) as database: library.index.line_up(database)\n"
        "print(library.index._collection.count())"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "4"


# Other processes

OTHER_PROCESS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import BagOfWords
from fireside.database import Database
from rag import ingest, store
from rag.chroma import Folder
from rag.library import Library

class Waiting(BagOfWords):
    def encode(self, texts, progress=None):
        if any("WAIT" in text for text in texts):
            print("waiting", flush=True)
            sys.stdin.read()
        return super().encode(texts, progress)

library = Library(Path({library!r}), Waiting())
if {stop_in_commit}:
    finish = store._finish
    def wait_for_the_last(connection, let_go):
        if connection.execute("SELECT count(*) FROM documents").fetchone()[0] == len(sys.argv) - 1:
            print("waiting", flush=True)
            sys.stdin.read()
        finish(connection, let_go)
    store._finish = wait_for_the_last
ingest.add(library, sys.argv[1:], 200)
print("done", flush=True)
"""


def other_process(library: Library, *given: Path, stop_in_commit: bool = False) -> subprocess.Popen[str]:
    """Adds `given` there. It waits for stdin where a text says WAIT, or in the middle of the last document's commit."""
    program = OTHER_PROCESS.format(
        tests=str(Path(__file__).parent), library=str(library.folder), stop_in_commit=stop_in_commit
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, given)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_what_another_process_adds_is_found_here(library: Library, folder: Path) -> None:
    ingest.add(library, [folder / "boat.txt"], 200)
    assert len(library.search("boat pump", 9)) == 1
    with other_process(library, folder / "rules.md") as other:
        assert other.communicate()[0] == "done\n"
    assert len(library.search("boat pump", 9)) == 3
    with store.opened(library.database) as database:
        assert len(library.index.nearest(database, library.encoder.encode(["pump"])[0], 9)) == 3


def test_two_open_at_one_folder_both_find_what_another_process_adds(
    library: Library, folder: Path, encoder: Any
) -> None:
    ingest.add(library, [folder / "boat.txt"], 200)
    again = Library(library.folder, encoder)
    assert len(again.search("boat", 9)) == len(library.search("boat", 9)) == 1
    with other_process(library, folder / "rules.md") as other:
        other.communicate()
    stamped = stamp(library).read_text()
    for each in (library, again, library):
        with store.opened(each.database) as database:
            assert len(each.index.nearest(database, encoder.encode(["pump"])[0], 9)) == 3
    # Neither closed the folder under the other, which would have made it anew.
    assert stamp(library).read_text() == stamped
    again.close()


@pytest.mark.parametrize("stop_in_commit", [False, True])
def test_kill_9_in_mid_ingest_leaves_whole_documents(library: Library, tmp_path: Path, stop_in_commit: bool) -> None:
    for number in range(3):
        (tmp_path / f"{number}.md").write_text(f"# Note {number}\n\nfirst\n\n## Part\n\nsecond n{number}\n")
    (tmp_path / "3.md").write_text("last" if stop_in_commit else "WAIT")
    given = [tmp_path / f"{number}.md" for number in range(4)]
    with other_process(library, *given, stop_in_commit=stop_in_commit) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "waiting\n"
        # While the other process is at work, what it has committed is found already.
        assert library.search("n2", 1)[0].document == str(given[2])
        other.send_signal(signal.SIGKILL)
        other.communicate()
    assert indexed(library) == ["0.md", "1.md", "2.md"]
    assert all(record.chunks == 2 for record in library.documents())
    with store.opened(library.database) as database:
        assert database.read("PRAGMA integrity_check")[0][0] == "ok"
    report = ingest.add(library, given, 200)
    assert (report.indexed, report.unchanged) == (1, 3)


def test_two_processes_may_add_at_once(library: Library, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "slow.md").write_text("WAIT for it")
    with other_process(library, tmp_path / "slow.md") as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "waiting\n"
        ingest.add(library, [folder], 200)
        assert other.communicate("")[0] == "done\n"
    assert len(library.documents()) == 4
    assert library.search("wait", 1)[0].document == str(tmp_path / "slow.md")
    assert library.search(QUESTION, 1)[0].document == str(folder / "rules.md")


def test_closing_one_library_leaves_another_open(library: Library, folder: Path, encoder: Any) -> None:
    ingest.add(library, [folder], 200)
    (library.folder.parent / "other").mkdir()
    other = Library(library.folder.parent / "other", encoder)
    ingest.add(other, [folder / "boat.txt"], 200)
    library.close()
    ingest.add(other, [folder / "rules.md"], 200)
    assert len(other.search(QUESTION, 9)) == 3
    other.close()
    assert len(library.search(QUESTION, 9)) == 4


def test_a_library_is_closed_while_another_searches(library: Library, folder: Path, encoder: Any) -> None:
    ingest.add(library, [folder], 200)
    (library.folder.parent / "other").mkdir()
    other = Library(library.folder.parent / "other", encoder)
    ingest.add(other, [folder / "rules.md"], 200)
    stamped = stamp(other).read_text()
    with ThreadPoolExecutor(2) as threads:
        searches = [threads.submit(other.search, QUESTION, 1) for _ in range(60)]
        for _ in range(10):
            library.close()
            assert len(library.search(QUESTION, 9)) == 4
    assert {search.result()[0].text for search in searches} == {"Drain the pump before frost."}
    # The other one never had to be made anew.
    assert stamp(other).read_text() == stamped
    other.close()


def test_a_close_waits_for_a_search_in_another_thread(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.add(library, [folder], 200)
    stamped = stamp(library).read_text()
    query = library.index._query
    with ThreadPoolExecutor(1) as threads:

        def closed_meanwhile(vector: Any, limit: int) -> list[int]:
            closing = threads.submit(library.close)
            with pytest.raises(TimeoutError):
                closing.result(timeout=0.1)
            return query(vector, limit)

        monkeypatch.setattr(library.index, "_query", closed_meanwhile)
        assert len(library.search(QUESTION, 9)) == 4
    assert stamp(library).read_text() == stamped


def test_dotenv_files_are_read_again_once_chroma_is_imported(library: Library, folder: Path, tmp_path: Path) -> None:
    from pydantic_settings import BaseSettings

    class Theirs(BaseSettings):
        color: str = "none"

    ingest.add(library, [folder], 200)
    (tmp_path / "theirs.env").write_text("COLOR=blue\n")
    assert Theirs(_env_file=tmp_path / "theirs.env").color == "blue"  # type: ignore[call-arg]


def test_threads_search_while_another_adds(library: Library, folder: Path) -> None:
    ingest.add(library, [folder / "rules.md"], 200)
    with ThreadPoolExecutor(4) as threads:
        adding = threads.submit(ingest.add, library, [folder], 200)
        searches = [threads.submit(library.search, QUESTION, 1) for _ in range(20)]
        assert {search.result()[0].text for search in searches} == {"Drain the pump before frost."}
        assert adding.result().indexed == 2
