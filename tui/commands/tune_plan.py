"""`fireside tune plan`: what a run will do and take, before anything is loaded; and what each setting means."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Any

from tui.commands.actions import add_action
from tui.console import emit, note, say


def add_actions(actions: Any) -> None:
    """Add `plan` to the actions of `fireside tune`."""
    plan = add_action(actions, "plan", _plan, "say what a run needs: memory, time, disk; and what would make it fit")
    plan.add_argument("config", type=Path, nargs="?", metavar="CONFIG.toml", help="the run's configuration")
    plan.add_argument("--explain", action="store_true", help="say what every setting means, and plan nothing")
    plan.add_argument("--no-calibration", action="store_true", help="do not train for 20 seconds to tell the time")


def _plan(options: argparse.Namespace) -> int:
    from fireside.errors import SettingsError

    if options.explain:
        return _explain(options.json)
    if options.config is None:
        raise SettingsError("which configuration is to be planned?", "fireside tune plan CONFIG.toml")
    from finetune.config import load_config
    from finetune.machine import refuse_at_once
    from finetune.plan.ask import plans
    from tui.tuning_plan import plan_lines, time_lines

    refuse_at_once(load_config(options.config))
    with contextlib.closing(plans(options.config, calibrated=not options.no_calibration)) as answers:
        plan = next(answers)
        if not options.json:
            say("\n".join(plan_lines(plan)))
            if plan["fits"] and not options.no_calibration:
                note("training for 20 seconds to tell the time ...")
        seconds = next(answers, None)
    if options.json:
        emit({**plan, "time": seconds})
    elif seconds is not None:
        say("\n".join(time_lines(seconds)))
    return 0 if plan["fits"] else 1


def _explain(as_json: bool) -> int:
    from finetune.config import explain

    fields = explain()
    if as_json:
        emit(
            [
                {"key": field.key, "type": field.kind, "default": field.default, "meaning": field.meaning}
                for field in fields
            ]
        )
        return 0
    for field in fields:
        say(f"{field.key} = {field.default}\n    {field.meaning}")
    return 0
