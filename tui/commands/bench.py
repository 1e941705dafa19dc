"""`fireside bench`: how fast the chat model runs here, with which settings and why; `--tune` finds the fastest ones."""

from __future__ import annotations

import argparse
import asyncio
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fireside.cores import usable_cores
from tui.console import Progress, emit, note, say

if TYPE_CHECKING:
    from fireside.models.catalog import ModelFile
    from fireside.models.measuring import Trial
    from fireside.models.tuning import Rates

_BUSY = 0.5  # processes ready to run, of the cores: more bears on what is measured


def add_parser(subparsers: Any) -> None:
    """Add the `bench` subcommand."""
    parser = subparsers.add_parser(
        "bench",
        help="measure this machine, and tune to it",
        description="Measure how fast the chat model runs on this machine. With --tune, try threads, batch sizes, "
        "flash attention, the type of the cache, memory mapping and, where there is one, the GPU; the choice is kept "
        "and used from then on, except for what your settings say. It takes about a minute.",
    )
    parser.add_argument("--model", help="a model's name, or the path of a GGUF file")
    parser.add_argument("--tune", action="store_true", help="find the fastest settings and keep them")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(handler=run)


def run(options: argparse.Namespace) -> int:
    """Measure the model, or tune it."""
    from fireside.errors import ModelError
    from fireside.models.catalog import find
    from fireside.settings import load
    from tui.models import REMOTE

    settings = load()
    name = options.model or settings.model.name
    if name.startswith(REMOTE):
        raise ModelError(f"{name} runs on a server", "bench measures models that run here: give one with --model")
    model = find(name)
    if model.path.suffix != ".gguf":
        raise ModelError(f"{model.name} is not a GGUF file", "bench measures GGUF models: give one with --model")
    return _tune(settings, model, options.json) if options.tune else _measure(settings, model, options.json)


def _measure(settings: Any, model: ModelFile, as_json: bool) -> int:
    """Show the rates with the settings in use, and where these come from."""
    from fireside.models import measuring, tuning
    from tui.models import gguf_loading

    loading = gguf_loading(settings, model.path)
    rates = asyncio.run(measuring.measured(loading))
    own, known = tuning.own_settings(settings.model), tuning.chosen(model.path)
    origins = tuning.origins(own, known)
    used = asdict(tuning.Tuned.of(loading))
    # 0 is as many as there are cores, or as many as for writing.
    used["threads"] = used["threads"] or usable_cores()
    used["threads_batch"] = used["threads_batch"] or used["threads"]
    machine = tuning.this_machine()
    if as_json:
        emit(
            {
                "machine": asdict(machine),
                "model": model.name,
                **_figures(rates),
                "settings": [
                    {"name": tuning.setting_name(name), "value": value, "from": origins[name]}
                    for name, value in used.items()
                ],
            }
        )
        return 0
    say(f"machine  {machine}")
    say(f"model    {model.name}, {model.path}")
    say(f"writing  {measuring.median(rates.decode):.0f} tokens/s")
    say(f"reading  {measuring.median(rates.prefill):.0f} tokens/s")
    if rates.memory:
        say(f"memory   {rates.memory:.0f} MB at {loading.context_length} tokens of context")
    say("")
    for name, value in used.items():
        say(f"{tuning.setting_name(name):<16} {measuring.shown(value):<10} {origins[name]}")
    if known is None:
        note("hint: `fireside bench --tune` finds the fastest settings for this machine, in about a minute")
    return 0


def _tune(settings: Any, model: ModelFile, as_json: bool) -> int:
    """Try what there is, show it, and keep the choice."""
    from datetime import UTC, datetime

    from fireside.models import measuring, tuning
    from fireside.models.digests import known_sha256

    if busy := _busy():
        note(f"{busy}; measure again when it is quiet if the figures surprise you")
    progress = Progress("measuring", "measurements")
    tuned, rates, trials = asyncio.run(measuring.tune(model.path, settings.model.context_length, progress.update))
    figures = _figures(rates)
    measurement = tuning.Measurement(
        known_sha256(model.path),
        str(model.path),
        tuned,
        figures["decode_tokens_per_s"],
        figures["prefill_tokens_per_s"],
        datetime.now(UTC).date().isoformat(),
    )
    kept = tuning.keep(measurement)
    own = sorted(map(tuning.setting_name, tuning.own_settings(settings.model)))
    if as_json:
        emit(
            {
                "machine": asdict(tuning.this_machine()),
                "model": model.name,
                "trials": [_trial(trial) for trial in trials],
                "chosen": asdict(tuned),
                **figures,
                "set_by_you": own,
                "file": str(kept),
            }
        )
        return 0
    _table(trials)
    say("")
    say(
        f"writing {figures['decode_tokens_per_s']:.0f} tokens/s, reading {figures['prefill_tokens_per_s']:.0f} tokens/s"
    )
    say(f"kept in {kept}; used from the next start on")
    if own:
        note(f"your settings stay as they are: {', '.join(own)}")
    return 0


def _busy() -> str:
    """What is said where other programs are at work on this machine."""
    cores = usable_cores()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return f"this machine is busy (load {load:.1f} on {cores} cores)" if load > _BUSY * cores else ""


def _table(trials: list[Trial]) -> None:
    """Every candidate with its figures, the chosen ones marked."""
    from fireside.models.measuring import median, shown
    from fireside.models.tuning import Rates, setting_name

    say(f"{'':<18}{'':<10}{'writing':>9}{'reading':>9}{'loading':>9}{'memory':>9}")
    for trial in trials:
        for number, (value, rates) in enumerate(trial.candidates.items()):
            mark = "*" if value in trial.chosen.values() else " "
            name = setting_name(trial.setting) if number == 0 else ""
            head = f"{name:<16}{mark} {shown(value):<10}"
            if not isinstance(rates, Rates):
                say(f"{head}  {rates}")
                continue
            cells = (
                f"{median(rates.decode):.0f}/s" if rates.decode else "",
                f"{median(rates.prefill):.0f}/s" if rates.prefill else "",
                f"{median(rates.load_s):.2f} s" if rates.load_s else "",
                f"{rates.memory:.0f} MB" if rates.memory else "",
            )
            say(head + "".join(f"{cell:>9}" for cell in cells))
        say(f"{'' if trial.candidates else setting_name(trial.setting):<16}  {trial.why}")


def _figures(rates: Rates) -> dict[str, Any]:
    from fireside.models.measuring import median

    return {
        "decode_tokens_per_s": round(median(rates.decode), 1),
        "prefill_tokens_per_s": round(median(rates.prefill), 1),
        "memory_mb": round(rates.memory) if rates.memory else None,
    }


def _trial(trial: Trial) -> dict[str, Any]:
    """A trial as JSON."""
    from fireside.models.measuring import median
    from fireside.models.tuning import Rates

    candidates = [
        {"value": value, **_figures(rates), "load_s": round(median(rates.load_s), 3) or None}
        if isinstance(rates, Rates)
        else {"value": value, "failed": rates}
        for value, rates in trial.candidates.items()
    ]
    return {"setting": trial.setting, "candidates": candidates, "chosen": dict(trial.chosen), "why": trial.why}
