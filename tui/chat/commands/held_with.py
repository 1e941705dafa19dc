"""The slash commands about what a chat is held with. Each function is one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireside.errors import FiresideError
from tui.chat.dialogs import TextDialog

if TYPE_CHECKING:
    from tui.chat.screen import ChatScreen


async def system(screen: ChatScreen, argument: str) -> None:
    """Change the system prompt."""
    dialog = TextDialog("System prompt", screen.session.system)
    text = argument or await screen.app.push_screen_wait(dialog)
    if text:
        screen.session.change_system(text)
        screen.show_notice("system prompt changed; it counts from the next reply on")


async def model(screen: ChatScreen, argument: str) -> None:
    """Chat with another model, or say which it is."""
    from tui.models import sampling_text

    if not argument:
        session = screen.session
        settings = session.settings.reply.sampling()
        how = sampling_text(settings.over(session.info.sampling) if session.info else settings)
        what = f"{session.model.name} ({how})" if how else session.model.name
        screen.show_notice(f"chatting with {what}; /model NAME changes it")
        return
    screen.set_state("loading…")
    try:
        info = await screen.session.use_model(argument)
        screen.show_notice(f"chatting with {info.name}")
        screen.transcript.show_welcome()
    finally:
        screen.set_state("ready" if screen.session.info else "no model")


async def docs(screen: ChatScreen, argument: str) -> None:
    """Answer from a document library, or from none."""
    if not argument:
        if screen.session.library_name is None:
            raise FiresideError("no library is attached", "/docs NAME attaches one; `fireside docs add` fills it")
        screen.show_notice(f"answering from {screen.session.library_name}; /docs off detaches it")
        return
    await screen.session.use_library(None if argument == "off" else argument)
    screen.show_notice("answering without documents" if argument == "off" else f"answering from {argument}")


async def adapter(screen: ChatScreen, argument: str) -> None:
    """Apply an adapter, or none."""
    if not argument:
        adapter = screen.session.adapter
        if adapter is None:
            raise FiresideError("no adapter is applied", "/adapter NAME applies one; /train makes one")
        screen.show_notice(f"{adapter.name} is applied at {adapter.scale:g}; /adapter off takes it out")
        return
    await screen.session.use_adapter(None if argument == "off" else argument)
    adapter = screen.session.adapter
    if adapter is None:
        screen.show_notice("adapter taken out")
        return
    from fireside.models.adapters import find_adapter

    caution = find_adapter(adapter.name).note
    # A small model repeats the answers it sees above, whichever adapter is on.
    advice = "/retry answers the last question with it, /new asks afresh"
    screen.show_notice(f"{argument} applies from the next reply on; {caution or advice}")
