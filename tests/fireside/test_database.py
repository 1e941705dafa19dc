import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Literal

import pytest

from fireside.database import Database
from fireside.errors import StorageError

ONE = (("CREATE TABLE t (x TEXT)",),)
TWO = (*ONE, ("ALTER TABLE t ADD COLUMN y TEXT DEFAULT 'new'",))


def opened(path: Path, migrations: tuple[tuple[str, ...], ...] = ONE, busy_seconds: float = 0.0) -> Database:
    return Database(path, application_id=7, migrations=migrations, busy_seconds=busy_seconds)


def test_an_old_file_is_migrated_and_keeps_its_rows(tmp_path: Path) -> None:
    old = opened(tmp_path / "a.db")
    with old.transaction() as connection:
        connection.execute("INSERT INTO t VALUES ('kept')")
    old.close()
    new = opened(tmp_path / "a.db", TWO)
    assert [tuple(row) for row in new.read("SELECT x, y FROM t")] == [("kept", "new")]
    new.close()


def test_a_failing_migration_leaves_the_old_version(tmp_path: Path) -> None:
    opened(tmp_path / "a.db").close()
    broken = (*ONE, ("ALTER TABLE t ADD COLUMN z TEXT", "NO SQL AT ALL"))
    with pytest.raises(StorageError):
        opened(tmp_path / "a.db", broken)
    again = opened(tmp_path / "a.db")
    assert [row["name"] for row in again.read("PRAGMA table_info(t)")] == ["x"]
    again.close()


def test_a_file_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    opened(tmp_path / "a.db", TWO).close()
    before = (tmp_path / "a.db").read_bytes()
    with pytest.raises(StorageError, match="newer") as refused:
        opened(tmp_path / "a.db")
    assert refused.value.hint is not None
    assert (tmp_path / "a.db").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"x", b"this is not a database, but long enough " * 50, b"SQLite format 3\x00" * 100]
)
def test_a_damaged_file_is_refused_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        opened(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="not of this kind"):
        opened(path)
    assert path.read_bytes() == before


def test_what_to_do_with_a_file_that_is_not_ours_can_be_said(tmp_path: Path) -> None:
    damaged, foreign = tmp_path / "a.db", tmp_path / "b.db"
    damaged.write_bytes(b"x" * 1000)
    other = sqlite3.connect(foreign)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    for path in (damaged, foreign):
        with pytest.raises(StorageError) as refused:
            Database(path, application_id=7, migrations=ONE, recovery="buy a new one")
        assert refused.value.hint == "buy a new one"


@pytest.mark.parametrize(("synchronous", "number"), [("NORMAL", 1), ("FULL", 2)])
def test_how_soon_a_commit_is_on_the_disk_is_chosen(
    tmp_path: Path, synchronous: Literal["NORMAL", "FULL"], number: int
) -> None:
    database = Database(tmp_path / "a.db", application_id=7, migrations=ONE, synchronous=synchronous)
    assert database.read("PRAGMA synchronous")[0][0] == number
    database.close()


def test_a_damaged_page_is_told_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    database = opened(path)
    with database.transaction() as connection:
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 200)
    database.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    database = opened(path)
    with pytest.raises(StorageError, match="damaged"):
        database.read("SELECT * FROM t")
    database.close()


def test_a_locked_file_is_told(tmp_path: Path) -> None:
    first, second = opened(tmp_path / "a.db"), opened(tmp_path / "a.db")
    with first.transaction(), pytest.raises(StorageError, match="locked"), second.transaction():
        pytest.fail("two writers at once")
    with second.transaction() as connection:
        connection.execute("INSERT INTO t VALUES ('after')")
    first.close()
    second.close()


def test_a_full_disk_undoes_the_whole_step_and_the_store_goes_on(tmp_path: Path) -> None:
    database = opened(tmp_path / "a.db")
    pages = database.read("PRAGMA page_count")[0][0]
    database.read(f"PRAGMA max_page_count={pages + 2}")
    with database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES ('kept')")
    rows = [("first half",), ("x" * 100_000,)]
    with pytest.raises(StorageError, match="disk is full"), database.transaction() as connection:
        connection.executemany("INSERT INTO t VALUES (?)", rows)
    assert [row["x"] for row in database.read("SELECT x FROM t")] == ["kept"]
    database.read("PRAGMA max_page_count=100000")
    with database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES ('later')")
    assert [row["x"] for row in database.read("SELECT x FROM t")] == ["kept", "later"]
    database.close()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    database = opened(tmp_path / "a.db")
    database.read("PRAGMA query_only=1")
    with pytest.raises(StorageError, match="cannot be written"), database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES ('x')")
    database.close()


def test_a_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened"):
        opened(tmp_path)


def test_a_closed_store_tells_so(tmp_path: Path) -> None:
    database = opened(tmp_path / "a.db")
    database.close()
    database.close()
    with pytest.raises(StorageError, match="closed"):
        database.read("SELECT 1")


def test_threads_share_one_database(tmp_path: Path) -> None:
    database = opened(tmp_path / "a.db")

    def insert() -> None:
        for _ in range(50):
            with database.transaction() as connection:
                count = connection.execute("SELECT count(*) FROM t").fetchone()[0]
                connection.execute("INSERT INTO t VALUES (?)", (str(count),))

    threads = [threading.Thread(target=insert) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [int(row["x"]) for row in database.read("SELECT x FROM t ORDER BY rowid")] == list(range(200))
    database.close()


def test_a_snapshot_does_not_see_what_another_connection_commits(tmp_path: Path) -> None:
    reader, writer = opened(tmp_path / "a.db"), opened(tmp_path / "a.db")
    with reader.snapshot():
        assert reader.read("SELECT x FROM t") == []
        with writer.transaction() as connection:
            connection.execute("INSERT INTO t VALUES ('new')")
        assert reader.read("SELECT x FROM t") == []
    assert [row["x"] for row in reader.read("SELECT x FROM t")] == ["new"]
    with pytest.raises(StorageError), reader.snapshot():
        reader.read("NO SQL AT ALL")
    assert len(reader.read("SELECT x FROM t")) == 1
    reader.close()
    writer.close()


def test_a_connection_keeps_its_locks_when_another_is_opened_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    kept = opened(path)
    opened(path).close()
    # Another process that believed itself alone would take the log away, and what it writes after that goes unseen.
    program = (
        "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1]); "
        "connection.execute(\"INSERT INTO t VALUES ('theirs')\"); connection.commit(); connection.close()"
    )
    for count in (1, 2):
        subprocess.run([sys.executable, "-c", program, str(path)], check=True)
        assert kept.read("SELECT count(*) FROM t")[0][0] == count
    kept.close()
