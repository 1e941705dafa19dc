"""`fireside ask`: one turn on stdout, for scripts and pipes."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, aclosing, closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside.errors import FiresideError, ToolError
from tui.commands.ask_approval import YesRefused, at_terminal, refuse_yes, terminal_approver
from tui.commands.ask_person import ask_at_terminal
from tui.console import emit, note, report_error, say
from tui.libraries import library_of

if TYPE_CHECKING:
    from agents.events import Event, TurnFinished
    from agents.loop import Turn
    from agents.state import RunState
    from agents.tools import Tool
    from agents.traces import Run
    from fireside.conversations.store import ConversationStore
    from fireside.models.types import ChatModel
    from fireside.settings import Settings, ToolKind
    from rag.library import Library
    from rag.types import Passage

_LARGEST_STDIN = 4_000_000


def add_parser(subparsers: Any) -> None:
    """Add the `ask` subcommand."""
    parser = subparsers.add_parser(
        "ask",
        help="one question, answered on stdout",
        description="Ask one question. What comes on stdin is added as context.",
    )
    parser.add_argument("text", nargs="*", metavar="TEXT", help="the question; without it, stdin is the question")
    parser.add_argument("--model", help="a model's name or path, or remote:NAME")
    parser.add_argument(
        "--adapter", action="append", metavar="NAME[:SCALE]", help="apply a LoRA adapter; several together (repeatable)"
    )
    parser.add_argument("--docs", metavar="LIBRARY", help="answer from this document library, with sources")
    parser.add_argument(
        "--tool", action="append", default=[], metavar="NAME", help="let the model use this tool (may be repeated)"
    )
    parser.add_argument(
        "--mcp", action="append", default=[], metavar="SERVER", help="use all tools of this MCP server (repeatable)"
    )
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="the folder that file tools are confined to")
    parser.add_argument("--yes", action="store_true", help="run the named tools without asking")
    parser.add_argument(
        "--tools-file", type=Path, metavar="F", help="with --dry-run: offer the functions that F describes"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be called, run nothing")
    parser.add_argument("--system", help="the system prompt")
    parser.add_argument("--seed", type=int, help="makes the reply repeatable")
    parser.add_argument("--max-tokens", type=_positive, metavar="N", help="the longest reply")
    parser.add_argument("--temperature", type=_temperature, metavar="T", help="0 takes the most likely token always")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document with text, citations, calls and timings"
    )
    parser.set_defaults(handler=run)


def _positive(text: str) -> int:
    """An option's value: a whole number from 1."""
    if not text.isdecimal() or (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return number


def _temperature(text: str) -> float:
    """An option's value: a temperature from 0 to 5, as in the settings."""
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 5:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 5")
    return number


def run(options: argparse.Namespace) -> int:
    """Run the turn; 0 if it finished."""
    question = _question(" ".join(options.text))
    from fireside.settings import load
    from tui.models import open_model

    settings = load()
    model = open_model(settings, options.model)
    return _run(options, settings, model, question)


def resume(options: argparse.Namespace, kept: Run, state: RunState) -> int:
    """Go on from the state of a run that is kept; options: as `add_parser` makes them, for what it was held with."""
    from fireside.settings import load
    from tui.models import open_model

    settings = load()
    model = open_model(settings, options.model)
    return _run(options, settings, model, kept.question, (kept, state))


def _run(
    options: argparse.Namespace,
    settings: Settings,
    model: ChatModel,
    question: str,
    resumed: tuple[Run, RunState] | None = None,
) -> int:
    try:
        return asyncio.run(_with_servers(options, settings, model, question, resumed))
    except YesRefused as error:
        report_error(error.message, error.hint)
        return 2


_NEED_A_FOLDER = ("list_files", "read_file", "search_files", "write_file", "edit_file", "shell", "python")
_NEED_MORE = {
    "search_documents": "--docs",
    "ask_person": "somebody to answer: a terminal for stdin and stderr, and no --json",
}


def _question(text: str) -> str:
    """The question, after what stdin holds where it is not a terminal. Raises FiresideError if both are empty."""
    context = ""
    if sys.stdin is not None and not sys.stdin.isatty():
        data = sys.stdin.buffer.read(_LARGEST_STDIN + 1)
        if len(data) > _LARGEST_STDIN:
            raise FiresideError("stdin holds more than 4 MB", "put it into a document library: fireside docs add PATH")
        context = data.decode("utf-8", "replace").strip()
    question = "\n\n".join(part for part in (context, text.strip()) if part)
    if not question:
        raise FiresideError("there is nothing to ask", 'write a question: fireside ask "..."')
    return question


async def _with_servers(
    options: argparse.Namespace,
    settings: Settings,
    model: ChatModel,
    question: str,
    resumed: tuple[Run, RunState] | None,
) -> int:
    """`_ask`, with the MCP servers that the options name (`--mcp SERVER`, `--tool SERVER.NAME`) under way."""
    from agents.mcp.servers import server_names

    named = {name.partition(".")[0] for name in options.tool if "." in name}
    servers = [*options.mcp, *sorted(named.intersection(server_names()))]
    if not servers:
        return await _ask(options, settings, model, question, (), resumed)
    from agents.mcp.client import connected

    async with connected(servers) as offered:
        for line in offered.notes:
            note(line)
        return await _ask(options, settings, model, question, offered.tools, resumed)


async def _ask(
    options: argparse.Namespace,
    settings: Settings,
    model: ChatModel,
    question: str,
    offered: Sequence[Tool],
    resumed: tuple[Run, RunState] | None,
) -> int:
    try:
        turn = await _turn(options, settings, model, question, offered)
        from agents.record import record_turn
        from agents.traced import held_with, run_traced
        from agents.traces import Begun

        folder = options.folder or settings.tools.folder
        interactive = at_terminal(options.json)
        approve = terminal_approver(interactive, turn.tools, folder)
        begun = Begun("ask", question, model.name)
        if resumed is not None:
            kept, state = resumed
            turn = _gone_on(turn, kept, state)
            begun = replace(begun, conversation=kept.conversation, message=kept.message, parent=kept.id)
        begun = replace(begun, held=held_with(turn, folder, options.docs))
        by = "person" if interactive else "nobody to ask"
        # Sources are numbered when the reply is complete, so an answer from documents is printed then.
        live = not options.json and turn.library is None
        if turn.resume is not None and live:
            sys.stdout.write(turn.resume.text)
        events = run_traced(turn, model, approve, begun, by, note)
        with ExitStack() as opened:
            if begun.message is not None:
                events = record_turn(opened.enter_context(_conversations()), begun.message, events, turn.resume)
            return await show(events, json=options.json, live=live)
    finally:
        await model.close()


def _gone_on(turn: Turn, kept: Run, state: RunState) -> Turn:
    """`turn`, made of the options for a kept run, with the rest of what that was held with, to go on from `state`."""
    from agents.budget import Spent

    held = kept.held
    # What was used up by then is not counted again where the run had ended by its budget.
    spent = Spent() if kept.finish == "budget" else state.spent
    return replace(
        turn,
        resume=replace(state, spent=spent),
        plans=held.plans,
        delegates=held.delegates,
        sampling=held.sampling or turn.sampling,
        max_tokens=held.max_tokens or turn.max_tokens,
    )


def _conversations() -> closing[ConversationStore]:
    from fireside import paths
    from fireside.conversations.store import ConversationStore

    return closing(ConversationStore(paths.conversations_database()))


async def show(events: AsyncGenerator[Event, None], *, json: bool, live: bool) -> int:
    """Show a turn's events as they come: its answer on stdout, the rest on stderr. Raises FiresideError if it failed.

    json: the answer as one document. live: the text as it is written.
    """
    finished, found = await _follow(events, live and not json)
    nearest = found if finished.refused else ()
    if json:
        emit(document(finished, nearest))
    elif not live:
        _print_answer(finished, nearest)
    return 0


async def _turn(
    options: argparse.Namespace, settings: Settings, model: ChatModel, question: str, offered: Sequence[Tool]
) -> Turn:
    """Everything the options name, looked up; unknown names fail here, before the model works.

    offered: the tools of MCP servers.
    """
    from agents.approval import allowing
    from agents.budget import Budget
    from agents.loop import Turn
    from agents.own_tools import DELEGATE, PLAN
    from agents.remembered import rules_for
    from fireside.models.types import AdapterUse, Message

    reply = settings.reply
    library = _library(options.docs, settings)
    tools = _tools(options, settings, library, offered)
    if options.yes and not options.dry_run:
        refuse_yes(tools, options.folder or settings.tools.folder)
    adapters: tuple[AdapterUse, ...] = ()
    if options.adapter:
        from fireside.models.adapters import SEPARATOR, resolve_all

        info = await model.start()
        adapters = resolve_all(SEPARATOR.join(options.adapter), info.sha256, info.architecture)
    sampling = reply.sampling(options.seed)
    if options.temperature is not None:
        sampling = replace(sampling, temperature=options.temperature)
    system = reply.system if options.system is None else options.system
    # Only a turn that goes on from the chat has the last two, and what they do is decided call by call.
    named = [*(tool.name for tool in tools), PLAN, DELEGATE]
    return Turn(
        messages=(Message("system", system), Message("user", question)),
        sampling=sampling,
        max_tokens=options.max_tokens or reply.max_tokens,
        adapters=adapters,
        library=library,
        tools=tools,
        rules=(
            *allowing([*settings.tools.allowed, *(named if options.yes else ())]),
            *(rules_for(options.folder or settings.tools.folder) if tools else ()),
        ),
        budget=Budget(steps=settings.tools.max_steps),
        passages=settings.documents.passages,
        expand_tokens=settings.documents.expand_tokens,
        dry_run=options.dry_run,
    )


def _library(name: str | None, settings: Settings) -> Library | None:
    return None if name is None else library_of(settings.documents, name)


def _tools(
    options: argparse.Namespace, settings: Settings, library: Library | None, offered: Sequence[Tool]
) -> tuple[Tool, ...]:
    """The tools named with --tool, and all of the servers named with --mcp. Raises ToolError for one that is not there
    or lacks what it needs."""
    described = _described(options)
    if not options.tool and not options.mcp:
        return described
    from tui.offered import offered_tools

    folder = options.folder or settings.tools.folder
    search = (lambda query: library.search(query, settings.documents.passages)) if library else None
    ask = ask_at_terminal if at_terminal(options.json) else None
    own = offered_tools(_kinds_of(options.tool), folder, search, ask, note)
    known = {tool.name: tool for tool in (*own, *offered)}
    for name in options.tool:
        if name not in known:
            needs = dict.fromkeys(_NEED_A_FOLDER, "--folder") | _NEED_MORE
            hint = f"it needs {needs[name]}" if name in needs else f"tools that can be used here: {', '.join(known)}"
            raise ToolError(f"there is no tool {name!r} here", hint)
    whole = [tool.name for tool in offered if tool.name.partition(".")[0] in options.mcp]
    return (*(known[name] for name in dict.fromkeys([*options.tool, *whole])), *described)


def _kinds_of(names: Sequence[str]) -> list[ToolKind]:
    """The kinds of tools that these can be. Trying the sandbox takes a moment, and the person's own files are run: only
    for those who ask for them."""
    kinds: list[ToolKind] = ["files", "documents", "memory", "web"]
    if not {"shell", "python"}.isdisjoint(names):
        kinds.append("programs")
    if any("." in name or name == "use_skill" for name in names):
        kinds.append("own")
    return kinds


def _described(options: argparse.Namespace) -> tuple[Tool, ...]:
    """The functions of --tools-file, which can be called but not run. Raises ToolError."""
    if options.tools_file is None:
        return ()
    if not options.dry_run:
        raise ToolError("the functions of a tools file are described and cannot be run", "add --dry-run")
    from agents.tool_files import read_tools

    return read_tools(options.tools_file)


async def _follow(events: AsyncGenerator[Event, None], live: bool) -> tuple[TurnFinished, tuple[Passage, ...]]:
    """Show the turn as it goes; return its end and the passages found. Raises FiresideError if it failed."""
    from agents.events import Delegated, PassagesFound, PlanChanged, TextDelta, ToolResult, TurnFailed, TurnFinished
    from tui.event_lines import event_line, plan_line

    found: tuple[Passage, ...] = ()
    async with aclosing(events) as following:
        async for event in following:
            match event:
                case TextDelta(text) if live:
                    sys.stdout.write(text)
                    sys.stdout.flush()
                case PassagesFound(_, passages, _):
                    found = passages
                case ToolResult(call, status, text):
                    note(f"{call.name}: {status}: {text}")
                case Delegated(_, ToolResult(call, status, text)):
                    note(f"  {call.name}: {status}: {text}")
                case TurnFailed(message, hint):
                    raise FiresideError(message, hint)
                case TurnFinished():
                    if live and event.text:
                        say("")
                    return event, found
                case _ if line := event_line(event):
                    note(line)
                    for step in event.steps if isinstance(event, PlanChanged) else ():
                        note(f"  {plan_line(step.text, step.status)}")
    raise FiresideError("the turn ended without an answer")


def _print_answer(finished: TurnFinished, nearest: Sequence[Passage]) -> None:
    from rag.render import nearest_list, sources_list

    say(finished.text)
    if finished.citations:
        say("\n" + "\n".join(sources_list(finished.citations)))
    if finished.unsupported:
        say("\nNot found in the documents:\n" + "\n".join(f"- {sentence}" for sentence in finished.unsupported))
    if nearest:
        say("\nNearest passages:\n" + "\n".join(nearest_list(nearest)))


def document(finished: TurnFinished, nearest: Sequence[Passage] = ()) -> dict[str, Any]:
    """The turn as the JSON document other programs rely on. nearest: the passages found for a refused question."""
    return {
        "text": finished.text,
        "finish": finished.finish,
        "refused": finished.refused,
        "citations": [asdict(citation) for citation in finished.citations],
        "calls": [{"name": call.name, "arguments": call.arguments} for call in finished.calls],
        "usage": asdict(finished.usage),
        "timings": asdict(finished.timings),
        **({"thinking": finished.thinking} if finished.thinking else {}),
        **({"unsupported": list(finished.unsupported)} if finished.unsupported else {}),
        **({"nearest": [asdict(passage) for passage in nearest]} if nearest else {}),
    }
