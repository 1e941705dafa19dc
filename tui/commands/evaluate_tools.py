"""`fireside eval tools`: scores of tool calls, on questions in the function-calling leaderboard's format."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside.errors import ToolError
from tui.at_once import each_of
from tui.commands.actions import add_action
from tui.console import Progress, emit, note, say

if TYPE_CHECKING:
    from agents.evaluate import Item, Outcome
    from fireside.models.types import ChatModel

_FORMAT = """\
QUESTIONS and ANSWERS are JSON lists or JSON lines, as the Berkeley Function-Calling Leaderboard has them: questions
{id, question: [[{role, content}]], function: [{name, description, parameters}]}, answers {id, ground_truth: [{NAME:
{PARAMETER: [accepted values]}}]}. The category is the id without its number; where it says irrelevance, no call is
right. Nothing is run."""


def add_tools_action(actions: Any) -> None:
    """Add `tools` to the actions of `fireside eval`."""
    tools = add_action(actions, "tools", run, "score tool calls on questions with accepted calls")
    tools.epilog = _FORMAT
    tools.formatter_class = argparse.RawDescriptionHelpFormatter
    tools.add_argument("questions", type=Path, metavar="QUESTIONS", help="the items, see below")
    tools.add_argument(
        "--answers", type=Path, metavar="ANSWERS", help="their accepted calls; not needed for irrelevance"
    )
    tools.add_argument("--limit", type=_count, metavar="N", help="the first N items of each category")
    tools.add_argument("--model", help="the model that is asked: a name or path, or remote:NAME")
    tools.add_argument(
        "--adapter", action="append", metavar="NAME[:SCALE]", help="apply a LoRA adapter; several together (repeatable)"
    )
    tools.add_argument("--no-grammar", action="store_true", help="let it write freely, not held to the schemas")
    tools.add_argument("--native", action="store_true", help="let a small model, too, choose among the tools itself")
    tools.add_argument(
        "--template", metavar="NAME", help="write prompts in this named form: chatml, llama2, human-assistant"
    )
    tools.add_argument("--at-once", type=_count, default=1, metavar="N", help="ask N items together")
    add_keep(tools)


def add_keep(parser: argparse.ArgumentParser) -> None:
    """Add `--keep` and `--no-keep`."""
    parser.add_argument("--keep", metavar="NAME", help="keep the result under this name (default: suite and time)")
    parser.add_argument("--no-keep", dest="keep", action="store_const", const="", help="do not keep the result")


def _count(text: str) -> int:
    """An option's value: a whole number from 1."""
    if not text.isdecimal() or (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return number


def run(options: argparse.Namespace) -> int:
    """Score every item; 0 if all could be asked."""
    from agents.evaluate import document_of, read_items, scores_of
    from fireside.evaluations import Evaluation, check_name, keep
    from fireside.settings import load

    check_name(options.keep)
    items = _limited(read_items(options.questions, options.answers), options.limit)
    if not items:
        raise ToolError(f"{options.questions} holds no items", "see fireside eval tools --help")
    outcomes = asyncio.run(_asked(options, items))
    scores = scores_of(outcomes)
    found = [document_of(outcome) for outcome in outcomes]
    model = "+".join([options.model or load().model.name, *(options.adapter or ())])
    kept = Evaluation("tools", str(options.questions), model, scores, found)
    name = keep(kept, options.keep) if options.keep != "" else None
    if options.json:
        emit({"suite": "tools", "scores": scores, "items": found, "kept": name})
        return 0
    _print_table(scores)
    if name:
        note(f"kept as {name}; /evals in the chat shows it beside others")
    for outcome in outcomes:
        if outcome.problem:
            note(f"{outcome.item.id}: {outcome.problem}")
    return 0


def _limited(items: Sequence[Item], limit: int | None) -> list[Item]:
    """The first `limit` items of each category."""
    if limit is None:
        return list(items)
    seen: dict[str, int] = {}
    kept = []
    for item in items:
        seen[item.category] = seen.get(item.category, 0) + 1
        if seen[item.category] <= limit:
            kept.append(item)
    return kept


async def _asked(options: argparse.Namespace, items: Sequence[Item]) -> list[Outcome]:
    """The outcomes, in the order of the items; `--at-once` of them are under way together."""
    from agents.evaluate import Asked, ask

    opened, adapters = await _model(options)
    model = Asked(opened, grammar=not options.no_grammar, native=options.native)
    try:
        return await each_of(
            items, lambda item: ask(item, model, adapters), options.at_once, Progress("asking", "items")
        )
    finally:
        await model.close()


async def _model(options: argparse.Namespace) -> tuple[ChatModel, tuple[Any, ...]]:
    """The model that the options name, and its adapters."""
    from fireside.models.adapters import SEPARATOR, resolve_all
    from fireside.settings import load
    from tui.models import open_for_evaluation

    settings = load()
    if options.template:
        from fireside.models.named_templates import NAMED

        if options.template not in NAMED:
            raise ToolError(f"there is no template called {options.template!r}", f"known: {', '.join(NAMED)}")
        settings = settings.model_copy(
            update={"model": settings.model.model_copy(update={"template": options.template})}
        )
    model = open_for_evaluation(settings, options.model, options.at_once)
    if not options.adapter:
        return model, ()
    info = await model.start()
    return model, resolve_all(SEPARATOR.join(options.adapter), info.sha256, info.architecture)


def _print_table(scores: dict[str, dict[str, float]]) -> None:
    """One line a category, one column a score."""
    columns = list(next(iter(scores.values())))
    first = max(map(len, scores))
    say("  ".join([" " * first, *columns]))
    for category, each in scores.items():
        cells = (_cell(name, each[name]).rjust(len(name)) for name in columns)
        say("  ".join([category.ljust(first), *cells]))


def _cell(name: str, value: float) -> str:
    return f"{value:.0f}" if name == "items" or name.endswith("_ms") else f"{value:.3f}"
