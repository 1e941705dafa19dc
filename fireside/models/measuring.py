"""Measures how fast a model runs on this machine, as the chat runs it, and finds the settings it runs fastest with."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fireside.errors import FiresideError, ModelError
from fireside.models.client import WorkerModel
from fireside.models.gguf.loading import GgufLoading
from fireside.models.sampling import GREEDY
from fireside.models.tuning import MARGIN, Rates, Tuned, fastest
from fireside.models.types import Finished, Request

ROUNDS = 3
_SENTENCE = "The fire burned low and the room was quiet again. "
_SENTENCE_TOKENS = 10
_PROBE = (80, 16)
_READ_S, _WRITE_S = 1.0, 0.4  # seconds that one measurement should take; enough to be steady, short enough for many
_SHORT_OF_MEMORY = 0.1  # of the machine's memory left free


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    candidates: value -> its rates, or why it could not be measured. chosen: field of `Tuned` -> value; why: in words.
    """

    setting: str
    candidates: Mapping[Any, Rates | str]
    chosen: Mapping[str, Any]
    why: str


async def measured(loading: GgufLoading) -> Rates:
    """The rates of one way of loading, without guessing ahead: how much that brings depends on the words.

    Raises FiresideError.
    """
    plain = replace(loading, speculate=False, draft=None, kv_folder=None)
    found = (await _compared({"": plain}, await _lengths(plain), ROUNDS, lambda: None))[""]
    if isinstance(found, str):
        raise ModelError(found)
    return found


async def tune(
    path: Path, context_length: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[Tuned, Rates, list[Trial]]:
    """Try settings one after the other, each with what the earlier ones chose; the choice, its rates, and all trials.

    progress: told (measurements done, all of them). Raises FiresideError where not even the defaults work.
    """
    import llama_cpp

    from fireside.cores import usable_cores

    cores = usable_cores()
    base = GgufLoading(path, context_length, threads=cores, threads_batch=cores, flash_attention="on", speculate=False)
    stages: list[tuple[str, tuple[Any, ...]]] = [
        ("threads", thread_counts(cores)),
        ("batch", (128, 256, 512, 1024)),
        ("flash_attention", ("on", "off")),
        ("cache_type", ("f16", "q8_0")),
        ("mmap", (True, False)),
    ]
    if llama_cpp.llama_supports_gpu_offload():
        stages.insert(0, ("gpu_layers", (0, -1)))
    total = ROUNDS * sum(len(values) for _, values in stages)
    done = itertools.count(1)

    def measured_one() -> None:
        progress(next(done), total)

    lengths = await _lengths(base)
    trials: list[Trial] = []
    rates = Rates()
    for setting, values in stages:
        if setting == "cache_type" and base.flash_attention == "off":
            trials.append(Trial(setting, {}, {}, "quantised keys and values need flash attention"))
            continue
        if setting == "mmap":
            found = await _loaded(_variants(base, setting, values), measured_one)
        else:
            found = await _compared(_variants(base, setting, values), lengths, ROUNDS, measured_one)
        trial = choose(setting, found, Tuned.of(base), free_memory())
        trials.append(trial)
        base = replace(base, **trial.chosen)
        here = found.get(getattr(base, setting))
        if isinstance(here, Rates) and here.decode:
            rates = here
    return Tuned.of(base), rates, trials


def thread_counts(cores: int) -> tuple[int, ...]:
    """Numbers of threads to try: each up to 4, then steps of a half up to all cores."""
    counts = [*range(1, 5), *(part << power for power in range(1, 12) for part in (3, 4))]
    return tuple(sorted({count for count in counts if count < cores} | {cores}))


def choose(setting: str, found: Mapping[Any, Rates | str], base: Tuned, memory: tuple[float, float] | None) -> Trial:
    """Decide on one setting from its candidates' rates.

    base: what is taken where nothing is clearly faster. memory: (free before, all) in MB, None where unknown. Raises
    ModelError where no candidate works.
    """
    good = {value: rates for value, rates in found.items() if isinstance(rates, Rates)}
    if not good:
        raise ModelError(f"the model cannot be measured: {next(iter(found.values()))}")
    default = getattr(base, setting)
    if default not in good:
        value = next(iter(good))
        chosen = {"threads": value, "threads_batch": value} if setting == "threads" else {setting: value}
        return Trial(setting, found, chosen, f"{shown(default)} does not work here")
    if setting == "threads":
        writing = fastest(default, {value: _slowness(rates.decode) for value, rates in good.items()})
        reading = fastest(default, {value: _slowness(rates.prefill) for value, rates in good.items()})
        chosen = {"threads": writing, "threads_batch": reading}
        return Trial(setting, found, chosen, f"{writing} for writing, {reading} for reading prompts")
    if setting == "mmap":
        value = fastest(default, {value: rates.load_s for value, rates in good.items()})
        why = "loads faster" if value != default else "loads as fast, and shares memory with other programs"
        return Trial(setting, found, {setting: value}, why)
    value = fastest(default, {value: rates.turn_s() for value, rates in good.items()})
    why = f"nothing else is faster by {MARGIN:.0%} in every round" if value == default else "faster"
    if setting == "cache_type":
        used = good[default].memory
        if value != default:
            why = "faster; it changes replies a little, which model.kv_type f16 avoids"
        elif "q8_0" in good and memory and used and memory[0] - used < _SHORT_OF_MEMORY * memory[1]:
            value = "q8_0"
            why = "memory is short; it changes replies a little, which model.kv_type f16 avoids"
        else:
            why = "exact; q8_0 takes less memory but is not faster, and it changes replies a little"
    return Trial(setting, found, {setting: value}, why)


def shown(value: Any) -> str:
    """A setting's value as the settings file has it."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def free_memory() -> tuple[float, float] | None:
    """(free, all) memory of the machine in MB, None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
        known = {line.partition(":")[0]: int(line.split()[1]) * 1024 / 1e6 for line in lines}
        return known["MemAvailable"], known["MemTotal"]
    except (OSError, ValueError, LookupError):
        return None


def _variants(base: GgufLoading, setting: str, values: Sequence[Any]) -> dict[Any, GgufLoading]:
    if setting == "threads":
        return {value: replace(base, threads=value, threads_batch=value) for value in values}
    return {value: replace(base, **{setting: value}) for value in values}


def _slowness(rates: Sequence[float]) -> tuple[float, ...]:
    return tuple(1 / rate for rate in rates)


async def _lengths(loading: GgufLoading) -> tuple[int, int]:
    """How many tokens to read and to write in a measurement, so that it takes about as long on any machine."""
    async with AsyncExitStack() as stack:
        model = WorkerModel("measured", loading)
        stack.push_async_callback(model.close)
        decode, prefill = await _once(model, 0, *_PROBE)
    longest = loading.context_length // 2
    return min(max(int(prefill * _READ_S), 64), 1024, longest), min(max(int(decode * _WRITE_S), 8), 96, longest)


async def _compared(
    loadings: Mapping[Any, GgufLoading], lengths: tuple[int, int], rounds: int, told: Callable[[], None]
) -> dict[Any, Rates | str]:
    """The rates of several ways of loading, each in a process of its own, taking turns; or why one has none."""
    failed: dict[Any, str] = {}
    models: dict[Any, WorkerModel] = {}
    decode: dict[Any, list[float]] = {value: [] for value in loadings}
    prefill: dict[Any, list[float]] = {value: [] for value in loadings}
    memory: dict[Any, float | None] = {}
    async with AsyncExitStack() as stack:
        for value, loading in loadings.items():
            models[value] = WorkerModel("measured", loading)
            stack.push_async_callback(models[value].close)
        # The round before the first is for warming up.
        for number in range(rounds + 1):
            for value, model in models.items():
                if number:
                    told()
                if value in failed:
                    continue
                try:
                    written, read = await _once(model, number, *(lengths if number else _PROBE))
                except FiresideError as error:
                    failed[value] = error.message
                    continue
                if number:
                    decode[value].append(written)
                    prefill[value].append(read)
                memory[value] = _memory(model.pid)
    return {
        value: failed[value]
        if value in failed
        else Rates(tuple(decode[value]), tuple(prefill[value]), memory=memory[value])
        for value in loadings
    }


async def _loaded(loadings: Mapping[Any, GgufLoading], told: Callable[[], None]) -> dict[Any, Rates | str]:
    """How long loading takes, until the first token; several ways of it, taking turns."""
    seconds: dict[Any, list[float]] = {value: [] for value in loadings}
    failed: dict[Any, str] = {}
    memory: dict[Any, float | None] = {}
    for number in range(ROUNDS):
        for value, loading in loadings.items():
            told()
            if value in failed:
                continue
            model = WorkerModel("measured", loading)
            try:
                finished = await _finished(model, Request(f"Page {number}.", GREEDY, max_tokens=1))
                seconds[value].append(finished.timings.load_s + finished.timings.first_token_s)
                memory[value] = _memory(model.pid)
            except FiresideError as error:
                failed[value] = error.message
            finally:
                await model.close()
    return {
        value: failed[value] if value in failed else Rates(load_s=tuple(seconds[value]), memory=memory[value])
        for value in loadings
    }


async def _once(model: WorkerModel, number: int, read: int, write: int) -> tuple[float, float]:
    """Tokens/s written and read, of one request. number: makes its beginning another one than before."""
    text = f"{number}. Page {number}. " + _SENTENCE * max(1, read // _SENTENCE_TOKENS)
    finished = await _finished(model, Request(text, GREEDY, max_tokens=write))
    usage, timings = finished.usage, finished.timings
    if usage.completion_tokens < 2 or timings.prefill_s <= 0:
        raise ModelError("the model wrote nothing that could be measured")
    return timings.tokens_per_s, (usage.prompt_tokens - usage.cached_tokens) / timings.prefill_s


async def _finished(model: WorkerModel, request: Request) -> Finished:
    async with aclosing(model.generate(request)) as events:
        async for event in events:
            if isinstance(event, Finished):
                return event
    raise ModelError("the model's reply did not end")


def _memory(process: int | None) -> float | None:
    """A process's resident memory in MB, None where the system does not tell.

    What it shares with others is counted in full, because the candidates measured beside it share the model's file.
    """
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text("utf-8").splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    return None


def median(figures: Sequence[float]) -> float:
    """The median, 0 where there are none."""
    return statistics.median(figures) if figures else 0.0
