"""The walk's morning: a chat, its branches, search, a persona, the context bar, a file."""

from __future__ import annotations

from playing import Walk
from textual.widgets import TextArea


async def asking(walk: Walk) -> None:
    """Ask, stop, retry and branch."""
    await walk.write("/tour")
    await walk.keep("first-steps", narrow=True)
    await walk.press("escape")
    await walk.say("Why do leaves turn red in autumn? Answer in two sentences.")
    await walk.keep("ask", light=True, narrow=True)
    await _branches(walk)


async def finding(walk: Walk) -> None:
    """Find what was said."""
    await walk.say("Write a haiku about rain.")
    await walk.press("ctrl+f")
    await walk.on_screen("SearchScreen")
    await walk.press(*"bread")
    await walk.shows("bread")
    await walk.pilot.pause(0.5)
    await walk.keep("search", light=True)
    await walk.home()
    await walk.press("ctrl+b")
    await walk.keep("conversations", light=True)


async def _branches(walk: Walk) -> None:
    await walk.write("/set temperature 0.7")
    await walk.write("/set max_tokens 80")
    await walk.write("How is bread made? Explain each step in detail.")
    await walk.until(lambda: len(walk.session.messages()[-1].text) > 200)
    await walk.press("escape")
    await walk.rested()
    await walk.keep("stopped")
    await walk.say("/retry")
    await walk.press("alt+up")
    await walk.keep("versions")
    await walk.press("p")
    await walk.on_screen("WordsScreen")
    await walk.press(*["right"] * 6)
    await walk.pilot.pause(1.0)
    await walk.keep("words", light=True)
    await walk.home()
    await walk.write("/edit")
    await walk.on_screen("TextDialog")
    walk.app.screen.query_one(TextArea).text = "How is rye bread made? One sentence."
    await walk.press("ctrl+s")
    await walk.pilot.pause(1.0)
    await walk.rested()
    await walk.press("f3")
    await walk.on_screen("TreeScreen")
    await walk.keep("tree", light=True)
    await walk.home()


async def persona(walk: Walk) -> None:
    """Go on as somebody else, and look at the next prompt."""
    await walk.write("/system You are an old sea captain. You answer in one short sentence.")
    await walk.write("/set max_tokens 60")
    await walk.write("/persona keep captain")
    await walk.pilot.pause(0.5)
    await walk.write("/new")
    await walk.write("/persona captain")
    await walk.pilot.pause(0.5)
    await walk.say("Shall we set sail tomorrow?")
    await walk.keep("persona")
    await walk.press("f2")
    await walk.on_screen("ContextScreen")
    await walk.keep("context", light=True)


async def a_file(walk: Walk) -> None:
    """Let a file go with a message."""
    walk.prompt.fill("Sum this up in two sentences: @allot")
    await walk.shows("allotment.md")
    await walk.pilot.pause(0.5)
    await walk.keep("file")
    await walk.press("tab")
    await walk.pilot.pause(0.3)
    await walk.press("enter")
    await walk.pilot.pause(1.0)
    await walk.rested()
    await walk.keep("file-sent")
