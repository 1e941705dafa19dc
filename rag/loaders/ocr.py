"""Text recognition (OCR) for scanned pages, where the extra that brings it is installed."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from rag.loaders.pdf_layout import Line, joined

SECONDS = 80.0
"""How long one file's pages are recognised, at most: a page takes 2 to 10 s, and a file may take 120 s in all."""

# Pixels a point: 144 dots per inch, at which letters of 8 points are 16 pixels high.
_SCALE = 2.0
# A line recognised with less confidence than this is mostly a stamp, a picture or lines on top of each other.
_SURE = 0.7
_LARGER = 1.4


def recognised(pdf: Any, pages: Sequence[int], seconds: float = SECONDS) -> dict[int, list[Line]]:
    """The lines on these pages (1-based) of a pypdfium2 document, for as many as there is time for; empty where the
    extra is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from rapidocr import RapidOCR
        except ImportError:
            return {}
        engine = RapidOCR(params={"Global.log_level": "critical"})
    found: dict[int, list[Line]] = {}
    end = time.monotonic() + seconds
    for number in pages:
        if time.monotonic() > end:
            break
        page = pdf[number - 1]
        picture = page.render(scale=_SCALE).to_numpy()
        page.close()
        # Pages are upright as rendered; told to look, the engine turns short words over.
        result = engine(picture, use_cls=False)
        if result.boxes is not None and result.txts is not None:
            sure = [index for index, score in enumerate(result.scores) if score >= _SURE]
            boxes, texts = [result.boxes[index] for index in sure], [result.txts[index] for index in sure]
            if any(text.strip() for text in texts):
                found[number] = _lines(boxes, texts, len(picture))
    return found


def _lines(boxes: Sequence[Any], texts: Sequence[str], height: int) -> list[Line]:
    """Boxes of four corners, in pixels from the upper left, as lines from the top down; what stands side by side is
    one line, cells apart."""
    read = []
    for corners, text in zip(boxes, texts, strict=True):
        left, right = float(corners[:, 0].min()) / _SCALE, float(corners[:, 0].max()) / _SCALE
        top, bottom = float(corners[:, 1].min()), float(corners[:, 1].max())
        low = (height - bottom) / _SCALE
        read.append(Line(text, (text,), (bottom - top) / _SCALE, left, low, right, low))
    usual = median(line.size for line in read)
    # A box is as high as the letters in it happen to be: only a much higher one is of larger type.
    read = [replace(line, size=usual) if line.size < _LARGER * usual else line for line in read]
    read.sort(key=lambda line: -(line.bottom + line.size / 2))
    rows: list[list[Line]] = []
    for line in read:
        middle = line.bottom + line.size / 2
        if rows and abs(rows[-1][0].bottom + rows[-1][0].size / 2 - middle) < line.size / 2:
            rows[-1].append(line)
        else:
            rows.append([line])
    lines: list[Line] = []
    for row in rows:
        row.sort(key=lambda line: line.left)
        for index, line in enumerate(row):
            together = joined(lines[-1], line) if index else None
            lines[len(lines) - (together is not None) :] = [together or line]
    return lines
