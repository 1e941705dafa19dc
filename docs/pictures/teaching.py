"""The walk's afternoon: data looked at, a plan, training runs, adapters swapped in, compared and blended."""

from __future__ import annotations

from playing import Walk

CONFIG = "fireside.toml"
SECOND = "logbook.toml"
_RUN_S = 400.0


async def data_and_plan(walk: Walk) -> None:
    """See what will be trained on, and what that takes."""
    await walk.write("/data fireside.jsonl")
    await walk.on_screen("DataScreen")
    await walk.until(lambda: "Fireside?" in walk.text)
    await walk.keep("data", light=True)
    await walk.home()
    await walk.write(f"/plan {CONFIG}")
    await walk.on_screen("PlanScreen")
    await walk.shows("memory", "Memory")
    await walk.pilot.pause(1.5)
    await walk.keep("plan", light=True)


async def runs(walk: Walk) -> None:
    """Two runs, one watched; then both side by side."""
    await _trained(walk, SECOND)
    await _trained(walk, CONFIG, watched=True)
    await walk.write("/train")
    await walk.on_screen("RunsScreen")
    await walk.pilot.pause(1.0)
    await walk.keep("runs", light=True)
    await walk.press("space", "down", "space", "c")
    await walk.pilot.pause(1.0)
    await walk.keep("side-by-side")


async def adapters(walk: Walk) -> None:
    """The model before and after, side by side; two adapters at once."""
    await _trained(walk, SECOND)
    await _trained(walk, CONFIG)
    await walk.say("What is Fireside?")
    await walk.write("/adapter fireside")
    await walk.pilot.pause(0.5)
    await walk.say("/retry")
    await walk.keep("adapter")
    await walk.write("/compare")
    await walk.on_screen("CompareScreen")
    await walk.shows("1 2 keep")
    await walk.keep("compare", light=True)
    await walk.home()
    await walk.write("/adapters")
    await walk.on_screen("AdaptersScreen")
    await walk.pilot.pause(0.5)
    await walk.press("down", "space", "left", "left", "left")
    await walk.keep("adapters", light=True)


async def _trained(walk: Walk, config: str, *, watched: bool = False) -> None:
    """Train an adapter, unless the home has it."""
    from fireside import paths
    from tui.runs.screen import RunScreen

    done = (paths.home() / "adapters" / config.removesuffix(".toml")).exists()
    if done and not (watched and (not walk.wanted or "training" in walk.wanted)):
        return
    await walk.write(f"/train {config}")
    await walk.on_screen("RunScreen")
    screen = walk.app.screen
    assert isinstance(screen, RunScreen)
    if watched:
        await walk.until(lambda: len(screen._metrics) > 20, _RUN_S)
        await walk.keep("training", light=True)
    await walk.until(lambda: screen._ended, _RUN_S)
    await walk.home()
