"""`fireside models`: which chat models there are."""

from __future__ import annotations

import argparse
from typing import Any

from tui.commands.actions import add_action
from tui.console import emit, say


def add_parser(subparsers: Any) -> None:
    """Add the `models` subcommand."""
    parser = subparsers.add_parser("models", help="the chat models on this machine")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add_action(actions, "list", show_list, "the bundled model and the GGUF files in the models folder")
    show = add_action(actions, "show", show_model, "what a model file says of itself")
    show.add_argument("name", metavar="NAME", help="a model's name, or the path of a GGUF file")


def show_list(options: argparse.Namespace) -> int:
    """Print every model with its size and source."""
    from fireside.models.catalog import models

    found = models()
    if options.json:
        emit([{"name": each.name, "path": str(each.path), "source": each.source, "size": each.size} for each in found])
        return 0
    width = max(len(each.name) for each in found)
    for each in found:
        say(f"{each.name:<{width}}  {each.size / 1e6:8.0f} MB  {each.source}")
    return 0


def show_model(options: argparse.Namespace) -> int:
    """Print a model file's header: architecture, context, size, licence, tensors."""
    from fireside.models.catalog import find
    from fireside.models.gguf_header import read_header

    model = find(options.name)
    header = read_header(model.path)
    architecture = header.text("general.architecture")
    facts = {
        "name": model.name,
        "path": str(model.path),
        "size": model.size,
        "architecture": architecture,
        "trained_context": header.metadata.get(f"{architecture}.context_length"),
        "layers": header.metadata.get(f"{architecture}.block_count"),
        "license": header.text("general.license") or None,
        "chat_template": bool(header.text("tokenizer.chat_template")),
        "tensors": len(header.tensors),
    }
    if options.json:
        emit(facts)
        return 0
    for key, value in facts.items():
        say(f"{key.replace('_', ' '):<16} {value}")
    return 0
