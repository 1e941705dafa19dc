"""`fireside tune`: trains adapters, follows and lists runs, and proves exports."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands import tune_export, tune_plan
from tui.commands.actions import add_action
from tui.console import emit, note, say
from tui.tuning_text import (
    STATES,
    choice_lines,
    losses,
    metric_line,
    sample_lines,
    summary,
    trainable_lines,
)

if TYPE_CHECKING:
    from finetune.status import Status

INTERRUPTED = 130


def add_parser(subparsers: Any) -> None:
    """Add `tune` and its actions to the command line."""
    parser = subparsers.add_parser(
        "tune", help="fine-tune the chat model: plan, run, resume, list, show, export, verify", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    run = add_action(actions, "run", _run, "train an adapter as a configuration file says, and prove its export")
    run.add_argument("config", type=Path, metavar="CONFIG.toml", help="name, data and, if wished, how to train")
    resume = add_action(actions, "resume", _resume, "go on with a run that was cut off, cancelled or failed")
    resume.add_argument("run", metavar="RUN", help="its name in `fireside tune list`")
    add_action(actions, "list", _list, "list the training runs, newest first")
    show = add_action(actions, "show", _show, "show what a run is doing, or how it went")
    show.add_argument("run", metavar="RUN", help="its name in `fireside tune list`")
    tune_export.add_actions(actions)
    tune_plan.add_actions(actions)


def _run(options: argparse.Namespace) -> int:
    from finetune.config import load_config
    from finetune.run import start_run

    config = load_config(options.config)
    folder = start_run(config)
    if not options.json:
        note(f"run {folder.name}: training {config.name} over {config.base}; Ctrl-C cancels it")
    return _to_its_end(folder, options.json)


def _resume(options: argparse.Namespace) -> int:
    from finetune.run import find_run, resume_run

    folder = resume_run(find_run(options.run))
    if not options.json:
        note(f"run {folder.name} goes on from its last checkpoint; Ctrl-C cancels it")
    return _to_its_end(folder, options.json)


def _to_its_end(folder: Path, as_json: bool) -> int:
    """Follow the run and say how it ended. Ctrl-C asks it to stop, a second one stops it in the middle of a step."""
    from finetune.run import cancel, follow, stop_at_once
    from finetune.status import Status

    try:
        status = _follow(folder, as_json)
    except KeyboardInterrupt:
        cancel(folder)
        note("cancelling the run behind the present step ... (Ctrl-C once more stops it at once)")
        try:
            # It may have been done already.
            status = [event for event in follow(folder) if isinstance(event, Status)][-1]
        except KeyboardInterrupt:
            stop_at_once(folder)
            status = [event for event in follow(folder) if isinstance(event, Status)][-1]
    return _report_end(folder, status, as_json)


def _follow(folder: Path, as_json: bool) -> Status:
    """Show the run as it goes; return how it ended."""
    from finetune.run import follow
    from finetune.status import Status

    line = _Line()
    held_back: float | None = None
    state = ""
    for event in follow(folder):
        if isinstance(event, Status):
            if event.ended:
                line.leave()
                return event
            if event.state != state and not as_json:
                line.show(STATES[event.state], always=True)
            state = event.state
        elif as_json:
            emit(event.as_json())
        else:
            held_back = event.eval_loss if event.eval_loss is not None else held_back
            line.show(metric_line(event, held_back), always=event.eval_loss is not None)
    raise AssertionError("a run is followed to its end")


def _report_end(folder: Path, status: Status, as_json: bool) -> int:
    """Say how the run ended. Raises TrainingError or AdapterError where it did not make a usable adapter."""
    from finetune.run import can_resume
    from fireside.errors import AdapterError, TrainingError

    if status.state == "cancelled":
        note(f"the run {folder.name} was cancelled; no adapter was made")
        if can_resume(folder, status):
            note(f"it can go on from its last checkpoint: fireside tune resume {folder.name}")
        return INTERRUPTED
    if status.state == "failed":
        raise TrainingError(status.error or "training failed", status.hint)
    if as_json:
        emit({"done": True, "adapter": status.adapter, "verified": status.verified, "metrics": status.metrics})
    else:
        say("\n".join(summary(status)))
    for text in status.notes if status.verified else ():
        note(f"note: {text}")
    if not status.verified:
        kind, show = ("adapter", f"adapters show {status.adapter}")
        if "model" in status.metrics:
            kind, show = ("model", f"tune show {folder.name}")
        raise AdapterError(
            f"the {kind} {status.adapter!r} was trained, but its export was refused: {status.metrics.get('reason')}",
            f"the chat will not offer it; see its figures: fireside {show}",
        )
    return 0


def _list(options: argparse.Namespace) -> int:
    from finetune.run import can_resume, list_runs
    from finetune.status import read_status
    from fireside.errors import TrainingError

    rows = []
    for folder in list_runs():
        try:
            status = read_status(folder)
        except TrainingError:
            # One damaged folder must not hide the others.
            continue
        rows.append((folder, status))
    if options.json:
        emit([_row(folder, status) for folder, status in rows])
        return 0
    if not rows:
        note("there are no training runs yet; fireside tune run CONFIG.toml starts one")
    for folder, status in rows:
        resumable = ", can be resumed" if can_resume(folder, status) else ""
        say(f"{folder.name}  {status.state}{losses(status)}{resumable}")
    return 0


def _row(folder: Path, status: Status) -> dict[str, Any]:
    from finetune.run import can_resume

    return {
        "run": folder.name,
        "adapter": status.adapter,
        "state": status.state,
        "verified": status.verified,
        "can_resume": can_resume(folder, status),
        "eval_loss_before": status.metrics.get("eval_loss_before"),
        "eval_loss_after": status.metrics.get("eval_loss_after"),
    }


def _show(options: argparse.Namespace) -> int:
    from finetune.run import can_resume, find_run, read_metrics
    from finetune.samples import read_samples
    from finetune.status import CONFIG, read_status

    folder = find_run(options.run)
    status = read_status(folder)
    metrics, _ = read_metrics(folder)
    config = (folder / CONFIG).read_text("utf-8")
    trainable, choices = _document(folder / "trainable.json"), _document(folder / "choices.json")
    samples = read_samples(folder)
    if options.json:
        from dataclasses import asdict

        emit(
            {
                "run": folder.name,
                **asdict(status),
                "can_resume": can_resume(folder, status),
                "config": config,
                "trainable": trainable,
                "choices": choices,
                "steps": [metric.as_json() for metric in metrics],
                "samples": samples,
            }
        )
        return 0
    say(f"run {folder.name}: {status.state}")
    if status.state == "failed":
        say(f"{status.error}\n{status.hint or ''}".rstrip())
    elif status.state == "done":
        say("\n".join(summary(status)))
    if can_resume(folder, status):
        say(f"it can go on from its last checkpoint: fireside tune resume {folder.name}")
    if trainable:
        say("\n".join(trainable_lines(trainable)))
    if choices:
        say("chosen for this machine:\n" + "\n".join(choice_lines(choices)))
    held_back = [metric for metric in metrics if metric.eval_loss is not None]
    if held_back:
        say("held-back loss: " + ", ".join(f"{metric.eval_loss:.3f} (step {metric.step})" for metric in held_back))
    if samples:
        say("\n".join(sample_lines(samples)))
    for text in status.notes:
        say(f"note: {text}")
    say(f"\n{config.rstrip()}")
    return 0


def _document(file: Path) -> dict[str, Any]:
    """A JSON object of the run's folder; empty where it is not there or damaged."""
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


class _Line:
    """One line on stderr, rewritten in place on a terminal; elsewhere only the lines that must be seen are printed."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._shown = False

    def show(self, text: str, *, always: bool) -> None:
        """Show `text`; `always` tells that it must not be left out where lines are not rewritten."""
        if self._live:
            # A line that wraps could not be rewritten.
            import shutil

            text = text[: shutil.get_terminal_size().columns - 1]
            sys.stderr.write(f"\r\x1b[2K{text}")
            sys.stderr.flush()
            self._shown = True
        elif always:
            note(text)

    def leave(self) -> None:
        """Clear the line, so that the next message begins on its own."""
        if self._shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
