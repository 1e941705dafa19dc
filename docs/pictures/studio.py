"""The walk's evening: a story, from a first line to a book."""

from __future__ import annotations

from pathlib import Path

from playing import Walk

from fireside.stories.lore import LoreEntry
from tui.story.prompt import StoryPrompt
from tui.story.screen import StoryScreen

BEATS = """# The letter

## The lamp room

- Ida finds a wet envelope under the door of the lighthouse.
- The handwriting on it is that of her brother Jonas.

## The cellar

- She takes the lantern and goes down the stairs.
"""
MEMORY = "Ida keeps the lighthouse of Skarn. Her brother Jonas was lost at sea six years ago."
SYNOPSIS = "A keeper of a lighthouse finds a letter from a brother who was lost at sea, and follows it to the cellar."
LORE = (
    LoreEntry("Jonas", "Jonas is Ida's younger brother. He writes with his left hand.", ("Jonas", "brother")),
    LoreEntry("The cellar", "The cellar is cut into the rock; the sea comes in at flood.", ("cellar", "/stairs?/i")),
    LoreEntry("Skarn", "Skarn is a rock in the North Sea, a day's sail from the coast.", constant=True),
)


async def page(walk: Walk) -> None:
    """Write and let write, select and have it rewritten, and look at the branches."""
    story = await _opened(walk, "lighthouse")
    story.story.change(title="The Letter", memory=MEMORY)
    for line in ("The letter had been under the door since morning.", "Ida read it twice."):
        await _write(walk, story, line)
    await walk.press("ctrl+r")
    await _still(walk, story)
    await walk.keep("story", light=True, narrow=True)
    await walk.press("ctrl+t")
    await walk.pilot.pause(0.5)
    await walk.keep("notes", light=True)
    await walk.press("escape")
    text = story.desk.shown.text
    start = text.index("The letter")
    story.go_to(start, start + len("The letter had been under the door since morning."))
    await walk.pilot.pause(0.3)
    await walk.press("alt+e")
    await _still(walk, story)
    await walk.keep("rewritten")
    await walk.press("ctrl+b")
    await walk.on_screen("TimelineScreen")
    await walk.keep("timeline", light=True)


async def plan_and_prose(walk: Walk) -> None:
    """An outline that becomes prose, what the story's world is like, and the book."""
    from fireside.stories.outline_text import parse

    story = await _opened(walk, "skarn")
    story.story.change(title="The Keeper of Skarn", memory=MEMORY, synopsis=SYNOPSIS)
    if not story.story.outline:
        story.story.save_outline(parse(BEATS))
    await walk.press("ctrl+o")
    await walk.on_screen("OutlineScreen")
    await walk.pilot.pause(0.5)
    await walk.press("W")
    await walk.shows("beats written", "✓", "◐")
    pane = walk.app.screen
    await walk.until(lambda: not pane.busy)  # type: ignore[attr-defined]  # a pane
    await walk.keep("outline", light=True)
    await walk.press("escape")
    await walk.on_screen("StoryScreen")
    await walk.keep("beats")
    await _lore(walk, story)
    await walk.press("f2")
    await walk.on_screen("ContextScreen")
    await walk.keep("story-context")
    await walk.press("escape")
    await walk.on_screen("StoryScreen")
    await walk.press("alt+w")
    await walk.on_screen("WornScreen")
    await walk.keep("worn")
    await walk.press("escape")
    await walk.on_screen("StoryScreen")
    await walk.press("ctrl+s")
    await walk.pilot.pause(0.5)
    await walk.keep("export", light=True)


async def _lore(walk: Walk, story: StoryScreen) -> None:
    story.story.change(lore=LORE)
    await walk.press("ctrl+l")
    await walk.on_screen("LoreScreen")
    await walk.pilot.pause(0.8)
    await walk.keep("lorebook", light=True)
    await walk.press("escape")
    await walk.on_screen("StoryScreen")


async def _opened(walk: Walk, name: str) -> StoryScreen:
    """The story, begun anew."""
    from fireside import paths

    for file in Path(paths.stories_folder()).glob(f"{name}.db*"):
        file.unlink()
    await walk.write(f"/story {name}")
    await walk.on_screen("StoryScreen")
    screen = walk.app.screen
    assert isinstance(screen, StoryScreen)
    return screen


async def _write(walk: Walk, story: StoryScreen, line: str) -> None:
    story.query_one(StoryPrompt).text = line
    await walk.pilot.pause(0.2)
    await walk.press("enter")
    await _still(walk, story)


async def _still(walk: Walk, story: StoryScreen) -> None:
    """Wait until the model has written."""
    await walk.pilot.pause(0.5)
    await walk.until(lambda: not story.busy)
