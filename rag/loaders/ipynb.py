"""Jupyter notebooks: the Markdown of text cells, the source of code cells and what they printed."""

from __future__ import annotations

import json
from typing import Any

from rag.loaders import markdown
from rag.loaders.assemble import Assembly
from rag.loaders.charset import decoded
from rag.loaders.limits import damaged
from rag.types import Document

# Of what one cell printed: the rest of a long log says nothing about the notebook.
_LONGEST_OUTPUT = 2000


def load(path: str, data: bytes) -> Document:
    """A `Document` of the cells, in order (nbformat 4, and 3 with its worksheets). Raises DocumentError."""
    try:
        notebook = json.loads(decoded(path, data))
        cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise damaged(path, "a Jupyter notebook") from error
    assembly = Assembly(path)
    for cell in cells:
        kind = cell.get("cell_type")
        source = _text(cell.get("source", cell.get("input", "")))
        if kind == "heading":
            assembly.add(source, level=int(cell.get("level", 1)))
        elif kind == "code":
            assembly.add(source)
            for output in cell.get("outputs", ()):
                assembly.add(_printed(output)[:_LONGEST_OUTPUT])
        else:
            _add_markdown(assembly, source)
    title = notebook.get("metadata", {}).get("title")
    return assembly.document(title if isinstance(title, str) else None)


def _add_markdown(assembly: Assembly, source: str) -> None:
    cell = markdown.of_text(assembly.path, source)
    for block in cell.blocks:
        text = cell.text[block.start : block.end]
        assembly.add(block.heading[-1] if block.level and block.heading[-1] else text, block.level)


def _printed(output: dict[str, Any]) -> str:
    """An output as text; pictures and errors' coloured tracebacks say nothing."""
    if output.get("output_type") in ("error", "pyerr"):
        return f"{output.get('ename', '')}: {output.get('evalue', '')}"
    data = output.get("data", {})
    return _text(output.get("text") or data.get("text/markdown") or data.get("text/plain") or "")


def _text(value: Any) -> str:
    """nbformat keeps a text as a string or as a list of its lines."""
    return "".join(map(str, value)) if isinstance(value, list) else str(value)
