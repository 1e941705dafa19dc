"""Markdown: headings, paragraphs, list items, tables and code, as spans of the file's own text."""

from __future__ import annotations

import re

from rag.loaders.assemble import HeadingPath, title_of, with_lines
from rag.loaders.charset import decoded
from rag.loaders.plain import Line, lines_of
from rag.sentences import trimmed
from rag.types import Block, Document

# CommonMark 0.31: ATX headings (4.2), setext headings (4.3), fenced code (4.5), list items (5.2).
_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|\Z)")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*\Z")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]+|\Z)")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})\Z")
_FRONT_MATTER_TITLE = re.compile(r"title:[ \t]*(.+)", re.IGNORECASE)
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()\s]*(?:[ \t]+\"[^\"]*\")?\)|\[[^\[\]]*\])")
_EMPHASIS = re.compile(r"(\*{1,3}|_{2,3}|`+)(?=\S)(.+?)(?<=\S)\1")


def load(path: str, data: bytes) -> Document:
    """A `Document` whose text is the file's own, newlines untranslated. Raises DocumentError for a binary file."""
    return of_text(path, decoded(path, data))


def of_text(path: str, text: str) -> Document:
    """A `Document` of this text."""
    lines = list(lines_of(text))
    blocks: list[Block] = []
    title, first = _front_matter(lines, blocks)
    headings = HeadingPath()
    open_block: list[Line] = []
    fence = ""

    def close() -> None:
        if open_block:
            start, end = trimmed(text, open_block[0].start, open_block[-1].end)
            blocks.append(Block(start, end, None, headings.path))
            open_block.clear()

    def heading(name: str, level: int, start: int, end: int) -> None:
        headings.enter(heading_text(name), level)
        begin, stop = trimmed(text, start, end)
        blocks.append(Block(begin, stop, None, headings.path, level))

    for line in lines[first:]:
        if fence:
            open_block.append(line)
            if line.text.strip() and not line.text.strip().strip(fence[0]) and len(line.text.strip()) >= len(fence):
                fence = ""
                close()
            continue
        opening = _FENCE.match(line.text)
        if opening:
            close()
            open_block.append(line)
            fence = opening.group(1)
        elif not line.text.strip():
            close()
        elif atx := _ATX.match(line.text):
            close()
            heading(_without_closing_hashes(line.text[atx.end() :]), len(atx.group(1)), line.start, line.end)
        elif open_block and _plain_paragraph(open_block) and (underline := _SETEXT.match(line.text)):
            name, start = " ".join(part.text.strip() for part in open_block), open_block[0].start
            open_block.clear()
            heading(name, 1 if underline.group(1)[0] == "=" else 2, start, line.end)
        elif _RULE.match(line.text):
            close()
        else:
            if open_block and _ITEM.match(line.text):
                close()
            open_block.append(line)
    close()
    blocks = [block for block in blocks if block.start < block.end]
    return Document(path, title or title_of(path, blocks), text, with_lines(text, blocks))


def heading_text(source: str) -> str:
    """A heading as a person reads it: without emphasis marks, code marks and link targets."""
    text = _LINK.sub(r"\1", source[:1000])
    return " ".join(_EMPHASIS.sub(r"\2", text).split())


def _without_closing_hashes(name: str) -> str:
    """`name ##` is `name`, but `C#` stays (CommonMark 4.2)."""
    bare = name.rstrip().rstrip("#")
    return bare.strip() if not bare or bare[-1] in " \t" else name.strip()


def _front_matter(lines: list[Line], blocks: list[Block]) -> tuple[str | None, int]:
    """The title that YAML front matter gives, and the index of the line behind it; it is kept as one block."""
    if not lines or lines[0].text.rstrip() != "---":
        return None, 0
    for index, line in enumerate(lines[1:200], start=1):
        if line.text.rstrip() in ("---", "..."):
            inner = lines[1:index]
            if inner:
                blocks.append(Block(inner[0].start, inner[-1].end))
            found = next((match for part in inner if (match := _FRONT_MATTER_TITLE.match(part.text))), None)
            return (found.group(1).strip().strip("\"'") or None) if found else None, index + 1
        if not line.text.strip():
            break
    return None, 0


def _plain_paragraph(lines: list[Line]) -> bool:
    """Whether an underline below these lines makes them a heading: not below a list item, a table or a quote."""
    return len(lines) <= 3 and not _ITEM.match(lines[0].text) and not lines[0].text.lstrip().startswith((">", "|"))
