"""The walk's noon: a document library that answers with sources, and a tool that asks before it writes."""

from __future__ import annotations

from playing import Walk


async def documents(walk: Walk) -> None:
    """Fill a library, and ask it what it knows and what it does not."""
    await walk.write("/library notes")
    await walk.pilot.pause(0.5)
    if type(walk.app.screen).__name__ == "ConfirmDialog":
        await walk.press("y")
    await walk.on_screen("LibraryScreen")
    if "allotment" not in walk.text:
        await walk.press("a")
        await walk.fill_in(str(walk.desk / "notes"))
    await walk.shows("allotment")
    await walk.pilot.pause(1.0)
    await walk.keep("library", light=True)
    await walk.home()
    await walk.write("/docs notes")
    await walk.pilot.pause(1.0)
    await walk.say("How long is the compressor covered?")
    await walk.say("Who won the world cup in 1998?")
    await walk.keep("sources", light=True)


async def tools(walk: Walk) -> None:
    """Let a file be changed, having seen what will be different."""
    folder = walk.desk / "kitchen"
    folder.mkdir(exist_ok=True)
    (folder / "shopping.txt").write_text("flour\nbutter\nsalt\n", "utf-8")
    await walk.write(f"/tools {folder}")
    await walk.pilot.pause(0.5)
    await walk.write('In the file shopping.txt, replace "butter" with "two lemons".')
    await walk.on_screen("ApprovalDialog")
    await walk.keep("approval", light=True, narrow=True)
    await walk.press("a")
    await walk.rested()
    await walk.say("What is 15% of 2480?")
    if len(walk.app.screen_stack) > 1:
        await walk.press("a")
        await walk.rested()
    await walk.keep("answered")
    await walk.write("/trace")
    await walk.on_screen("TraceScreen")
    await walk.press("e")
    await walk.keep("trace", light=True)
    await walk.home()
    await walk.write("/tools")
    await walk.on_screen("ToolsScreen")
    await walk.keep("tools", light=True)
