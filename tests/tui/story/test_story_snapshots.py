"""The story in its main states, as pictures in both themes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from textual.pilot import Pilot

from fireside.models.scripted import ScriptedModel
from fireside.settings import ThemeName
from fireside.stories import manuscript as ms
from fireside.stories.store import create_story
from tui.story.screen import StoryScreen

WIDE, NARROW, LOW = (80, 24), (60, 20), (40, 12)
STATES: dict[str, tuple[str, tuple[int, int], Sequence[str]]] = {
    "empty": ("new", NARROW, []),
    "ready": ("lighthouse", WIDE, []),
    "cursor": ("lighthouse", NARROW, ["up", "up", "home"]),
    "selected": ("lighthouse", WIDE, ["ctrl+home", "down", "down", "shift+down", "ctrl+shift+right"]),
    "writing": ("lighthouse", NARROW, ["enter"]),
    "low": ("lighthouse", LOW, ["up"]),
    "notes": ("lighthouse", (100, 40), ["ctrl+t"]),
    "rewrite": ("lighthouse", NARROW, ["up", "shift+up", "ctrl+k"]),
    "worn": ("lighthouse", NARROW, ["alt+w"]),
}


def _tell() -> None:
    story = create_story("lighthouse", title="The Lighthouse", memory="Mara fears the sea.", note="Slow dread.")
    manuscript = ms.append(story.manuscript, "prompt", "The lamp went out at four, and nobody climbed the stairs.")
    manuscript = ms.append(manuscript, "model", " Mara counted the steps down, and there was one too many.")
    manuscript = ms.append(manuscript, "person", "\n\n“Who is there?” she asked. The cold rail. The cold rail. ")
    manuscript = ms.append(manuscript, "model", "Nobody.")
    manuscript = ms.append_alternative(manuscript, "model", "The sea answered.")
    manuscript = ms.edit(manuscript, manuscript.head or 0, "The sea did not answer, nor the cold rail.")
    manuscript = ms.append(manuscript, "model", "\n\nIn the morning the keeper came with bread and a letter.")
    story.save(manuscript)
    story.change(goal=200, bans=("sent shivers",))
    story.close()


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("state", STATES)
def test_the_story_looks_as_it_should(
    state: str, theme: ThemeName, app_for: Callable[..., Any], snap_compare: Callable[..., bool]
) -> None:
    _tell()
    name, size, keys = STATES[state]
    model = ScriptedModel([[" The wind", " turned", asyncio.Event()]])
    app = app_for(model, theme)

    async def reach(pilot: Pilot[Any]) -> None:
        screen = StoryScreen(name, model)
        await pilot.app.push_screen(screen)
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
        await screen._look_ahead()
        if state == "writing":
            while "turned" not in screen.desk.shown.text:
                await pilot.pause(0.01)
        if counting := [each for each in pilot.app.workers if each.group == "count"]:
            await pilot.app.workers.wait_for_complete(counting)
        await pilot.pause()

    assert snap_compare(app, run_before=reach, terminal_size=size)
