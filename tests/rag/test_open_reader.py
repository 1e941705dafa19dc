"""A library that stays open while another process adds and removes sees each of its commits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rag import ingest, store
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


def test_a_search_after_another_process_commits_sees_it(library: Library, folder: Path) -> None:
    ingest.add(library, [folder / "boat.txt"], 200)
    assert named_by_chroma(library, "boat") == ["boat.txt"]
    program = SHELL.format(tests=str(Path(__file__).parent), library=str(library.folder))
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None

        def ask(verb: str, name: Path) -> None:
            print(verb, name, file=shell.stdin, flush=True)
            assert shell.stdout is not None
            assert shell.stdout.readline() == "done\n"

        for _ in range(2):
            ask("add", folder / "rules.md")
            assert sorted(named_by_chroma(library, "pump")) == ["boat.txt", "rules.md", "rules.md"]
            assert library.search("drain the pump", 1)[0].document == str(folder / "rules.md")
            ask("remove", folder / "rules.md")
            assert named_by_chroma(library, "pump") == ["boat.txt"]
            assert [found.document for found in library.search("drain the pump", 9)] == [str(folder / "boat.txt")]
        # And what is done here is seen there: it removes a document that it has not added.
        ingest.add(library, [folder / "deep" / "birds.html"], 200)
        ask("remove", folder / "deep" / "birds.html")
        assert named_by_chroma(library, "owl") == ["boat.txt"]
        shell.communicate()
