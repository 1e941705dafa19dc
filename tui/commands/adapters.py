"""`fireside adapters`: lists, shows, imports and removes LoRA adapters."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands.actions import add_action
from tui.console import emit, note, say

if TYPE_CHECKING:
    from fireside.models.adapters import Card


def add_parser(subparsers: Any) -> None:
    """Add `adapters` and its actions to the command line."""
    parser = subparsers.add_parser(
        "adapters", help="fine-tuned adapters: list, show, import, remove", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add_action(actions, "list", _list, "list the adapters")
    show = add_action(actions, "show", _show, "show what an adapter was made for, of what, and how it did")
    show.add_argument("name", metavar="NAME")
    incoming = add_action(actions, "import", _import, "copy a GGUF LoRA adapter in")
    incoming.add_argument("file", type=Path, metavar="FILE.gguf")
    incoming.add_argument("--name", metavar="NAME", help="what to call it (default: the file's name)")
    remove = add_action(actions, "remove", _remove, "delete an adapter")
    remove.add_argument("name", metavar="NAME")


def _list(options: argparse.Namespace) -> int:
    from fireside.models.adapters import list_adapters, list_damaged

    cards, damaged = list_adapters(), list_damaged()
    if options.json:
        broken = [{"name": name, "problem": error.message, "hint": error.hint} for name, error in damaged]
        emit([*(_document(card) for card in cards), *broken])
        return 0
    if not cards and not damaged:
        note("there are no adapters yet; fireside tune run CONFIG.toml makes one")
    for card in cards:
        say(f"{card.name}  for {card.base_name or card.architecture}, {_verdict(card)}")
    for name, error in damaged:
        say(f"{name}  damaged: {error.message}; {error.hint}")
    return 0


def _show(options: argparse.Namespace) -> int:
    from fireside.models.adapters import find_adapter

    card = find_adapter(options.name)
    if options.json:
        emit({**card.details, **_document(card)})
        return 0
    say(f"{card.name}: {_verdict(card)}")
    say(f"for {card.base_name or 'an unnamed model'} ({card.architecture}), sha256 {card.base_sha256 or 'unknown'}")
    metrics, scores = card.details.get("metrics", {}), card.details.get("verify", {})
    for key in ("examples", "steps", "seconds", "eval_loss_before", "eval_loss_after"):
        if key in metrics:
            say(f"{key.replace('_', ' ')}: {metrics[key]}")
    if scores:
        from tui.tuning_text import verify_lines

        say("\n".join(verify_lines(scores)))
        if scores.get("reason"):
            say(f"refused because {scores['reason']}")
    return 0


def _import(options: argparse.Namespace) -> int:
    from fireside.models.adapters import import_adapter

    card = import_adapter(options.file, options.name or options.file.stem)
    if options.json:
        emit(_document(card))
    else:
        say(f"imported {card.name}, made for {card.base_name or card.architecture}")
        note(f"note: {card.note}")
    return 0


def _remove(options: argparse.Namespace) -> int:
    from fireside.models.adapters import remove_adapter

    remove_adapter(options.name)
    if options.json:
        emit({"removed": options.name})
    else:
        say(f"removed {options.name}")
    return 0


def _document(card: Card) -> dict[str, Any]:
    return {
        "name": card.name,
        "base": {"name": card.base_name, "sha256": card.base_sha256, "architecture": card.architecture},
        "verified": card.verified,
        "offered": card.offered,
    }


def _verdict(card: Card) -> str:
    return {True: "verified", False: "export refused, not offered", None: "imported, not checked here"}[card.verified]
