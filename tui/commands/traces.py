"""`fireside traces`: turns that used tools, kept with all that happened: look, export, go on, replay."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fireside import paths
from fireside.errors import FiresideError
from tui.commands.actions import add_action
from tui.console import emit, note, say

if TYPE_CHECKING:
    from agents.events import Event
    from agents.state import RunState
    from agents.traces import Run, Traces

_VERSION = 1


def add_parser(subparsers: Any) -> None:
    """Add the `traces` subcommand."""
    parser = subparsers.add_parser("traces", help="turns that used tools: look, resume, replay", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = add_action(actions, "list", _list, "the runs that are kept, the newest first")
    listing.add_argument("--most", type=int, default=50, metavar="N", help="so many of them (50)")
    _of_run(add_action(actions, "show", _show, "one run as a tree: calls, approvals, results, times, tokens"))
    export = add_action(actions, "export", _export, "one run as JSON, or as OpenTelemetry spans")
    _of_run(export)
    export.add_argument(
        "--otlp", action="store_true", help="send its spans to the collector of OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    resume = add_action(actions, "resume", _resume, "go on from where a run that did not end stood last")
    _of_run(resume)
    resume.add_argument("--yes", action="store_true", help="run its tools without asking, as in fireside ask")
    _of_run(add_action(actions, "replay", _replay, "show again what a run said; nothing is run"))
    _of_run(add_action(actions, "forget", _forget, "delete a run"))


def _of_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=int, metavar="ID", help="the run's number in fireside traces list")


@contextmanager
def _opened() -> Iterator[Traces]:
    """The traces. Where there is no file yet, none is made. Raises FiresideError."""
    from agents.traces import Traces

    if not paths.traces_database().is_file():
        raise FiresideError("there are no runs yet", "a turn that may use tools leaves one")
    traces = Traces()
    try:
        yield traces
    finally:
        traces.close()


def _list(options: argparse.Namespace) -> int:
    from tui.trace_tree import run_line

    runs: list[Run] = []
    if paths.traces_database().is_file():
        with _opened() as traces:
            runs = traces.runs(options.most)
    if options.json:
        emit([asdict(run) for run in runs])
        return 0
    for run in runs:
        say(run_line(run))
    return 0


def _show(options: argparse.Namespace) -> int:
    from tui.trace_tree import as_lines, tree_of

    with _opened() as traces:
        run = traces.run(options.run)
        if options.json:
            emit(document(traces, run))
        else:
            say("\n".join(as_lines(tree_of(run, traces.events(run.id), traces.answers(run.id)))))
    return 0


def document(traces: Traces, run: Run) -> dict[str, Any]:
    """One run as other programs read it."""
    from agents.event_json import pack

    state = traces.state(run.id)
    return {
        "version": _VERSION,
        "run": asdict(run),
        "events": [{"at": each.at, "tokens": each.tokens, **pack(each.event)} for each in traces.events(run.id)],
        "approvals": [
            {"asked": pack(each.asked), "answer": each.answer, "by": each.by, "at": each.at}
            for each in traces.answers(run.id)
        ],
        "state": None if state is None else asdict(state),
    }


def _export(options: argparse.Namespace) -> int:
    with _opened() as traces:
        run = traces.run(options.run)
        if not options.otlp:
            emit(document(traces, run))
            return 0
        from agents import spans

        address = spans.endpoint()
        if address is None:
            raise FiresideError(
                "there is no collector to send to", "set OTEL_EXPORTER_OTLP_ENDPOINT, such as http://127.0.0.1:4318"
            )
        sent = spans.spans_of(run, traces.events(run.id))
        asyncio.run(spans.send(sent, address))
        count = len(sent["resourceSpans"][0]["scopeSpans"][0]["spans"])
        emit({"sent": count, "to": address}) if options.json else say(f"{count} spans sent to {address}")
    return 0


def _resume(options: argparse.Namespace) -> int:
    from agents.owned import owned
    from tui.commands import ask

    with _opened() as traces:
        traces.run(options.run)
    with owned(options.run):
        with _opened() as traces:
            run = traces.run(options.run)
            state = traces.state(run.id)
        if state is None:
            raise FiresideError(f"run {run.id} had not come to a call, so there is nothing to go on from", "ask again")
        if run.finish == "stop":
            raise FiresideError(
                f"run {run.id} has ended; there is nothing left to do", "fireside traces replay shows it"
            )
        return ask.resume(_options_of(run, state, options), run, state)


def _options_of(run: Run, state: RunState, options: argparse.Namespace) -> argparse.Namespace:
    """The line of `fireside ask` that the run would have been asked with."""
    from tui.cli import parser
    from tui.commands.ask_approval import at_terminal

    held = run.held
    # A question for the person needs them at the terminal; the run goes on without it.
    asks = at_terminal(options.json)
    line = [f"--model={run.model}", *(f"--tool={tool}" for tool in held.tools if tool != "ask_person" or asks)]
    line += [f"--system={message.content}" for message in state.messages[:1] if message.role == "system"]
    line += [f"--adapter={each}" for each in held.adapters]
    line += [f"--docs={held.library}"] if held.library is not None else []
    line += [f"--folder={held.folder}"] if held.folder is not None else []
    line += ["--yes"] if options.yes else []
    line += ["--json"] if options.json else []
    return parser().parse_args(["ask", *line, "--", run.question])


def _replay(options: argparse.Namespace) -> int:
    from tui.commands import ask

    with _opened() as traces:
        run = traces.run(options.run)
        events = [each.event for each in traces.events(run.id)]

    async def again() -> AsyncGenerator[Event, None]:
        for event in events:
            yield event

    if run.finish in (None, "stopped"):
        note(f"run {run.id} was stopped; this is what had come")
    return asyncio.run(ask.show(again(), json=options.json, live=run.held.library is None))


def _forget(options: argparse.Namespace) -> int:
    with _opened() as traces:
        traces.run(options.run)
        traces.forget(run=options.run)
    emit({"forgotten": options.run}) if options.json else say(f"run {options.run} is deleted")
    return 0
