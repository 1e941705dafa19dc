"""`fireside ask`: one turn on stdout, for scripts and pipes."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside.errors import FiresideError, ToolError
from tui.console import emit, note, say

if TYPE_CHECKING:
    from agents.events import ApprovalAsked, Event, TurnFinished
    from agents.loop import Answer, Turn
    from agents.tools import Tool
    from fireside.models.types import ChatModel
    from fireside.settings import Settings
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
    parser.add_argument("--adapter", metavar="NAME[:SCALE]", help="apply a LoRA adapter")
    parser.add_argument("--docs", metavar="LIBRARY", help="answer from this document library, with sources")
    parser.add_argument(
        "--tool", action="append", default=[], metavar="NAME", help="let the model use this tool (may be repeated)"
    )
    parser.add_argument(
        "--mcp", action="append", default=[], metavar="SERVER", help="use all tools of this MCP server (repeatable)"
    )
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="the folder that file tools are confined to")
    parser.add_argument("--yes", action="store_true", help="run the named tools without asking")
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
    return asyncio.run(_with_servers(options, settings, model, question))


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


async def _with_servers(options: argparse.Namespace, settings: Settings, model: ChatModel, question: str) -> int:
    """`_ask`, with the MCP servers that the options name (`--mcp SERVER`, `--tool SERVER.NAME`) under way."""
    from agents.mcp.servers import server_names

    named = {name.partition(".")[0] for name in options.tool if "." in name}
    servers = [*options.mcp, *sorted(named.intersection(server_names()))]
    if not servers:
        return await _ask(options, settings, model, question, ())
    from agents.mcp.client import connected

    async with connected(servers) as offered:
        for line in offered.notes:
            note(line)
        return await _ask(options, settings, model, question, offered.tools)


async def _ask(
    options: argparse.Namespace, settings: Settings, model: ChatModel, question: str, offered: Sequence[Tool]
) -> int:
    try:
        turn = await _turn(options, settings, model, question, offered)
        from agents.loop import run_turn

        # Sources are numbered when the reply is complete, so an answer from documents is printed then.
        live = not options.json and turn.library is None
        finished, found = await _follow(run_turn(turn, model, _approver(options)), live)
        nearest = found if finished.refused else ()
        if options.json:
            emit(document(finished, nearest))
        elif not live:
            _print_answer(finished, nearest)
        return 0
    finally:
        await model.close()


async def _turn(
    options: argparse.Namespace, settings: Settings, model: ChatModel, question: str, offered: Sequence[Tool]
) -> Turn:
    """Everything the options name, looked up; unknown names fail here, before the model works.

    offered: the tools of MCP servers.
    """
    from agents.approval import allowing
    from agents.budget import Budget
    from agents.loop import Turn
    from fireside.models.types import AdapterUse, Message

    reply = settings.reply
    library = _library(options.docs, settings)
    tools = _tools(options, settings, library, offered)
    adapters: tuple[AdapterUse, ...] = ()
    info = await model.start()
    if options.adapter:
        from fireside.models.adapters import resolve

        adapters = (resolve(options.adapter, info.sha256, info.architecture),)
    sampling = reply.sampling(options.seed)
    if options.temperature is not None:
        sampling = replace(sampling, temperature=options.temperature)
    system = reply.system if options.system is None else options.system
    return Turn(
        messages=(Message("system", system), Message("user", question)),
        sampling=sampling,
        max_tokens=options.max_tokens or reply.max_tokens,
        adapters=adapters,
        library=library,
        tools=tools,
        rules=allowing([*settings.tools.allowed, *(_tame(tools) if options.yes else ())]),
        budget=Budget(steps=settings.tools.max_steps),
        passages=settings.documents.passages,
        expand_tokens=settings.documents.expand_tokens,
        dry_run=options.dry_run,
    )


def _tame(tools: Sequence[Tool]) -> list[str]:
    """The tools that --yes stands for: not those that run programs or talk to other machines."""
    return [tool.name for tool in tools if tool.traits.risk in ("reads", "writes")]


def _library(name: str | None, settings: Settings) -> Library | None:
    if name is None:
        return None
    from fireside.encoder import chosen_encoder
    from rag.library import open_library
    from rag.rerank import reranker

    documents = settings.documents
    encoder = chosen_encoder(documents.encoder, documents.encoder_dimension)
    return open_library(name, reranker(documents.reranker), encoder)


def _tools(
    options: argparse.Namespace, settings: Settings, library: Library | None, offered: Sequence[Tool]
) -> tuple[Tool, ...]:
    """The tools named with --tool, and all of the servers named with --mcp. Raises ToolError for one that is not there
    or lacks what it needs."""
    if not options.tool and not options.mcp:
        return ()
    from agents.builtin import builtin_tools

    folder = options.folder or settings.tools.folder
    search = (lambda query: library.search(query, settings.documents.passages)) if library else None
    known = {tool.name: tool for tool in (*builtin_tools(folder, search), *offered)}
    for name in options.tool:
        if name not in known:
            needs = {"list_files": "--folder", "read_file": "--folder", "search_documents": "--docs"}
            hint = f"it needs {needs[name]}" if name in needs else f"tools that can be used here: {', '.join(known)}"
            raise ToolError(f"there is no tool {name!r} here", hint)
    whole = [tool.name for tool in offered if tool.name.partition(".")[0] in options.mcp]
    return tuple(known[name] for name in dict.fromkeys([*options.tool, *whole]))


def _approver(options: argparse.Namespace) -> Any:
    """How a call is approved: asked on the terminal where there is one, else denied."""
    interactive = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty() and not options.json

    async def approve(asked: ApprovalAsked) -> Answer:
        call = f"{asked.call.name}({', '.join(f'{key}={value!r}' for key, value in asked.call.arguments.items())})"
        if not interactive:
            note(f"denied: {call}; allow it with --yes")
            return "deny"
        note(f"The model wants to run {call}")
        sys.stderr.write("Allow? [y]es, [a]lways in this turn, [N]o: ")
        sys.stderr.flush()
        answer = (await _typed_line()).strip().lower()[:1]
        return "once" if answer == "y" else "always" if answer == "a" else "deny"

    return approve


async def _typed_line() -> str:
    """The next line of stdin. No thread waits for it: at Ctrl-C the process would wait for the thread."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline()


async def _follow(events: AsyncGenerator[Event, None], live: bool) -> tuple[TurnFinished, tuple[Passage, ...]]:
    """Show the turn as it goes; return its end and the passages found. Raises FiresideError if it failed."""
    from agents.events import PassagesFound, TextDelta, ToolResult, TurnFailed, TurnFinished, TurnsDropped

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
                case TurnsDropped(count):
                    note(f"{count} old messages no longer fit the model's context and were left out")
                case TurnFailed(message, hint):
                    raise FiresideError(message, hint)
                case TurnFinished():
                    if live and event.text:
                        say("")
                    return event, found
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
