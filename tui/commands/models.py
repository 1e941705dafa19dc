"""`fireside models`: which chat models there are, what they need, and getting and removing them."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tui.commands.actions import add_action
from tui.console import Progress, emit, note, say

if TYPE_CHECKING:
    from fireside.models.catalog import ModelFile
    from fireside.models.describe import Description
    from fireside.models.hub import Hub, Listing
    from fireside.models.variants import Variant


def add_parser(subparsers: Any) -> None:
    """Add the `models` subcommand."""
    parser = subparsers.add_parser("models", help="the chat models on this machine: list, show, pull, remove")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add_action(actions, "list", show_list, "the bundled model, those in the models folder, and Ollama's")
    show = add_action(actions, "show", show_model, "what a model's files say of it, and what it needs")
    show.add_argument("name", metavar="NAME", help="a model's name, or the path of a GGUF file or a model folder")
    pull = add_action(actions, "pull", pull_model, "get a model from Hugging Face (or the hub at HF_ENDPOINT)")
    pull.add_argument(
        "model",
        metavar="hf:ORG/NAME[:FILE_OR_QUANT]",
        help="a repository, and which of its models; without, the largest quantisation that fits in memory",
    )
    pull.add_argument("--name", metavar="NAME", help="what to call it here (default: the file's name)")
    pull.add_argument(
        "--list", action="store_true", dest="only_list", help="show what the repository holds, get nothing"
    )
    remove = add_action(actions, "remove", remove_model, "delete a model from the models folder")
    remove.add_argument("name", metavar="NAME")


def show_list(options: argparse.Namespace) -> int:
    """Print every model with its size, what it is, the memory it needs, and its source."""
    from fireside.models.catalog import models

    found = [(model, _described(model)) for model in models()]
    if options.json:
        emit([_document(model, description) for model, description in found])
        return 0
    width = max(len(model.name) for model, _ in found)
    for model, description in found:
        say(f"{model.name:<{width}}  {model.size / 1e6:8.0f} MB  {_short(description)}  {model.source}")
    return 0


def show_model(options: argparse.Namespace) -> int:
    """Print what a model's files say of it."""
    from fireside.errors import ModelError
    from fireside.models.catalog import find

    model = find(options.name)
    description = _described(model)
    if description.problem and not description.architecture:
        raise ModelError(description.problem, "get it again, or choose another file")
    facts = _document(model, description)
    if options.json:
        emit(facts)
        return 0
    for key, value in facts.items():
        if value is not None:
            say(f"{key.replace('_', ' '):<16} {value}")
    return 0


def pull_model(options: argparse.Namespace) -> int:
    """Get a model, or the rest of one, with a progress line; say which of several was taken, and why."""
    import time

    from fireside.errors import ModelError
    from fireside.models import memory
    from fireside.models.hub import Hub
    from fireside.models.pull import listed
    from fireside.models.variants import chosen, parsed, variants

    wanted = parsed(options.model)
    with closing(Hub.from_environment()) as hub:
        listing = listed(hub, wanted, time.sleep)
        found = variants(listing)
        free = memory.free_memory()
        if options.only_list:
            _show_variants(found, free, options)
            return 0
        try:
            variant, reason = chosen(found, wanted, free)
        except ModelError:
            if not options.json and not wanted.choice:
                _show_variants(found, free, options)
            raise
        name = options.name or variant.name
        note(f"{variant.name}, {variant.size / 1e6:.0f} MB: {reason}")
        return _get(hub, listing, variant, name, reason, options)


def _get(hub: Hub, listing: Listing, variant: Variant, name: str, reason: str, options: argparse.Namespace) -> int:
    import time

    from fireside.models.download import Downloading
    from fireside.models.pull import kept_bytes, left_to_get, pull

    left, got = left_to_get(variant, name), 0
    if left < variant.size:
        note(f"{(variant.size - left) / 1e6:.0f} MB are here already")
    progress = Progress(variant.name, "MB")

    def came(count: int) -> None:
        nonlocal got
        got += count
        progress.update(max(got, 0) // 1_000_000, left // 1_000_000)

    try:
        model = pull(hub, listing, variant, name, Downloading(came, time.sleep))
    except KeyboardInterrupt:
        progress.finish()
        note(f"stopped; {kept_bytes(variant, name) / 1e6:.0f} MB are kept: the same command goes on from there")
        return 130
    finally:
        progress.finish()
    description = _described(model)
    if options.json:
        emit({**_document(model, description), "reason": reason, "bytes_received": got})
        return 0
    say(f"{model.name}: {_short(description)}")
    if description.problem or description.note:
        note(f"note: {description.problem or description.note}")
    return 0


def remove_model(options: argparse.Namespace) -> int:
    """Delete a model from the models folder."""
    from fireside.models.catalog import remove

    removed = remove(options.name)
    if options.json:
        emit({"removed": removed.name, "path": str(removed.path), "size": removed.size})
    else:
        say(f"removed {removed.name}, {removed.size / 1e6:.0f} MB")
    return 0


def _show_variants(found: list[Variant], free: int, options: argparse.Namespace) -> None:
    from fireside.models import memory

    if options.json:
        emit(
            [
                {
                    "name": each.name,
                    "quantisation": each.quantisation,
                    "kind": each.kind,
                    "size": each.size,
                    "memory_needed": memory.guessed(each.size),
                    "fits": memory.guessed(each.size) <= free,
                    "files": [file.path for file in each.files],
                }
                for each in found
            ]
        )
        return
    for each in found:
        fits = "fits" if memory.guessed(each.size) <= free else "does not fit"
        say(f"{each.quantisation or '?':<12} {each.size / 1e6:8.0f} MB  {fits:<12}  {each.name}")


def _described(model: ModelFile) -> Description:
    """With the context and the kind of KV cache that the settings name."""
    from fireside.settings import load
    from tui.models_screen.entries import described_here

    return described_here(load().model, model)


def _document(model: ModelFile, description: Description) -> dict[str, Any]:
    return {
        "name": model.name,
        "path": str(model.path),
        "source": model.source,
        "kind": model.kind,
        "size": model.size,
        "architecture": description.architecture,
        "parameters": description.parameters or None,
        "quantisation": description.quantisation or None,
        "trained_context": description.trained_context or None,
        "layers": description.layers or None,
        "license": description.license or None,
        "chat_template": description.chat_template,
        "tensors": description.tensors,
        "memory_needed": description.memory_needed or None,
        "fits": description.fits,
        "gpu_memory": None,  # unknown: llama.cpp tells only once it has loaded
        "problem": description.problem or None,
        "note": description.note or None,
    }


def _short(description: Description) -> str:
    """One line: parameters, quantisation, memory, or what is wrong."""
    from tui.models_screen.entries import parameters_text

    if description.problem:
        return f"not usable: {description.problem}"
    size = parameters_text(description.parameters)
    fits = "" if description.fits is not False else " (does not fit)"
    parts = [description.architecture, size, description.quantisation]
    needs = f"needs {description.memory_needed / 1e6:.0f} MB{fits}"
    return f"{' '.join(part for part in parts if part)}, {needs}"
