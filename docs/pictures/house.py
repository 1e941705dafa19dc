"""The walk's end: the models, the settings, and the help."""

from __future__ import annotations

from playing import Walk


async def house(walk: Walk) -> None:
    """What belongs to no hour of the day."""
    await walk.write("/models")
    await walk.on_screen("ModelsScreen")
    await walk.pilot.pause(1.0)
    await walk.keep("models", light=True)
    await walk.home()
    await walk.press("f9")
    await walk.on_screen("SettingsScreen")
    await walk.pilot.pause(0.5)
    await walk.keep("settings", light=True)
    await walk.home()
    await walk.press("f1")
    await walk.pilot.pause(0.5)
    await walk.keep("help", light=True)
    await walk.home()
    await walk.press("ctrl+p")
    await walk.pilot.pause(0.8)
    await walk.keep("palette")
