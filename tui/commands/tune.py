"""`fireside tune`: trains adapters, follows and lists runs, and proves exports."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands.actions import add_action
from tui.console import emit, note, say

if TYPE_CHECKING:
    from finetune.metrics import Metric
    from finetune.status import Status

INTERRUPTED = 130


def add_parser(subparsers: Any) -> None:
    """Add `tune` and its actions to the command line."""
    parser = subparsers.add_parser(
        "tune", help="fine-tune the chat model: run, list, show, verify", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    run = add_action(actions, "run", _run, "train an adapter as a configuration file says, and prove its export")
    run.add_argument("config", type=Path, metavar="CONFIG.toml", help="name, data and, if wished, how to train")
    add_action(actions, "list", _list, "list the training runs, newest first")
    show = add_action(actions, "show", _show, "show what a run is doing, or how it went")
    show.add_argument("run", metavar="RUN", help="its name in `fireside tune list`")
    verify = add_action(
        actions, "verify", _verify, "compare llama.cpp with transformers, both with the adapter, once more"
    )
    verify.add_argument("name", metavar="RUN_OR_ADAPTER", help="an adapter, or the run that made it")


def _run(options: argparse.Namespace) -> int:
    from finetune.config import load_config
    from finetune.run import cancel, follow, start_run
    from finetune.status import Status

    config = load_config(options.config)
    folder = start_run(config)
    try:
        if not options.json:
            note(f"run {folder.name}: training {config.name} over {config.base}; Ctrl-C cancels it")
        status = _follow(folder, options.json)
    except KeyboardInterrupt:
        cancel(folder)
        note("cancelling the run ...")
        # It may have been done already.
        status = [event for event in follow(folder) if isinstance(event, Status)][-1]
    return _report_end(folder.name, status, options.json)


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


def _report_end(run: str, status: Status, as_json: bool) -> int:
    """Say how the run ended. Raises TrainingError or AdapterError where it did not make a usable adapter."""
    from fireside.errors import AdapterError, TrainingError

    if status.state == "cancelled":
        note(f"the run {run} was cancelled; no adapter was made")
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
        raise AdapterError(
            f"the adapter {status.adapter!r} was trained, but its export was refused: {status.metrics.get('reason')}",
            "the chat will not offer it; see the prompts that differ: fireside adapters show " + status.adapter,
        )
    return 0


def _list(options: argparse.Namespace) -> int:
    from finetune.run import list_runs
    from finetune.status import read_status
    from fireside.errors import TrainingError

    rows = []
    for folder in list_runs():
        try:
            status = read_status(folder)
        except TrainingError:
            # One damaged folder must not hide the others.
            continue
        rows.append((folder.name, status))
    if options.json:
        emit([{"run": name, "adapter": s.adapter, "state": s.state, "verified": s.verified} for name, s in rows])
        return 0
    if not rows:
        note("there are no training runs yet; fireside tune run CONFIG.toml starts one")
    for name, status in rows:
        say(f"{name}  {status.state}{_losses(status)}")
    return 0


def _show(options: argparse.Namespace) -> int:
    from finetune.run import find_run, read_metrics
    from finetune.status import CONFIG, read_status

    folder = find_run(options.run)
    status = read_status(folder)
    metrics, _ = read_metrics(folder)
    config = (folder / CONFIG).read_text("utf-8")
    if options.json:
        from dataclasses import asdict

        emit(
            {"run": folder.name, **asdict(status), "config": config, "steps": [metric.as_json() for metric in metrics]}
        )
        return 0
    say(f"run {folder.name}: {status.state}")
    if status.state == "failed":
        say(f"{status.error}\n{status.hint or ''}".rstrip())
    elif status.state == "done":
        say("\n".join(summary(status)))
    held_back = [metric for metric in metrics if metric.eval_loss is not None]
    if held_back:
        say("held-back loss: " + ", ".join(f"{metric.eval_loss:.3f} (step {metric.step})" for metric in held_back))
    for text in status.notes:
        say(f"note: {text}")
    say(f"\n{config.rstrip()}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from finetune.run import list_runs, verify_adapter
    from finetune.status import read_status
    from fireside import paths
    from fireside.errors import AdapterError
    from fireside.models.adapters import find_adapter

    runs = {folder.name: folder for folder in list_runs()}
    name = read_status(runs[options.name]).adapter if options.name in runs else options.name
    if find_adapter(name).details.get("origin") != "trained":
        raise AdapterError(f"the adapter {name!r} was imported: there is nothing to compare it with", None)
    if not options.json:
        note(f"checking {name}; this takes about half a minute ...")
    document = verify_adapter(paths.adapters_folder() / name)
    scores = document["scores"]
    if options.json:
        emit(document)
    else:
        say("\n".join(verify_lines(scores)))
    if not scores["verified"]:
        raise AdapterError(
            f"the export of {name!r} is refused: {scores['reason']}", "the chat will not offer it; train it again"
        )
    return 0


# What a person is told of a run's states.
STATES = {
    "preparing": "reading model and examples ...",
    "training": "training ...",
    "exporting": "writing the adapter ...",
    "verifying": "comparing llama.cpp with transformers, both with the adapter ...",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}


def metric_line(metric: Metric, held_back: float | None) -> str:
    """One line for a person: where the run is, its losses, its speed, the time left."""
    parts = [f"step {metric.step}/{metric.steps}"]
    if metric.loss is not None:
        parts.append(f"loss {metric.loss:.3f}")
    if held_back is not None:
        parts.append(f"held-back loss {held_back:.3f}")
    if metric.tokens_per_s is not None:
        parts.append(f"{metric.tokens_per_s:.0f} tokens/s")
    if metric.eta_s is not None:
        parts.append(f"{metric.eta_s:.0f} s left")
    return ", ".join(parts)


def summary(status: Status) -> list[str]:
    """What a finished run did, for a person."""
    m = status.metrics
    lines = [
        f"trained on {m['examples']} examples in {m['seconds']:.0f} s, {m['tokens_per_s']:.0f} tokens/s",
        f"held-back loss {m['eval_loss_before']:.3f} -> {m['eval_loss_after']:.3f} on {m['held_back']} examples",
        *verify_lines(m),
    ]
    if status.verified:
        lines.append(f"use it: fireside ask --adapter {status.adapter}, or /adapter {status.adapter} in the chat")
    return lines


def verify_lines(scores: dict[str, Any]) -> list[str]:
    """The export check, the base's own figures beside it."""
    verdict = "verified" if scores["verified"] else "refused"
    return [
        f"export {verdict}: llama.cpp against transformers, {scores['prompts']} prompts, {scores['positions']} tokens",
        *(_figures(label, scores, prefix) for label, prefix in (("with the adapter", ""), ("base alone", "base_"))),
    ]


def _figures(label: str, scores: dict[str, Any], prefix: str) -> str:
    agreement, kl, error = (scores[f"{prefix}{name}"] for name in ("agreement", "kl", "logit_error"))
    return f"  {label:<17} same token {agreement:.3f}  mean KL {kl:.5f}  logit difference {error:.3f}"


def _losses(status: Status) -> str:
    if "eval_loss_after" not in status.metrics:
        return ""
    before, after = status.metrics["eval_loss_before"], status.metrics["eval_loss_after"]
    verdict = {True: ", verified", False: ", export refused", None: ""}[status.verified]
    return f"  held-back loss {before:.3f} -> {after:.3f}{verdict}"


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
