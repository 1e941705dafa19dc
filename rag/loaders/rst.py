"""reStructuredText: sections as headings, paragraphs as blocks, as spans of the file's own text."""

from __future__ import annotations

from collections.abc import Sequence

from rag.loaders.assemble import HeadingPath, title_of, with_lines
from rag.loaders.charset import decoded
from rag.loaders.plain import Line, lines_of
from rag.sentences import trimmed
from rag.types import Block, Document

# What may underline a title (docutils' reStructuredText specification, "Sections").
_ADORNMENTS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_DEEPEST = 6
# docutils takes an underline shorter than its title from this length on.
_SHORTEST = 4


def load(path: str, data: bytes) -> Document:
    """A `Document` whose text is the file's own, newlines untranslated. Raises DocumentError for a binary file."""
    text = decoded(path, data)
    lines = list(lines_of(text))
    headings = HeadingPath()
    blocks: list[Block] = []
    styles: list[tuple[str, bool]] = []
    open_lines: list[Line] = []

    def close() -> None:
        if open_lines:
            start, end = trimmed(text, open_lines[0].start, open_lines[-1].end)
            blocks.append(Block(start, end, None, headings.path))
            open_lines.clear()

    index = 0
    while index < len(lines):
        used = 0 if open_lines else _title_lines(lines, index)
        if used:
            overlined = used == 3
            title = lines[index + 1 if overlined else index]
            style = (lines[index + used - 1].text[0], overlined)
            # A style's level is the order in which the styles first appear.
            if style not in styles:
                styles.append(style)
            level = min(styles.index(style) + 1, _DEEPEST)
            headings.enter(" ".join(title.text.split()), level)
            start, end = trimmed(text, lines[index].start, lines[index + used - 1].end)
            blocks.append(Block(start, end, None, headings.path, level))
            index += used
            continue
        line = lines[index]
        if line.text.strip():
            open_lines.append(line)
        else:
            # A line of punctuation alone between empty lines is a transition.
            if len(open_lines) == 1 and _adornment(open_lines[0].text):
                open_lines.clear()
            close()
        index += 1
    close()
    return Document(path, title_of(path, blocks), text, with_lines(text, blocks))


def _title_lines(lines: Sequence[Line], index: int) -> int:
    """How many lines from here on make a title: 3 with an overline, 2 with an underline, else 0."""
    texts = [line.text for line in lines[index : index + 3]] + ["", ""]
    if _adornment(texts[0]) and texts[1].strip() and texts[2].rstrip() == texts[0].rstrip():
        return 3
    title, underline = texts[0].rstrip(), texts[1].rstrip()
    if not title or title[0].isspace() or _adornment(title) or not _adornment(underline):
        return 0
    return 2 if len(underline) >= min(len(title), _SHORTEST) else 0


def _adornment(text: str) -> bool:
    """Whether a line is one punctuation mark, repeated (twice at least)."""
    text = text.rstrip()
    return len(text) > 1 and text[0] in _ADORNMENTS and text == text[0] * len(text)
