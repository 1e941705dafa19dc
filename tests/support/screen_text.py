"""What an app's screen shows, as text, and waiting for it."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.pilot import Pilot


def shown(app: App[Any]) -> str:
    """The lines of the present screen, as the compositor has them."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


async def shows(pilot: Pilot[Any], *texts: str) -> None:
    """Wait until all of `texts` are on the screen."""
    for _ in range(400):
        if all(text in shown(pilot.app) for text in texts):
            return
        await pilot.pause(0.005)
    raise AssertionError(f"{texts} are not on the screen:\n{shown(pilot.app)}")
