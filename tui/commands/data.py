"""`fireside data`: training data: prepared, looked at as the model will see it, and made of conversations."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands.actions import add_action
from tui.commands.data_docs import add_from_docs
from tui.commands.data_sources import add_sources, reading
from tui.commands.data_tokenizer import add_tokenizer
from tui.console import emit, note, say

if TYPE_CHECKING:
    from finetune.data.prepare import Preparation
    from finetune.data.preview import Piece
    from finetune.data.report import StepReport


def add_parser(subparsers: Any) -> None:
    """Add `data` and its actions to the command line."""
    parser = subparsers.add_parser(
        "data", help="training data: prepare, preview, from-chats, from-docs, tokenizer", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    prepare = add_action(
        actions, "prepare", _prepare, "read, clean, mix and split data, and say what became of each row"
    )
    add_sources(prepare)
    prepare.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="where to write (default: only report)")
    prepare.add_argument("--language", action="append", default=[], metavar="CODE", help="keep this language; repeat")
    prepare.add_argument("--shortest", type=int, default=1, metavar="N", help="fewest characters to learn (default 1)")
    prepare.add_argument("--longest", type=int, default=200_000, metavar="N", help="most characters of a row")
    prepare.add_argument(
        "--near", type=_share, default=None, metavar="0..1", help="how alike near copies are; 1 keeps them"
    )
    prepare.add_argument(
        "--personal", choices=("mask", "drop", "keep"), default="mask", help="what becomes of personal data"
    )
    prepare.add_argument("--evaluation", type=Path, metavar="FILE", help="rows that must not be trained on")
    prepare.add_argument(
        "--weight", action="append", default=[], type=_weight, metavar="SOURCE=N", help="2: twice an epoch; 0.5: half"
    )
    prepare.add_argument(
        "--held-back", type=_share, default=0.1, metavar="SHARE", help="kept for measuring (default 0.1)"
    )
    preview = add_action(actions, "preview", _preview, "show the tokens, what is trained of them, lengths and odd rows")
    add_sources(preview)
    preview.add_argument(
        "--base", default="smollm2-135m", metavar="MODEL", help="whose tokens and template; a GGUF file or a folder"
    )
    preview.add_argument(
        "--template", metavar="NAME", help="another template: llama2, chatml, human-assistant, or a file"
    )
    preview.add_argument(
        "--max-length", type=int, default=1024, metavar="N", help="as training.max_length (default 1024)"
    )
    preview.add_argument("--show", type=int, default=3, metavar="N", help="examples shown whole (default 3)")
    add_tokenizer(actions)
    add_from_docs(actions)
    chats = add_action(
        actions, "from-chats", _from_chats, "write conversations as training data; without any, list them"
    )
    chats.add_argument("chats", nargs="*", type=int, metavar="ID", help="the conversations to learn from")
    chats.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write (default: stdout)")


def _prepare(options: argparse.Namespace) -> int:
    from finetune.data.prepare import prepare, report_json, write_prepared

    preparation = _preparation(options)
    told = _tell if not options.json else (lambda report: None)
    prepared = prepare(options.sources, preparation, told)
    report = write_prepared(options.output, prepared) if options.output else report_json(prepared)
    if options.json:
        emit(report)
        return 0
    say(
        f"{report['rows']} rows: {report['train']} to train on, {report['held_back']} held back, "
        f"{report['dropped']} dropped"
    )
    if options.output:
        note(
            f'written to {options.output}; a run takes it with data = "{options.output / "train.jsonl"}" and '
            f'held_back = "{options.output / "held_back.jsonl"}"'
        )
    else:
        note("nothing was written; --output FOLDER does that")
    return 0


def _preparation(options: argparse.Namespace) -> Preparation:
    """What the person asked for. Raises TrainingError."""
    from finetune.data.conversation import texts
    from finetune.data.dedup import THRESHOLD
    from finetune.data.prepare import Preparation, read_sources, source_names
    from fireside.errors import TrainingError, did_you_mean

    read = reading(options)
    names = source_names(options.sources)
    for source, _ in options.weight:
        if source not in names:
            raise TrainingError(
                f"there is no source {source!r} to weigh", did_you_mean(source, names, f"sources: {', '.join(names)}")
            )
    items: list[str] = []
    if options.evaluation:
        rows, _ = read_sources([str(options.evaluation)], Preparation())
        items = [text for row in rows if row.dropped is None for text in texts(row)]
    near = THRESHOLD if options.near is None else options.near
    return Preparation(
        form=read.form,
        fields=read.fields,
        limit=read.limit,
        languages=tuple(options.language),
        shortest=options.shortest,
        longest=options.longest,
        near=None if near >= 1 else near,
        personal=options.personal,
        evaluation=tuple(items),
        weights=dict(options.weight),
        held_back=options.held_back,
    )


def _tell(report: StepReport) -> None:
    """One line for a step, and a few rows it dropped."""
    parts = [f"{report.kept} of {report.entered} kept"]
    if report.changed:
        parts.append(f"{report.changed} changed")
    parts += [f"{count} dropped: {reason}" for reason, count in report.dropped.items()]
    parts += [f"{count} tagged {tag}" for tag, count in report.tagged.items()]
    note(f"{report.step}: {', '.join(parts)}")
    for rows in report.examples.values():
        for row in rows:
            note(f"    {row}")


def _preview(options: argparse.Namespace) -> int:
    from finetune.base import find_base
    from finetune.data.prepare import read_sources
    from finetune.data.preview import preview
    from finetune.data.templates import template_named
    from finetune.examples import check_template
    from finetune.vocabulary import open_vocabulary
    from tui.data_text import figures

    rows, report = read_sources(options.sources, reading(options))
    vocabulary = open_vocabulary(find_base(options.base))
    try:
        if options.template:
            vocabulary.chat_template = template_named(options.template)
        check_template(vocabulary, [row for row in rows if row.dropped is None])
        seen = preview(rows, vocabulary, options.max_length, options.show)
    finally:
        vocabulary.free()
    if options.json:
        emit(seen.as_json() | {"broken": report.examples.get("broken", [])})
        return 0
    colour = sys.stdout.isatty()
    for shown in seen.shown:
        say(f"--- {shown.where}: {shown.tokens} tokens, {shown.trained} trained, {shown.cut} cut off")
        sys.stdout.write("".join(_piece(piece, colour) for piece in shown.pieces) + "\n")
    say("\n".join(figures(seen)))
    for row in report.examples.get("broken", []):
        note(row)
    broken, named = report.dropped.get("broken", 0), len(report.examples.get("broken", []))
    if broken > named:
        note(f"and {broken - named} more rows are broken")
    return 0


def _piece(piece: Piece, colour: bool) -> str:
    """A piece for a person: what is trained stands out, in green or between brackets."""
    from fireside.text import for_terminal

    text = for_terminal(piece.text)
    if not colour:
        return f"[[{text}]]" if piece.trained else text
    code = ("32" if piece.trained else "2") + (";7" if piece.mark == "end" else ";1" if piece.mark else "")
    return f"\x1b[{code}m{text}\x1b[0m"


def _from_chats(options: argparse.Namespace) -> int:
    import json

    from finetune.data.chats import from_chat
    from finetune.data.conversation import as_json
    from fireside import atomic, paths
    from fireside.conversations.store import ConversationStore
    from fireside.errors import TrainingError

    store = ConversationStore(paths.conversations_database())
    try:
        if not options.chats:
            found = store.conversations()
            if options.json:
                emit([{"id": chat.id, "title": chat.title} for chat in found])
                return 0
            for chat in found:
                say(f"{chat.id}  {chat.title}")
            note("name those to learn from: fireside data from-chats ID ... -o chats.jsonl")
            return 0
        rows = []
        for number in dict.fromkeys(options.chats):
            chat = store.get(number)
            row = from_chat(chat, store.path(chat.head) if chat.head is not None else [])
            if row is None:
                raise TrainingError(f"the conversation {number} has no whole reply to learn from", "leave it out")
            rows.append(row)
    finally:
        store.close()
    lines = "".join(json.dumps(as_json(row), ensure_ascii=False) + "\n" for row in rows)
    if options.output:
        atomic.write_text(options.output, lines)
        if options.json:
            emit({"conversations": len(rows), "file": str(options.output)})
        else:
            note(f"{len(rows)} conversations written to {options.output}")
    else:
        for row in rows:
            emit(as_json(row))
    return 0


def _weight(text: str) -> tuple[str, float]:
    source, _, number = text.rpartition("=")
    try:
        weight = float(number)
    except ValueError:
        weight = -1.0
    if not source or not 0 <= weight <= 100:
        raise argparse.ArgumentTypeError("write it as SOURCE=N, N from 0 to 100")
    return source, weight


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError("give a number above 0 and at most 1")
    return share
