"""`fireside story search`: where the story speaks of something, for its consistency; the story is a library too."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Any

from tui.commands.actions import add_action
from tui.console import emit, note, say


def add_actions(actions: Any) -> None:
    """Add `search` to the actions of `story`."""
    search = add_action(actions, "search", _search, "where the whole story speaks of something, by meaning and words")
    search.add_argument("name", metavar="NAME", help="the story")
    search.add_argument("query", metavar="QUERY", help="what is looked for, as a question or in words")
    search.add_argument("-k", type=int, default=5, metavar="N", help="how many places (default 5)")


def _search(options: argparse.Namespace) -> int:
    from fireside.stories.store import open_story
    from fireside.text import for_terminal_line
    from tui.story.side.finding import found, scene_at

    with closing(open_story(options.name)) as story:
        passages = found(story, options.query, max(1, options.k))
        scenes = [scene_at(story, each.start) for each in passages]
    hits = [
        {
            "start": each.start,
            "end": each.end,
            "scene": scene,
            "score": each.score,
            "text": each.text,
        }
        for each, scene in zip(passages, scenes, strict=True)
    ]
    if options.json:
        emit({"query": options.query, "hits": hits})
        return 0
    if not hits:
        note("nothing is written yet" if not passages else "nothing found")
    for hit in hits:
        where = f"{hit['scene']}: " if hit["scene"] else ""
        say(f"{where}{for_terminal_line(str(hit['text']), 400)}")
    return 0
