"""What a person is told of a planned run, in lines of text: for the command and the screens."""

from __future__ import annotations

from typing import Any

from fireside.models.memory import in_words
from tui.tuning_text import choice_lines


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """The plan of a run. plan: as `finetune.plan.plan.Plan.as_json` gives it."""
    work, memory = plan["work"], plan["memory"]
    share = plan["trained"] / plan["weights"]
    lines = [
        f"{work['examples']} examples, {work['tokens']} tokens an epoch, {work['trained']} of them trained; "
        f"{work['held_back']} held back",
        f"{work['steps']} steps; {plan['trained']:,} of {plan['weights']:,} weights are trained ({share:.2%})",
        "chosen for this machine:",
        *choice_lines(plan["choices"]),
        f"memory: {in_words(memory['low'])} to {in_words(memory['high'])}, {in_words(memory['expected'])} expected, "
        f"{in_words(plan['memory_free'])} free",
        *(f"  {name:<12} {in_words(size)}" for name, size in memory["parts"].items()),
        f"disk: {in_words(plan['disk'])}, {in_words(plan['disk_free'])} free",
    ]
    if plan["advice"]:
        lines.append("with less memory:")
        lines += [
            f"  {each['change']}: {in_words(each['memory'])}{', which fits' if each['fits'] else ''}"
            for each in plan["advice"]
        ]
    lines.append("it fits" if plan["fits"] else "it does not fit: tune run would refuse it")
    return lines


def time_lines(seconds: dict[str, Any]) -> list[str]:
    """How long a run takes. seconds: as `finetune.plan.calibration.Time.as_json` gives them."""
    parts = ", ".join(f"{name} {_duration(seconds[name])}" for name in ("loading", "training", "evaluating", "proving"))
    return [
        f"time: {_duration(seconds['total'])} ({parts}), at {seconds['tokens_per_s']:.0f} tokens/s "
        f"measured over {seconds['measured_steps']} steps"
    ]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
