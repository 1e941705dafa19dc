"""The slash commands about tools: which are offered, what runs without asking, and what happened behind a reply."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from fireside import paths
from fireside.errors import FiresideError
from tui.chat.dialogs import ApprovalDialog, ChoiceDialog, LineDialog

if TYPE_CHECKING:
    from agents.approval import Rule
    from agents.events import ApprovalAsked
    from agents.loop import Answer, Approve
    from tui.chat.screen import ChatScreen


async def tools(screen: ChatScreen, argument: str) -> None:
    """Look at the tools; on, off, or file tools inside a folder."""
    session = screen.session
    if not argument:
        from tui.tools_screen.screen import ToolsScreen

        await screen.app.push_screen_wait(ToolsScreen(session))
        return
    session.use_tools(argument != "off", None if argument in ("on", "off") else Path(argument))
    names = ", ".join(tool.name for tool in session.tools)
    screen.show_notice(f"the assistant may ask to use {names}" if names else "tools are off")


async def mcp(screen: ChatScreen, argument: str) -> None:
    """The MCP servers there are; the tools of one; or none of them any more."""
    from agents.mcp.servers import server_names

    session = screen.session
    if not argument:
        running = session.servers.names
        names = [f"{name} (in use)" if name in running else name for name in server_names()]
        screen.show_notice(f"MCP servers: {', '.join(names)}" if names else "no MCP servers: fireside mcp add NAME ...")
        return
    if argument == "off":
        for name in session.servers.names:
            await session.drop_server(name)
        screen.show_notice("no MCP server is in use")
        return
    screen.show_notice(f"starting {argument} ...")
    notes = await session.use_server(argument)
    found = [tool.name for tool in session.servers.tools if tool.name.startswith(f"{argument}.")]
    screen.show_notice("\n".join([f"the assistant may ask to use {', '.join(found)}", *notes]))


async def allow(screen: ChatScreen, argument: str) -> None:
    """Let a tool run without asking."""
    known = [tool.name for tool in screen.session.tools]
    if argument not in known:
        raise FiresideError(
            f"there is no tool {argument}", f"tools: {', '.join(known)}" if known else "/tools on first"
        )
    screen.session.allowed.add(argument)
    screen.show_notice(f"{argument} runs without asking in this conversation")


async def trace(screen: ChatScreen, argument: str) -> None:
    """The run behind the last reply, also while it is written."""
    from agents.traces import Traces
    from tui.trace_screen import TraceScreen

    replies = [message for message in screen.session.messages() if message.role == "assistant"]
    run = None
    if replies and paths.traces_database().is_file():
        with closing(Traces()) as kept:
            run = kept.run_of(replies[-1].conversation, replies[-1].id)
    if run is None:
        raise FiresideError("the last reply was offered no tools, so there is no run to show", "/traces lists all runs")
    await screen.app.push_screen(TraceScreen(run.id))


async def traces(screen: ChatScreen, argument: str) -> None:
    """All runs that are kept, to choose from."""
    from tui.trace_list import choose_run

    await choose_run(screen.app)


def approver(screen: ChatScreen) -> Approve:
    """Asks the person about the calls of one turn; the answer to a dialog that goes away is no."""
    from agents.remembered import remember
    from tui.approving import decided_in_turn, lasting_rule

    session = screen.session
    made: list[Rule] = []

    async def approve(asked: ApprovalAsked) -> Answer:
        decided = decided_in_turn(asked, session.tools, made, session.folder)
        if decided != "ask":
            return "once" if decided == "allow" else "deny"
        screen.set_state("waiting for you")
        folder = "" if session.folder is None else session.folder.resolve().name or str(session.folder)
        answer = await screen.app.push_screen_wait(ApprovalDialog(asked, folder))
        match answer:
            case "always":
                session.allowed.add(asked.call.name)
                return "always"
            case "folder" | "never":
                made.append(lasting_rule(asked, "allow" if answer == "folder" else "deny"))
                remember(made[-1], session.folder)
                return "once" if answer == "folder" else "deny"
            case _:
                return answer

    return approve


async def ask_person(screen: ChatScreen, question: str, options: tuple[str, ...]) -> str:
    """Ask the person what the assistant wants to know; empty where they leave it."""
    screen.set_state("waiting for you")
    if not options:
        return await screen.app.push_screen_wait(LineDialog(question, ""))
    chosen = await screen.app.push_screen_wait(ChoiceDialog(question, options))
    return "" if chosen is None else options[chosen]
