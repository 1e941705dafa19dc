"""Scans are told from text whether or not the extra for recognising them is installed."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def no_ocr(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra is not installed."""
    monkeypatch.setitem(sys.modules, "rapidocr", None)
