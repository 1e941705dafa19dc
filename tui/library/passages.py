"""What the library screen shows of documents, passages and hits: Rich texts from the library's types, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from fireside.text import for_terminal, for_terminal_line
from rag.types import Chunk, Document, Passage

AROUND = 600
"""Characters of the document shown before and behind a hit."""
MOST_CHUNKS = 200
"""Passages of a document shown at once; a book of more would keep the screen busy."""


def place(page: int | None, line: int | None, heading: Sequence[str]) -> str:
    """Where something lies, `page 3 · line 12 · Care > Chimney`; what the format does not know is left out."""
    parts = [f"page {page}"] * (page is not None) + [f"line {line}"] * (line is not None)
    parts += [" > ".join(heading)] * bool(heading)
    return for_terminal_line(" · ".join(parts), 200)


def line_of(document: Document, start: int) -> int | None:
    """The line of the file at `start`, 1-based, where the document's text has the file's own lines."""
    block = next((each for each in reversed(document.blocks) if each.start <= start), None)
    if block is None:
        return 1 if document.blocks and document.blocks[0].line is not None else None
    if block.line is None:
        return None
    return block.line + document.text.count("\n", block.start, start)


def cut_document(document: Document, chunks: Sequence[Chunk]) -> Text:
    """The document as it is cut: each passage below a line that tells its number, length and place."""
    shown = Text()
    shown.append(for_terminal_line(document.title, 200) + "\n", "bold")
    for note in document.notes:
        shown.append(f"{for_terminal_line(note, 300)}\n", "italic")
    for number, chunk in enumerate(chunks[:MOST_CHUNKS], start=1):
        where = place(chunk.page, line_of(document, chunk.start), chunk.heading)
        told = f"── {number} of {len(chunks)} · {chunk.end - chunk.start:,} characters"
        shown.append(f"\n{told}{f' · {where}' if where else ''}\n", "dim")
        shown.append(for_terminal(chunk.text) + "\n")
    if len(chunks) > MOST_CHUNKS:
        shown.append(f"\n{len(chunks) - MOST_CHUNKS:,} more passages; search for what is in them", "dim")
    return shown


def ordering_score(hit: Passage) -> float:
    """The score in [0, 1] that the hits are ordered by: the reranker's where there is one, else the fused score."""
    return hit.score if hit.rerank is None else hit.rerank


def explained_hit(document: Document, hit: Passage, rank: int, hits: int) -> Text:
    """Why a passage was found, and the passage in its context."""
    shown = Text()
    where = place(hit.page, line_of(document, hit.start), hit.heading)
    shown.append(for_terminal_line(hit.title, 200), "bold")
    shown.append(f"\n{where}\n" if where else "\n", "dim")
    reranked = f"reranker {hit.rerank:.3f} of 1 · " if hit.rerank is not None else ""
    shown.append(f"\n{rank} of {hits} · {reranked}fused score {hit.score:.3f} of 1\n")
    shown.append(f"  meaning  cosine {hit.similarity:.3f} to the question\n")
    words = f"BM25 {hit.bm25:.2f}" if hit.bm25 > 0 else "none of the question's words"
    shown.append(f"  words    {words}\n\n")
    before, behind = max(hit.start - AROUND, 0), min(hit.end + AROUND, len(document.text))
    shown.append(("…" if before else "") + for_terminal(document.text[before : hit.start]), "dim")
    shown.append(for_terminal(document.text[hit.start : hit.end]), "reverse")
    shown.append(for_terminal(document.text[hit.end : behind]) + ("…" if behind < len(document.text) else ""), "dim")
    return shown
