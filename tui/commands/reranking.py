"""The option `--rerank` of the commands that search libraries."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.search import Rerank


def add_rerank(parser: argparse.ArgumentParser) -> None:
    """Add the option to a command."""
    parser.add_argument(
        "--rerank",
        metavar="MODEL",
        help="order the best passages anew with this cross-encoder: a folder, or a name in the Hugging Face cache "
        "(default: the setting documents.reranker)",
    )


def chosen_reranker(options: argparse.Namespace) -> Rerank | None:
    """The reranker that the command line names, or else the settings; None where neither does."""
    from fireside.settings import load
    from rag.rerank import reranker

    return reranker(load().documents.reranker if options.rerank is None else options.rerank)
