"""The words of document search: a document of blocks, chunks of it, passages found, and citations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """A paragraph, list item, table or heading: `text == document.text[start:end]`.

    page: 1-based where the format has pages. heading: titles from the outermost to the nearest, this block's own
    included where it is a heading (`level` 1 to 6, else 0). line: 1-based, of the file, where its text is the file's
    own.
    """

    start: int
    end: int
    page: int | None = None
    heading: tuple[str, ...] = ()
    level: int = 0
    line: int | None = None


@dataclass(frozen=True)
class Document:
    """A file's extracted text and its blocks, in order. For plain text and Markdown, `text` is the file's own text
    with newlines untranslated. notes: what was left out of it (pages without text, members that cannot be read), a
    line each."""

    path: str
    title: str
    text: str
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """A stretch of a document that is embedded and indexed as one: `text == document.text[start:end]`."""

    start: int
    end: int
    text: str
    page: int | None
    heading: tuple[str, ...]


@dataclass(frozen=True)
class Passage:
    """A chunk that a search found. `score` is the fused score in [0, 1]; `similarity` the cosine to the question;
    `bm25` the full-text score (higher is better, 0 where no word matched); `rerank` a reranker's score in [0, 1], which
    then orders the passages, None where there is no reranker."""

    document: str
    title: str
    start: int
    end: int
    text: str
    page: int | None
    heading: tuple[str, ...]
    score: float
    similarity: float
    bm25: float
    rerank: float | None = None


@dataclass(frozen=True)
class Citation:
    """A numbered source of a reply. `quote` equals the document's text from `start` to `end`; `verified` says that the
    sentence citing it is supported there."""

    marker: int
    document: str
    start: int
    end: int
    page: int | None
    heading: tuple[str, ...]
    quote: str
    verified: bool
