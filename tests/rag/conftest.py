"""An encoder without weights, and a library that uses it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fireside.encoder import DIMENSION, BundledEncoder
from rag.library import Library
from rag.loaders.formats import read_document
from rag.reader import Reader

if TYPE_CHECKING:
    from fireside.encoder import Vectors


class BagOfWords(BundledEncoder):
    """Each word is a direction, a text their sum: texts that share words are near. Counts what it encodes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Vectors:
        self.encoded += texts
        vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()) or [""]:
                vectors[row, zlib.crc32(word.encode("utf-8", "surrogatepass")) % DIMENSION] += 1
            vectors[row] /= np.linalg.norm(vectors[row])
            if progress:
                progress(row + 1, len(texts))
        return vectors

    def words(self, text: str) -> list[tuple[int, int, int]]:
        return [(*match.span(), 1 + len(match.group()) // 5) for match in re.finditer(r"\w+|[^\w\s]", text)]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [sum(count for _, _, count in self.words(text)) for text in texts]


@pytest.fixture
def encoder() -> BagOfWords:
    return BagOfWords()


@pytest.fixture
def library(tmp_path: Path, encoder: BagOfWords) -> Iterator[Library]:
    folder = tmp_path / "home" / "libraries" / "cabin"
    folder.mkdir(parents=True)
    library = Library(folder, encoder)
    yield library
    library.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three small documents."""
    folder = tmp_path / "papers"
    (folder / "deep").mkdir(parents=True)
    (folder / "rules.md").write_text(
        "# Cabin\n\n## Fire\n\nThe stove takes birch wood only.\n\n## Water\n\nDrain the pump before frost.\n"
    )
    (folder / "boat.txt").write_text("The boat holds four people.\n\nIts keys hang by the door.\n")
    (folder / "deep" / "birds.html").write_text("<h1>Birds</h1><p>An owl nests in the barn.</p>")
    return folder


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in this process, which saves a second: `test_reader.py` is about the process they are read in."""
    monkeypatch.setattr(Reader, "read", lambda self, path: read_document(path))
