"""What goes with a story, and its worn phrases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.widgets import Input, Select, TextArea

from fireside.models.sampling import Sampling
from fireside.stories.presets import preset


async def test_notes_hold_strength_preset_bans_goal_and_synopsis(
    desk: Callable[..., Any], told: Callable[..., None]
) -> None:
    told(("prompt", "The bell rang."))
    async with desk([[" One."]]) as at:
        dialog = await at.dialog("ctrl+t")
        dialog.query_one("#note", TextArea).text = "With dread."
        dialog.query_one("#strength", Select).value = "3"
        dialog.query_one("#preset", Select).value = "wild"
        dialog.query_one("#bans", TextArea).text = "a shiver ran\n\nsent shivers\na shiver ran"
        dialog.query_one("#goal", Input).value = "12"
        dialog.query_one("#synopsis", TextArea).text = "She leaves."
        await at.pilot.press("ctrl+s")
        await at.closed()
        info = at.screen.story.info
        assert (info.note_strength, info.preset, info.goal, info.synopsis) == (3, "wild", 12, "She leaves.")
        assert info.bans == ("a shiver ran", "sent shivers")
        assert info.style is None
        assert "3/12 words, 25%" in at.text
        await at.write()
        sampling = at.model.requests[0].sampling
        assert isinstance(sampling, Sampling)
        assert sampling.temperature == preset("wild").sampling.temperature
        assert sampling.banned_phrases == ("a shiver ran", "sent shivers")


async def test_worn_phrases_are_counted_banned_and_gone_to(desk: Callable[..., Any], told: Callable[..., None]) -> None:
    told(("prompt", "Her cold hand shook. Her cold hand fell. Then her cold hand lay still."))
    async with desk() as at:
        await at.dialog("alt+w")
        await at.until(lambda: "3  her cold hand" in at.text)
        await at.pilot.press("b")
        await at.until(lambda: "banned" in at.text and at.screen.story.info.bans == ("her cold hand",))
        await at.pilot.press("b")
        await at.until(lambda: at.screen.story.info.bans == ())
        await at.pilot.press("space")
        await at.until(lambda: "2 of 3" in at.text)
        await at.pilot.press("enter")
        await at.closed()
        await at.until(lambda: at.screen.page.selected_text == "Her cold hand")
        assert at.screen.page.selection[0] == 21


async def test_an_unworn_story_says_so(desk: Callable[..., Any], told: Callable[..., None]) -> None:
    told(("prompt", "The bell rang."))
    async with desk(size=(60, 20)) as at:
        await at.dialog("alt+w")
        await at.until(lambda: "no phrase is worn" in at.text)
        await at.pilot.press("b", "space", "escape")
        await at.closed()
