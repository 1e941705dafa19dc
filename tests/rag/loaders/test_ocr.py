"""Scanned pages become text where the extra for recognising them is installed."""

from __future__ import annotations

import io

import pytest
from made_documents import outline
from PIL import Image, ImageDraw, ImageFont

from rag.loaders import pdf


def scan(*lines: tuple[int, int, str]) -> bytes:
    """A PDF of one picture, 600 by 400 points, of these words: left and top in pixels at 144 dots per inch."""
    page = Image.new("L", (1200, 800), 255)
    draw = ImageDraw.Draw(page)
    for left, top, text in lines:
        draw.text((left, top), text, fill=0, font=ImageFont.load_default(32))
    stream = io.BytesIO()
    page.save(stream, "PDF", resolution=144)
    return stream.getvalue()


@pytest.mark.engine
def test_a_scan_is_recognised_its_table_included() -> None:
    pytest.importorskip("rapidocr", reason="the extra `ocr` is not installed")
    table = [(100, 400, "pump"), (600, 400, "drain"), (100, 450, "stove"), (600, 450, "birch")]
    document = pdf.load("a.pdf", scan((100, 100, "Drain the pump before frost."), *table))
    assert outline(document) == [(0, "Drain the pump before frost."), (0, "pump | drain\nstove | birch")]
    assert document.notes == ("a.pdf was recognised, perhaps with mistakes, from pictures on page 1",)
