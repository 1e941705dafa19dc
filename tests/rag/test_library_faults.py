"""Libraries whose program is killed, whose disk is full, whose index is damaged, or that two programs use at once."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rag import ingest, store
from rag.doctor import examine
from rag.library import Library

CHUNK_TOKENS = 60
FILES = 15
SECONDS = 120.0
WORDS = "stove birch pump frost owl barn boat key lake path roof snow lamp wick bread salt rope sail mast oar"

# A program of its own that does to the library what each line of its input says, and answers each with one line.
PROGRAM = f"""
import json, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import BagOfWords
from fireside.errors import FiresideError
from rag import ingest
from rag.library import Library

library = Library(Path(sys.argv[1]), BagOfWords())
print("ready", flush=True)
for line in sys.stdin:
    action, argument = json.loads(line)
    try:
        if action == "sync":
            ingest.sync(library, [argument], {CHUNK_TOKENS}, told=lambda each: print("told", each.document, flush=True))
            print("done", flush=True)
        else:
            print(json.dumps([found.text for found in library.search(argument, 20)]), flush=True)
    except FiresideError as error:
        print("error", error.message, flush=True)
"""

Contents = dict[str, list[tuple[Any, ...]]]
"""By path: the document's own row, then a row a chunk with all that belongs to it."""


@contextmanager
def other_program(folder: Path, file_size: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """The program on the library in `folder`, ready for its first line. file_size: the largest file it may write."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        if file_size is not None:
            resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (file_size, file_size))
        try:
            yield program
        finally:
            program.kill()


def ask(program: subprocess.Popen[str], action: str, argument: str) -> None:
    assert program.stdin is not None
    program.stdin.write(json.dumps([action, argument]) + "\n")
    program.stdin.flush()


def answered(program: subprocess.Popen[str]) -> tuple[str, list[str]]:
    """The answer to the last line, and the paths told before it; an empty answer where the program has ended."""
    assert program.stdout is not None
    told = []
    while (line := program.stdout.readline()).startswith("told "):
        told.append(line.removeprefix("told ").removesuffix("\n"))
    return line.removesuffix("\n"), told


def contents(library: Library) -> Contents:
    """Everything the record holds, without the numbers of its rows."""
    with store.opened(library.database) as database:
        found: Contents = {
            path: [(title, text, blocks)]
            for path, title, text, blocks in database.read("SELECT path, title, text, blocks FROM documents")
        }
        for path, *row in database.read(
            "SELECT path, start, stop, page, heading, context, body, vectors.vector FROM chunks "
            "JOIN documents ON documents.id = chunks.document LEFT JOIN full_text ON full_text.rowid = chunks.id "
            "LEFT JOIN vectors ON vectors.id = chunks.embedding ORDER BY path, start"
        ):
            found[path].append(tuple(row))
    return found


def write(file: Path, drawn: random.Random) -> None:
    """A new version of a document: a few sections of random words."""
    sections = (
        f"## Part {part}\n\n{' '.join(drawn.choices(WORDS.split(), k=40))}.\n" for part in range(drawn.randint(1, 12))
    )
    file.write_text(f"# {file.stem} {drawn.random()}\n\n" + "\n".join(sections))


def papers(work: Path, drawn: random.Random) -> Path:
    folder = work / "papers"
    folder.mkdir()
    for number in range(FILES):
        write(folder / f"{number}.md", drawn)
    return folder


def faults(library: Library) -> list[str]:
    """What is wrong with the library, but for a vector index that a search brings into line."""
    return [
        f"{finding.check}: {finding.found}"
        for finding in examine(library, CHUNK_TOKENS)
        if finding.state == "fault" and finding.check != "vector index"
    ]


def not_whole(library: Library, before: Contents, after: Contents, told: list[str]) -> list[str]:
    """Documents that are neither as they were nor as they are to be, and committed ones that are lost."""
    now = contents(library)
    found = [f"half there: {path}" for path in now if now[path] not in (before.get(path), after.get(path))]
    found += [f"told and lost: {path}" for path in told if now.get(path) != after.get(path)]
    found += [f"lost: {path}" for path in before.keys() & after.keys() - now.keys()]
    return found + faults(library)


def check_kills(encoder: Any, seed: int, count: int, work: Path) -> list[str]:
    """A program killed at random moments of its ingests; what is found wrong when the library is opened again."""
    drawn = random.Random(seed)
    folder = papers(work, drawn)
    reference, library = Library(work / "reference", encoder), Library(work / "killed", encoder)
    began = time.monotonic()
    ingest.sync(reference, [folder], CHUNK_TOKENS)
    longest = time.monotonic() - began
    found = []
    for number in range(count):
        if number % 5 == 0:
            shutil.rmtree(library.folder, ignore_errors=True)
        for file in drawn.sample(sorted(folder.iterdir()), 8):
            write(file, drawn)
        ingest.sync(reference, [folder], CHUNK_TOKENS)
        before = contents(library)
        with other_program(library.folder) as program:
            ask(program, "sync", str(folder))
            try:
                program.wait(timeout=drawn.uniform(0, longest))
            except subprocess.TimeoutExpired:
                program.send_signal(signal.SIGKILL)
            told = answered(program)[1]
        found += [f"kill {number}: {each}" for each in not_whole(library, before, contents(reference), told)]
        texts = {row[5] for rows in contents(library).values() for row in rows[1:]}
        if not {passage.text for passage in library.search("birch owl", 9)} <= texts:
            found.append(f"kill {number}: a search finds what is not there")
        library.close()
    ingest.sync(library, [folder], CHUNK_TOKENS)
    if contents(library) != contents(reference):
        found.append("the next sync does not make it whole")
    found += [finding.found for finding in examine(library, CHUNK_TOKENS) if finding.state == "fault"]
    library.close()
    reference.close()
    return found


def check_full_disk(encoder: Any, seed: int, count: int, work: Path) -> list[str]:
    """A limit on the size of files fails a write at a random moment, as a full disk does."""
    drawn = random.Random(seed)
    folder = papers(work, drawn)
    reference = Library(work / "reference", encoder)
    ingest.sync(reference, [folder], CHUNK_TOKENS)
    after = contents(reference)
    found = []
    for number in range(count):
        with closing(Library(work / f"full-{number}", encoder)) as library:
            with other_program(library.folder, file_size=drawn.randint(1, 700) * 1000) as program:
                ask(program, "sync", str(folder))
                answer, told = answered(program)
                _, complaints = program.communicate()
            if answer != "done" and not answer.startswith("error "):
                found.append(f"disk {number}: ended without a word: {complaints[-300:]}")
            found += [f"disk {number}: {each}" for each in not_whole(library, {}, after, told)]
            ingest.sync(library, [folder], CHUNK_TOKENS)
            if contents(library) != after or any(each.state == "fault" for each in examine(library, CHUNK_TOKENS)):
                found.append(f"disk {number}: not whole once there is room")
    reference.close()
    return found


def check_damage(encoder: Any, seed: int, count: int, work: Path) -> list[str]:
    """Files of the Chroma folder cut off, changed, emptied or deleted: every search finds what is asked for."""
    drawn = random.Random(seed)
    work.mkdir(exist_ok=True)
    # Beyond 1,000 vectors Chroma writes HNSW files, which it reads without a check.
    sections = 1200 if count > 10 else 50
    texts = [f"word{number} {' '.join(drawn.choices(WORDS.split(), k=8))}" for number in range(sections)]
    (work / "long.md").write_text("".join(f"# n{number}\n\n{text}\n\n" for number, text in enumerate(texts)))
    folder = work / "damaged"
    with closing(Library(folder, encoder)) as library:
        ingest.add(library, [work / "long.md"], CHUNK_TOKENS)
    found = []
    for number in range(count):
        file = drawn.choice(sorted(file for file in (folder / "chroma").rglob("*") if file.is_file()))
        _damage(file, drawn)
        with other_program(folder) as program:
            wanted = drawn.choice(texts)
            ask(program, "search", wanted)
            answer, _ = answered(program)
        # Of the rest, an index of approximate neighbours may name others each time it is made.
        hits = json.loads(answer) if answer.startswith("[") else [answer or "the program died"]
        if hits[0] != wanted or len(hits) != 20 or not set(hits) <= set(texts):
            found.append(f"damage {number} to {file.name}: for {wanted!r} {hits[:3]}")
        with closing(Library(folder, encoder)) as library:
            found += [
                f"damage {number}: {each.found}" for each in examine(library, CHUNK_TOKENS) if each.state == "fault"
            ]
    return found


def _damage(file: Path, drawn: random.Random) -> None:
    size = file.stat().st_size
    match drawn.choice(["cut", "changed", "deleted", "folder"]):
        case "cut":
            os.truncate(file, drawn.randrange(size) if size else 0)
        case "changed":
            with file.open("r+b") as stream:
                stream.seek(drawn.randrange(size) if size else 0)
                stream.write(drawn.randbytes(drawn.choice([1, 100, 5000])))
        case "deleted":
            file.unlink()
        case "folder":
            shutil.rmtree(file.parent)


def check_two_programs(encoder: Any, seed: int, count: int, work: Path) -> list[str]:
    """One program changes the library; another has it open, searches all the time, and sees each change once told."""
    drawn = random.Random(seed)
    work.mkdir(exist_ok=True)
    folder = work / "notes"
    folder.mkdir()
    library = Library(work / "shared", encoder)
    library.documents()
    texts: dict[str, str] = {}
    ever: set[str] = set()
    found = []
    with other_program(library.folder) as program, ThreadPoolExecutor(1) as threads:
        for number in range(count):
            name = f"{drawn.randrange(6)}.md"
            if name in texts and drawn.random() < 0.4:
                (folder / name).unlink()
                del texts[name]
            else:
                # Words of its own, so that it is no near-duplicate of another.
                texts[name] = f"birch {' '.join(f'word{number}of{place}' for place in range(8))}"
                (folder / name).write_text(texts[name])
                ever.add(texts[name])
            ask(program, "sync", str(folder))
            answer = threads.submit(answered, program)
            while not answer.done():
                if not {passage.text for passage in library.search("birch", 20)} <= ever:
                    found.append(f"round {number}: half a document is found")
            if answer.result(SECONDS)[0] != "done":
                found.append(f"round {number}: {answer.result()}")
            seen = {passage.text for passage in library.search("birch", 20)}
            if seen != set(texts.values()):
                found.append(f"round {number}: found {sorted(seen)} of {sorted(texts.values())}")
    library.close()
    return found


def check_ingest(seed: int, count: int) -> list[str]:
    """All of these at their full count, in the data folder."""
    spec = importlib.util.spec_from_file_location("conftest", Path(__file__).parent / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    work = Path(os.environ["FIRESIDE_HOME"])
    found = []
    for check in (check_kills, check_full_disk, check_damage, check_two_programs):
        (work / check.__name__).mkdir()
        found += check(conftest.BagOfWords(), seed, count, work / check.__name__)
    return found


def test_kill_9_at_random_moments_of_an_ingest(encoder: Any, tmp_path: Path) -> None:
    assert check_kills(encoder, 1, 2, tmp_path) == []


def test_a_full_disk_at_random_moments_of_an_ingest(encoder: Any, tmp_path: Path) -> None:
    assert check_full_disk(encoder, 1, 1, tmp_path) == []


def test_a_damaged_vector_index_is_made_anew(encoder: Any, tmp_path: Path) -> None:
    assert check_damage(encoder, 1, 2, tmp_path) == []


def test_an_open_library_while_another_program_changes_it(encoder: Any, tmp_path: Path) -> None:
    assert check_two_programs(encoder, 1, 4, tmp_path) == []
