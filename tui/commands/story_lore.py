"""`fireside story lore`, `summary` and `worn`: what goes with a story, shown and changed."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tui.commands.actions import add_action
from tui.console import emit, note, say

if TYPE_CHECKING:
    from fireside.models.types import ChatModel
    from fireside.stories.store import Story


def add_actions(actions: Any) -> None:
    """Add `lore`, `summary` and `worn` to the actions of `story`."""
    lore = add_action(actions, "lore", _lore, "the lorebook: list it, add an entry, import a file")
    lore.add_argument("name", metavar="NAME", help="the story")
    lore.add_argument("what", choices=("list", "add", "import", "remove"), help="what to do")
    lore.add_argument("subject", nargs="?", metavar="ENTRY|FILE", help="the entry's name; for import, the file")
    lore.add_argument("--text", default="", metavar="TEXT", help="what the model is shown")
    lore.add_argument(
        "--key", action="append", default=[], metavar="KEY", help="words, or /a regular expression/, that call it up"
    )
    lore.add_argument("--constant", action="store_true", help="always show it")
    summary = add_action(actions, "summary", _summary, "show or change the summary of what no longer fits")
    summary.add_argument("name", metavar="NAME", help="the story")
    summary.add_argument("--set", default=None, metavar="TEXT", help="your own summary in its place; '' clears it")
    summary.add_argument("--write", action="store_true", help="let the model sum up what no longer fits")
    summary.add_argument("--model", metavar="NAME", help="a model of `fireside models list`, a path, or remote:NAME")
    worn = add_action(actions, "worn", _worn, "phrases that the story says again and again")
    worn.add_argument("name", metavar="NAME", help="the story")
    worn.add_argument("--least", type=int, default=3, metavar="N", help="said at least so often (default 3)")


def _lore(options: argparse.Namespace) -> int:
    from fireside.errors import FiresideError
    from fireside.stories.store import open_story

    with closing(open_story(options.name)) as story:
        if options.what == "list":
            _show_lore(story, options.json)
            return 0
        if not options.subject:
            wanted = "a file" if options.what == "import" else "an entry"
            raise FiresideError(f"`lore {options.what}` needs {wanted}", f"name {wanted} behind it")
        if options.what == "import":
            return _import(story, options)
        before = story.info.lore
        kept = tuple(entry for entry in before if entry.name != options.subject)
        if options.what == "remove":
            if len(kept) == len(before):
                raise FiresideError(f"there is no entry {options.subject}", "see `lore list`")
            story.change(lore=kept)
        else:
            _add(story, options)
        _say_count(story, options.json)
    return 0


def _add(story: Story, options: argparse.Namespace) -> None:
    from fireside.errors import FiresideError
    from fireside.stories.lore import LoreEntry
    from fireside.text import for_terminal, for_terminal_line

    if not options.text.strip():
        raise FiresideError("an entry needs a text", "give it with --text")
    keys = tuple(for_terminal_line(key, 1000) for key in options.key)
    if not keys and not options.constant:
        raise FiresideError("nothing would call this entry up", "give it a --key, or say --constant")
    name = for_terminal_line(options.subject)
    entry = LoreEntry(name, for_terminal(options.text), keys, constant=options.constant)
    story.change(lore=(*(each for each in story.info.lore if each.name != name), entry))


def _import(story: Story, options: argparse.Namespace) -> int:
    from fireside import paths
    from fireside.errors import FiresideError
    from fireside.stories.imports.read import read

    file = paths.expanded(options.subject)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise FiresideError(f"{file} cannot be read: {error.strerror}", "name a lorebook or a character card") from None
    found = read(content)
    story.change(lore=(*story.info.lore, *found.entries))
    if found.memory and not story.info.memory:
        story.change(memory=found.memory)
    if options.json:
        emit({"kind": found.kind, "entries": len(found.entries), "problems": list(found.problems)})
        return 0
    for problem in found.problems:
        note(problem)
    note(f"{len(found.entries)} entries from {found.kind}")
    return 0


def _show_lore(story: Story, as_json: bool) -> None:
    from dataclasses import asdict

    from fireside.text import for_terminal_line

    if as_json:
        emit({"entries": [asdict(entry) for entry in story.info.lore]})
        return
    if not story.info.lore:
        note(f"no lore yet; `fireside story lore {story.info.name} add ENTRY --key KEY --text TEXT` adds some")
    for entry in story.info.lore:
        called = "always" if entry.constant else ", ".join(entry.keys)
        off = "" if entry.enabled else " (off)"
        say(f"{for_terminal_line(entry.name)}{off}  [{for_terminal_line(called)}]  {for_terminal_line(entry.text)}")


def _say_count(story: Story, as_json: bool) -> None:
    if as_json:
        emit({"entries": len(story.info.lore)})
    else:
        note(f"{len(story.info.lore)} entries")


def _summary(options: argparse.Namespace) -> int:
    import asyncio

    from fireside.settings import load
    from fireside.stories.manuscript import text
    from fireside.stories.store import open_story
    from fireside.text import for_terminal
    from tui.models import open_model

    with closing(open_story(options.name)) as story:
        if options.set is not None:
            until = story.info.summary_until if options.set.strip() else 0
            story.change(summary=for_terminal(options.set).strip(), summary_until=until)
        if options.write:
            asyncio.run(_sum_up(story, open_model(load(), options.model)))
        info = story.info
        if options.json:
            characters = len(text(story.manuscript))
            emit({"summary": info.summary, "until": info.summary_until, "characters": characters})
        elif info.summary:
            say(info.summary)
        else:
            note("no summary yet: all of the story fits, or nothing was written since it does not")
    return 0


async def _sum_up(story: Story, model: ChatModel) -> None:
    """Sum up what would be left out of the next prompt."""
    from fireside.stories.asking import ask, bring_up_to_date
    from fireside.stories.manuscript import text
    from fireside.stories.write import MAX_TOKENS

    try:
        await bring_up_to_date(story, model, await ask(story, model, text(story.manuscript), MAX_TOKENS))
    finally:
        await model.close()


def _worn(options: argparse.Namespace) -> int:
    from fireside.stories.manuscript import text
    from fireside.stories.store import open_story
    from fireside.stories.worn import worn

    with closing(open_story(options.name)) as story:
        phrases = worn(text(story.manuscript), least=max(2, options.least))
    if options.json:
        rows = [{"phrase": each.phrase, "count": each.count, "places": list(each.places)} for each in phrases]
        emit({"worn": rows})
        return 0
    if not phrases:
        note("no phrase is worn")
    for each in phrases:
        say(f"{each.count:>4}  {each.phrase}")
    return 0
