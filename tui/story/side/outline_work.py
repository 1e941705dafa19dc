"""What the model does for an outline: plans nodes and writes the prose of beats, shown as it comes, each one undo."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.containers import VerticalScroll

from fireside.models.types import Delta
from fireside.stories import draft
from fireside.stories.manuscript import go_to
from fireside.stories.outline import Kind, Node, ancestor, walk
from fireside.stories.plan import COUNTS, propose, propose_again, put, renewed
from fireside.stories.prose import word_count
from fireside.text import for_terminal, for_terminal_line
from tui.chat.dialogs import ChoiceDialog, LineDialog

if TYPE_CHECKING:
    from tui.story.side.outline import OutlineScreen


@dataclass(frozen=True)
class Plan:
    """What is to be planned: `count` nodes of `kind` in `parent`, or the node `again` once more."""

    kind: Kind
    parent: int | None = None
    count: int = 0
    again: int | None = None


async def plans(screen: OutlineScreen) -> Plan | None:
    """Ask the person what is to be planned; None where they leave it."""
    marked = screen.marked
    offered: list[tuple[str, Plan]] = []
    outline = screen.story.outline
    scene = ancestor(outline, marked.id, "scene") if marked else None
    chapter = ancestor(outline, marked.id, "chapter") if marked else None
    if scene is not None:
        offered.append(("beats of this scene", Plan("beat", scene.id)))
    if chapter is not None:
        offered.append(("scenes of this chapter", Plan("scene", chapter.id)))
    offered.append(("chapters of the story, from its synopsis", Plan("chapter")))
    if marked is not None:
        offered.append((f"this {marked.kind} once more, otherwise", Plan(marked.kind, again=marked.id)))
    chosen: int | None = 0
    if len(offered) > 1:
        chosen = await screen.app.push_screen_wait(ChoiceDialog("Let the model plan", [each for each, _ in offered]))
    if chosen is None:
        return None
    if not screen.story.info.synopsis.strip() and not screen.story.info.memory.strip():
        await screen.ask_synopsis()
        if not screen.story.info.synopsis.strip():
            return None
    wanted = offered[chosen][1]
    if wanted.again is not None:
        return wanted
    named = await screen.app.push_screen_wait(
        LineDialog(f"How many {wanted.kind}s (1 to 40)", str(COUNTS[wanted.kind]))
    )
    if not named:
        return None
    if not named.isdecimal() or not 1 <= int(named) <= 40:
        screen.say("give a number from 1 to 40", error=True)
        return None
    return Plan(wanted.kind, wanted.parent, int(named))


async def plan(screen: OutlineScreen, wanted: Plan) -> None:
    """Let the model plan; each node is saved as it comes, and undo takes all of them back."""
    story, before = screen.story, screen.story.outline
    screen.say("the model plans… Escape stops it")
    came = 0
    try:
        if wanted.again is not None:
            proposed = await propose_again(story, screen.model, wanted.again)
            if proposed is not None:
                story.save_outline(renewed(story.outline, wanted.again, proposed))
                came = 1
        else:
            async with aclosing(propose(story, screen.model, wanted.kind, wanted.parent, wanted.count)) as proposals:
                async for proposed in proposals:
                    newest = story.outline.next_id
                    story.save_outline(put(story.outline, wanted.kind, wanted.parent, [proposed]))
                    came += 1
                    screen.show_story(newest)
                    screen.say(f"the model plans… {came} of {wanted.count}; Escape stops it, what came is kept")
    finally:
        if story.outline != before:
            screen.undos.add("what the model planned", lambda: story.save_outline(before))
    screen.show_story()
    screen.say(f"{came} planned; u takes them back" if came else "the model proposed nothing; try again")


def writes(screen: OutlineScreen, node: Node | None) -> list[Node]:
    """The beats to be written for `node` (None: all of the story); says where there are none."""
    outline = screen.story.outline
    if node is not None and node.kind == "beat":
        return [node]
    below = [each for each in walk(outline, node.id if node else None) if each.kind == "beat"]
    open_ids = {each.id for each in draft.unwritten(screen.story)}
    beats = [each for each in below if each.id in open_ids]
    if not beats:
        where = f"in this {node.kind}" if node else "in this outline"
        screen.say(f"all beats {where} are written" if below else f"there are no beats {where} yet; g plans some")
    return beats


async def write(screen: OutlineScreen, beats: Sequence[Node]) -> None:
    """Write the prose of these beats, one after the other, shown as it comes; undo goes back to before all of them."""
    story, head = screen.story, screen.story.manuscript.head
    view = screen.query_one(".side-view", VerticalScroll)
    done = 0
    unwritten = {each.id for each in draft.unwritten(story)}
    try:
        for number, beat in enumerate(beats, 1):
            came = ""
            title = for_terminal_line(beat.title, 60)
            retry = beat.id not in unwritten
            screen.say(f"beat {number} of {len(beats)}: {title} · reading…; Escape stops it")
            async with aclosing(
                draft.write_beat(story, screen.model, beat.id, retry=retry, adapters=screen.adapters)
            ) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Delta):
                        came += piece.text
                        screen.show_text(for_terminal(came.strip()))
                        view.scroll_end(animate=False)
                        screen.say(
                            f"beat {number} of {len(beats)}: {title} · {word_count(came):,} words; Escape stops it"
                        )
            done += 1
            screen.show_story(beat.id)
    finally:
        if story.manuscript.head != head:
            screen.undos.add("the new prose", lambda: story.save(go_to(story.manuscript, head)))
    changed = story.manuscript.head != head
    screen.show_story()
    screen.say(
        f"{done} beat{'s' * (done != 1)} written; Enter goes there, u takes it back" if changed else "nothing came"
    )
