"""The slash commands about what a chat is held with. Each function is one command."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from fireside.errors import FiresideError
from tui.chat.dialogs import ChoiceDialog, TextDialog

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
    """Apply an adapter, several together, or none."""
    session = screen.session
    if not argument:
        if not session.adapters:
            raise FiresideError(
                "no adapter is applied", "/adapter NAME applies one; /adapters shows all, /train makes one"
            )
        applied = " and ".join(f"{use.name} at {use.scale:g}" for use in session.adapters)
        screen.show_notice(f"applied: {applied}; /adapter off takes out, /adapters blends")
        return
    await session.use_adapter(None if argument == "off" else argument)
    if not session.adapters:
        screen.show_notice("adapter taken out")
        return
    from fireside.models.adapters import find_adapter

    cautions = [(use.name, find_adapter(use.name).note) for use in session.adapters]
    caution = "; ".join(f"{name}: {said}" for name, said in cautions if said)
    # A small model repeats the answers it sees above, whichever adapter is on.
    advice = "/retry answers the last question with it, /new asks afresh"
    screen.show_notice(f"{argument} applies from the next reply on; {caution or advice}")


async def persona(screen: ChatScreen, argument: str) -> None:
    """Take up a persona, go back to none, or keep what the chat is held with as a new one."""
    from fireside.personas import persona_names

    session = screen.session
    verb, _, rest = argument.partition(" ")
    if not argument:
        names = await asyncio.to_thread(persona_names)
        if not names:
            raise FiresideError("there are no personas yet", "/persona keep NAME makes one of this chat")
        lines = [f"{name} (now)" if name == session.persona else name for name in names]
        chosen = await screen.app.push_screen_wait(ChoiceDialog("Go on as", [*lines, "none: the settings' own"]))
        if chosen is None:
            return
        argument = names[chosen] if chosen < len(names) else "off"
    elif verb == "keep" and rest.strip():
        path = await asyncio.to_thread(session.keep_persona, rest.strip())
        screen.show_notice(f"kept as {path}; /persona {rest.strip()} takes it up")
        return
    problems = await session.use_persona(None if argument == "off" else argument)
    screen.transcript.show_welcome()
    screen.measure()
    for problem in problems:
        screen.show_error(problem)
    if not problems:
        screen.show_notice("no persona" if argument == "off" else f"from the next reply on: {argument}")


async def set_(screen: ChatScreen, argument: str) -> None:
    """Change how replies of this conversation are written, or say how they are."""
    session = screen.session
    name, _, value = argument.partition(" ")
    if not argument:
        own = ", ".join(f"{key} {each}" for key, each in session.parameters.items())
        screen.show_notice(f"this conversation: {own}" if own else "this conversation is written as the settings say")
        return
    changed = {key: each for key, each in session.parameters.items() if key != name}
    if value.strip():
        try:
            changed[name] = json.loads(value)
        except ValueError:
            changed[name] = value.strip()
    session.change_parameters(changed)
    screen.show_notice(
        f"{name} is {changed[name]} in this conversation" if name in changed else f"{name} as the settings say"
    )
