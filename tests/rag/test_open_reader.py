"""A library that stays open while another process adds and removes sees each of its commits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import pytest

from rag import full_text, ingest, store
from rag.library import Library

pytestmark = pytest.mark.usefixtures("read_here")

SHELL = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import BagOfWords
from rag import ingest
from rag.library import Library

library = Library(Path({library!r}), BagOfWords())
for line in sys.stdin:
    verb, name = line.split()
    if verb == "add":
        ingest.add(library, [name], 200)
    else:
        library.remove([name])
    print("done", flush=True)
library.close()
"""


def named_by_chroma(library: Library, word: str) -> list[str]:
    """The documents of all chunks that Chroma names, nearest first; those the record does not have as their ids."""
    with store.opened(library.database) as database:
        ids = library.index.nearest(database, library.encoder.encode([word])[0], 99)
        chunks = store.stored_chunks(database, ids)
    return [Path(chunks[each].document).name if each in chunks else str(each) for each in ids]


class Shell:
    """Another process with the library open, which adds and removes what it is told."""

    def __init__(self, orders: IO[str], answers: IO[str]) -> None:
        self.orders, self.answers = orders, answers

    def ask(self, verb: str, name: Path) -> None:
        print(verb, name, file=self.orders, flush=True)
        assert self.answers.readline() == "done\n"


@contextmanager
def shell_at(library: Library) -> Iterator[Shell]:
    program = SHELL.format(tests=str(Path(__file__).parent), library=str(library.folder))
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Shell(process.stdin, process.stdout)
        process.communicate()


def test_a_search_after_another_process_commits_sees_it(library: Library, folder: Path) -> None:
    ingest.add(library, [folder / "boat.txt"], 200)
    assert named_by_chroma(library, "boat") == ["boat.txt"]
    with shell_at(library) as shell:
        for _ in range(2):
            shell.ask("add", folder / "rules.md")
            assert sorted(named_by_chroma(library, "pump")) == ["boat.txt", "rules.md", "rules.md"]
            assert library.search("drain the pump", 1)[0].document == str(folder / "rules.md")
            shell.ask("remove", folder / "rules.md")
            assert named_by_chroma(library, "pump") == ["boat.txt"]
            assert [found.document for found in library.search("drain the pump", 9)] == [str(folder / "boat.txt")]
        # And what is done here is seen there: it removes a document that it has not added.
        ingest.add(library, [folder / "deep" / "birds.html"], 200)
        shell.ask("remove", folder / "deep" / "birds.html")
        assert named_by_chroma(library, "owl") == ["boat.txt"]


@pytest.mark.parametrize("stage", [(full_text, "candidates"), (full_text, "scores"), (store, "stored_chunks")])
def test_a_commit_between_the_stages_of_a_search_is_not_mixed_in(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch, stage: tuple[ModuleType, str]
) -> None:
    ingest.add(library, [folder], 200)
    before = library.search("drain the pump", 9)
    original, calls = getattr(*stage), []
    with shell_at(library) as shell:

        def overtaken(*arguments: Any) -> Any:
            calls.append(stage)
            if len(calls) == 1:
                shell.ask("remove", folder / "rules.md")
            return original(*arguments)

        monkeypatch.setattr(*stage, overtaken)
        found = library.search("drain the pump", 9)
        after = library.search("drain the pump", 9)
    assert [passage.document for passage in after].count(str(folder / "rules.md")) == 0
    assert found in (before, after)
