"""`fireside story`: stories on the command line: new, list, write, outline, lore, summary, worn, search, export."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tui.commands import story_lore, story_outline, story_search
from tui.commands.actions import add_action
from tui.console import emit, note, say

if TYPE_CHECKING:
    from fireside.models.types import ChatModel, Finished
    from fireside.stories.store import Story


def add_parser(subparsers: Any) -> None:
    """Add `story` and its actions to the command line."""
    parser = subparsers.add_parser(
        "story", help="stories: new, list, write, outline, lore, summary, worn, search, export", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    new = add_action(actions, "new", _new, "begin a story")
    new.add_argument("name", metavar="NAME", help="what the story is called on disk")
    new.add_argument("--title", default="", metavar="TEXT", help="its title (default: the name)")
    new.add_argument("--memory", default="", metavar="TEXT", help="what always holds: people, places, the premise")
    new.add_argument("--note", default="", metavar="TEXT", help="the author's note: how to go on, for now")
    new.add_argument("--synopsis", default="", metavar="TEXT", help="the whole story in short, for its outline")
    add_action(actions, "list", _list, "list the stories")
    write = add_action(actions, "write", _write, "let the model write on; Ctrl-C stops it and keeps what came")
    write.add_argument("name", metavar="NAME", help="the story")
    write.add_argument(
        "--text", default="", metavar="PROMPT", help="first add this text of yours; '-' reads it from stdin"
    )
    write.add_argument("--tokens", type=_tokens, default=None, metavar="N", help="at most so many tokens (default 120)")
    write.add_argument(
        "--until",
        choices=("length", "sentence", "scene"),
        default="length",
        help="stop at the length, after one sentence, or where the scene ends",
    )
    write.add_argument(
        "--retry", action="store_true", help="write the last piece again; the old one stays as an alternative"
    )
    write.add_argument(
        "--beats",
        metavar="FILE",
        help="write the prose of the beats in FILE that have none: one a line, or # chapter, ## scene, - beat",
    )
    write.add_argument("--words", type=_tokens, default=None, metavar="N", help="words aimed at for each beat")
    write.add_argument("--model", metavar="NAME", help="a model of `fireside models list`, a path, or remote:NAME")
    story_outline.add_actions(actions)
    story_lore.add_actions(actions)
    story_search.add_actions(actions)
    export = add_action(actions, "export", _export, "save as Markdown, EPUB or plain text, by the file's ending")
    export.add_argument("name", metavar="NAME", help="the story")
    export.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="a file ending in .md, .epub or .txt (default: NAME.md here; '-' for Markdown on stdout)",
    )
    export.add_argument("--author", default="", metavar="NAME", help="who is named on the title page")
    export.add_argument("--language", default="en", metavar="TAG", help="of the text, as en, de, pt-BR (default en)")
    export.add_argument("--force", action="store_true", help="replace the file if it exists")


def _tokens(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= 131_072:
        raise argparse.ArgumentTypeError("give a number from 1 to 131072")
    return number


def _new(options: argparse.Namespace) -> int:
    from fireside.stories.store import create_story

    with closing(create_story(options.name, options.title, options.memory, options.note)) as story:
        if options.synopsis:
            story.change(synopsis=options.synopsis)
        if options.json:
            emit({"name": story.info.name, "title": story.info.title})
        else:
            note(f"new story {story.info.name}; `fireside story write {story.info.name} --text ...` begins it")
    return 0


def _list(options: argparse.Namespace) -> int:
    from fireside import paths
    from fireside.stories.store import list_stories

    stories = list_stories()
    listed = {story.name for story in stories}
    damaged = [file.stem for file in sorted(paths.stories_folder().glob("*.db")) if file.stem not in listed]
    for name in damaged:
        note(f"the story {name} cannot be read; why: fireside story export {name}")
    if options.json:
        emit({"stories": [{"name": story.name, "title": story.title, "updated": story.updated} for story in stories]})
        return 0
    if not stories and not damaged:
        note("no stories yet; `fireside story new NAME` begins one")
    for story in stories:
        say(story.name if story.title == story.name else f"{story.name}  {story.title}")
    return 0


def _write(options: argparse.Namespace) -> int:
    import asyncio

    from fireside.settings import load
    from fireside.stories.store import open_story
    from fireside.stories.write import add_text
    from tui.models import open_model

    with closing(open_story(options.name)) as story:
        if options.beats:
            story_outline.take_beats(story, options.beats)
        model = open_model(load(), options.model)
        add_text(story, sys.stdin.read() if options.text == "-" else options.text)
        if options.beats:
            return asyncio.run(story_outline.write_beats(story, model, options))
        return asyncio.run(_continue(story, model, options))


async def _continue(story: Story, model: ChatModel, options: argparse.Namespace) -> int:
    """Stream the continuation: plain text, or with --json one line a piece and a last one with the whole piece."""
    from fireside.models.types import Delta
    from fireside.stories.write import continue_story

    try:
        pieces = continue_story(story, model, retry=options.retry, max_tokens=options.tokens, until=options.until)
        async for piece in pieces:
            if not isinstance(piece, Delta):
                _report(story, piece, options.json)
            elif options.json:
                emit({"delta": piece.text})
            else:
                sys.stdout.write(piece.text)
                sys.stdout.flush()
    finally:
        await model.close()
    return 0


def _report(story: Story, finished: Finished, as_json: bool) -> None:
    """What the saved piece is in the end."""
    from dataclasses import asdict

    from fireside.stories.manuscript import alternatives, path

    choices = alternatives(story.manuscript)
    written = path(story.manuscript)
    number = choices.index(written[-1].id) + 1 if written else 0
    if as_json:
        emit(
            {
                "done": True,
                "text": written[-1].text if written else "",
                "finish": finished.reason,
                "alternative": number,
                "alternatives": len(choices),
                "usage": asdict(finished.usage),
                "timings": asdict(finished.timings),
            }
        )
        return
    say("")
    if len(choices) > 1:
        note(f"alternative {number} of {len(choices)}")
    if finished.reason == "length":
        note("the unfinished last sentence is not kept")


def _export(options: argparse.Namespace) -> int:
    from fireside import paths
    from fireside.stories.export import write
    from fireside.stories.publish import format_of, published
    from fireside.stories.store import open_story

    with closing(open_story(options.name)) as story:
        words = {"author": options.author, "language": options.language}
        if options.output == "-" and not options.json:
            say(published(story, "md", **words).decode().rstrip("\n"))
            return 0
        file = paths.expanded(options.output or f"{options.name}.md")
        content = published(story, format_of(file.suffix), **words)
        write(file, content, force=options.force)
        if options.json:
            emit({"name": options.name, "file": str(file)})
        else:
            note(f"saved as {file}")
    return 0
