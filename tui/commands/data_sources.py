"""The options of `fireside data` that say which rows are read, and how."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finetune.data.prepare import Preparation

_SOURCES = "JSON, JSON lines, CSV, Parquet or text, or hf:OWNER/NAME[:SUBSET][@SPLIT], streamed from Hugging Face"
# What `finetune.data.map` knows; written down here because building the command line imports nothing.
_FORMATS = ("messages", "alpaca", "prompt-completion", "human-assistant", "preference", "kto", "text")


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add the sources, and the options that `reading` takes."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=_SOURCES)
    parser.add_argument("--format", choices=_FORMATS, help="what the rows are, where it is not to be told by itself")
    parser.add_argument(
        "--field", action="append", default=[], type=_pair, metavar="PART=NAME", help="a part's field, as prompt=frage"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="at most so many rows of each source")


def reading(options: argparse.Namespace) -> Preparation:
    """How the sources are read, and nothing more. Raises TrainingError."""
    from finetune.data.map import PARTS, Fields
    from finetune.data.prepare import Preparation
    from fireside.errors import TrainingError, did_you_mean

    for part, _ in options.field:
        if part not in PARTS:
            raise TrainingError(f"there is no part {part!r}", did_you_mean(part, PARTS, f"parts: {', '.join(PARTS)}"))
    return Preparation(form=options.format, fields=Fields(**dict(options.field)), limit=options.limit)


def positive(text: str) -> int:
    """An option's value: a whole number from 1."""
    if not text.isdecimal() or (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return number


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator and value):
        raise argparse.ArgumentTypeError("write it as PART=NAME")
    return name, value
