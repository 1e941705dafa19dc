"""Knowing which formats there are loads none of the libraries that read them."""

from __future__ import annotations

import subprocess
import sys

LIBRARIES_TEXT = "lxml bs4 docx pptx openpyxl oxmsg pypdfium2 rapidocr tree_sitter charset_normalizer numpy"


def test_the_table_of_formats_loads_no_parser() -> None:
    names = LIBRARIES_TEXT.split()
    program = f"import sys, rag.loaders.formats; print([name for name in {names!r} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
