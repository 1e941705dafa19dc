"""PowerPoint (.pptx): each slide a page, its title a heading, its text, tables and notes below."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from rag.loaders import archive
from rag.loaders.assemble import Assembly
from rag.loaders.rows import plain_table
from rag.types import Document

if TYPE_CHECKING:
    from pptx.shapes.base import BaseShape

# What PowerPoint itself enters as a file's title.
_NO_TITLES = ("PowerPoint Presentation", "Presentation", "PowerPoint-Präsentation", "Présentation PowerPoint")


def load(path: str, data: bytes) -> Document:
    """A `Document` with the slide's number as the page; Strict Office Open XML, too.

    Raises DocumentError for an encrypted, damaged or oversized file, and whatever python-pptx raises on a broken one.
    """
    import pptx

    deck = pptx.Presentation(io.BytesIO(archive.transitional(path, data, "a PowerPoint presentation")))
    assembly = Assembly(path)
    for number, slide in enumerate(deck.slides, start=1):
        title = slide.shapes.title
        text = title.text_frame.text if title is not None else ""
        # A slide without a title gets one of its own: its text must not go under the title of the slide before.
        assembly.add(text.strip() or f"Slide {number}", level=1, page=number)
        for shape in _in_reading_order(slide.shapes):
            if title is None or shape.shape_id != title.shape_id:
                assembly.add(_text(shape), page=number)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            notes = slide.notes_slide.notes_text_frame.text.strip()
            assembly.add(f"Notes: {notes}" if notes else "", page=number)
    name = (deck.core_properties.title or "").strip()
    return assembly.document(name if name not in _NO_TITLES else None)


def _in_reading_order(shapes: Iterable[BaseShape]) -> Iterator[BaseShape]:
    """Shapes from the top down, then from the left; groups opened. A shape without a place of its own comes first."""
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        # Only a group has shapes of its own.
        inner: Any = getattr(shape, "shapes", None)
        if inner is not None:
            yield from _in_reading_order(inner)
        else:
            yield shape


def _text(shape: Any) -> str:
    """The text of one shape: its paragraphs, a table's rows, a chart's title and values."""
    if shape.has_text_frame:
        # A vertical tab is a line break within a paragraph.
        return str(shape.text_frame.text).replace("\v", "\n")
    if shape.has_table:
        return plain_table([[cell.text for cell in row.cells if not cell.is_spanned] for row in shape.table.rows])
    if shape.has_chart:
        return _chart(shape.chart)
    return ""


def _chart(chart: Any) -> str:
    lines = [chart.chart_title.text_frame.text] if chart.has_title and chart.chart_title.has_text_frame else []
    for plot in chart.plots:
        categories = [str(category) for category in plot.categories]
        for series in plot.series:
            values = ["no value" if value is None else f"{value:.15g}" for value in series.values]
            pairs = [f"{category} {value}" for category, value in zip(categories, values, strict=False)]
            lines.append(f"{series.name}: {', '.join(pairs or values)}")
    return "\n".join(lines)
