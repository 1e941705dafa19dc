"""`fireside story outline` and `fireside story write --beats`: a story from its plan, and the plan from the model."""

from __future__ import annotations

import argparse
import sys
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

from tui.commands.actions import add_action
from tui.console import emit, note, say

if TYPE_CHECKING:
    from fireside.models.types import ChatModel
    from fireside.stories.outline import Kind
    from fireside.stories.store import Story

_LARGEST_FILE = 2_000_000  # bytes of a file of beats


def add_actions(actions: Any) -> None:
    """Add `outline` to the actions of `story`."""
    outline = add_action(actions, "outline", _outline, "show the outline, or let the model write a part of it")
    outline.add_argument("name", metavar="NAME", help="the story")
    outline.add_argument(
        "--write",
        choices=("chapter", "scene", "beat"),
        help="let the model write the chapters, or the scenes or beats of those that have none",
    )
    outline.add_argument("--of", type=int, metavar="ID", help="only of this chapter or scene (ids: --json)")
    outline.add_argument("--count", type=int, metavar="N", help="how many (default 3 chapters or scenes, 4 beats)")
    outline.add_argument("--take", metavar="FILE", help="first take over the outline in this Markdown file")
    outline.add_argument("--synopsis", metavar="TEXT", help="first set the story's synopsis")
    outline.add_argument("--model", metavar="NAME", help="a model of `fireside models list`, a path, or remote:NAME")


def take_beats(story: Story, file: str) -> None:
    """Take the outline of `file` into the story's. Raises FiresideError where it cannot be read or holds nothing."""
    from fireside import paths
    from fireside.errors import FiresideError
    from fireside.stories.outline_text import merged, parse

    place = paths.expanded(file)
    try:
        if place.stat().st_size > _LARGEST_FILE:
            raise FiresideError(f"{place} is too large for a list of beats", "write one beat a line")
        text = place.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise FiresideError(f"{place} is no text in UTF-8", "save it as plain text or Markdown") from None
    except OSError as error:
        raise FiresideError(f"{place} cannot be read: {error.strerror}", "name a file of beats") from None
    outline = merged(story.outline, parse(text))
    if outline != story.outline:
        story.save_outline(outline)


async def write_beats(story: Story, model: ChatModel, options: argparse.Namespace) -> int:
    """Write all beats without prose: each under a line that names it, or with --json one line a piece."""
    from fireside.models.types import Delta
    from fireside.stories import draft
    from fireside.stories.manuscript import text
    from fireside.stories.outline import walk
    from fireside.stories.prose import word_count

    beats = sum(node.kind == "beat" for node in walk(story.outline))
    waiting = len(draft.unwritten(story))
    if waiting < beats and not options.json:
        note(f"{beats - waiting} of {beats} beats are written already")
    first = True
    try:
        async with aclosing(draft.write_beats(story, model, words=options.words)) as events:
            async for event in events:
                if isinstance(event, draft.BeatBegun):
                    first = True
                    if options.json:
                        beat = event.beat
                        emit({"beat": beat.id, "title": beat.title, "number": event.number, "of": event.of})
                    else:
                        note(f"[{event.number}/{event.of}] {event.beat.title}")
                elif isinstance(event, Delta):
                    if options.json:
                        emit({"delta": event.text})
                    else:
                        sys.stdout.write(event.text.lstrip() if first else event.text)
                        sys.stdout.flush()
                        first = False
                elif not options.json:
                    say("\n")
    finally:
        await model.close()
    words = word_count(text(story.manuscript))
    left = len(draft.unwritten(story))
    if options.json:
        emit({"done": True, "beats": waiting - left, "left": left, "words": words})
    else:
        note(f"{waiting - left} beats written; the story has {words} words")
    return 0


def _outline(options: argparse.Namespace) -> int:
    import asyncio

    from fireside.settings import load
    from fireside.stories.store import open_story
    from tui.models import open_model

    with closing(open_story(options.name)) as story:
        if options.synopsis is not None:
            story.change(synopsis=options.synopsis)
        if options.take:
            take_beats(story, options.take)
        if options.write:
            parents = _parents(story, options.write, options.of)
            asyncio.run(_propose(story, open_model(load(), options.model), options.write, parents, options.count))
        _show(story, options.json)
    return 0


def _parents(story: Story, kind: Kind, of: int | None) -> list[int | None]:
    """The nodes that are to get new ones. Raises FiresideError where there are none."""
    from fireside.errors import FiresideError
    from fireside.stories.outline import INSIDE, children, walk

    holder = INSIDE[kind]
    if holder is None:
        return [None]
    if of is not None:
        node = story.outline.nodes.get(of)
        if node is None or node.kind != holder:
            raise FiresideError(f"there is no {holder} {of}", f"see the ids: fireside story outline {story.info.name}")
        return [of]
    holders = [node.id for node in walk(story.outline) if node.kind == holder]
    if not holders:
        raise FiresideError(
            f"the outline has no {holder} yet", f"fireside story outline {story.info.name} --write {holder}"
        )
    return [node_id for node_id in holders if not children(story.outline, node_id)]


async def _propose(story: Story, model: ChatModel, kind: Kind, parents: list[int | None], count: int | None) -> None:
    """Let the model write nodes; each is saved as it comes."""
    from fireside.stories.plan import propose, put

    try:
        for parent in parents:
            async with aclosing(propose(story, model, kind, parent, count)) as proposals:
                async for proposed in proposals:
                    story.save_outline(put(story.outline, kind, parent, [proposed]))
                    note(f"{kind}: {proposed.title}")
    finally:
        await model.close()


def _show(story: Story, as_json: bool) -> None:
    from dataclasses import asdict

    from fireside.stories.outline import walk
    from fireside.stories.outline_text import render
    from fireside.stories.placing import written
    from fireside.stories.prose import word_count

    if as_json:
        prose = written(story.outline, story.manuscript)
        nodes = [{**asdict(node), "words": word_count(prose.get(node.id, ""))} for node in walk(story.outline)]
        emit({"name": story.info.name, "synopsis": story.info.synopsis, "outline": nodes})
    elif story.outline:
        say(render(story.outline).rstrip("\n"))
    else:
        note(f"no outline yet; `fireside story outline {story.info.name} --synopsis ... --write chapter` begins one")
