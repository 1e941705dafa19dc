"""Rows on what a chat waits for: turn 2, going on after a restart, constrained replies, and adapters that swap."""

from __future__ import annotations

import itertools
import shutil
import statistics
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from engine_measure import Bench, Reply, alternate, figures, loaded, ratio, replied, verdict
from engine_texts import LETTER, PASSAGE

from fireside.models.client import WorkerModel
from fireside.models.constraints import Constraint, Gbnf, JsonSchema
from fireside.models.gguf_header import read_header
from fireside.models.sampling import GREEDY
from fireside.models.types import AdapterUse, Message, Request

SHORTEST = 1500
"""Tokens the conversation of turn 2 must have, the system prompt to the question."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 80},
        "summary": {"type": "string", "maxLength": 400},
        "fares": {
            "type": "array",
            "minItems": 3,
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {
                    "who": {"type": "string", "maxLength": 40},
                    "coppers": {"type": "integer", "minimum": 0, "maximum": 20},
                    "waits": {"type": "boolean"},
                },
                "required": ["who", "coppers", "waits"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["title", "summary", "fares"],
    "additionalProperties": False,
}
GRAMMAR = r"""
root ::= "# " line ("- " line){6}
line ::= [A-Za-z] [A-Za-z0-9 ,.'-]{30,60} "\n"
"""


BEGINNINGS = "Apples Birds Clouds Doors Eggs Fires Gardens Houses Islands Jars Keys Lamps Mirrors Nests Oars Pears"


def conversation(name: str) -> tuple[Message, ...]:
    """The first turn of a conversation; of two with other names, only a handful of tokens are the same."""
    text = f"{PASSAGE}\n{LETTER}\nWhat does the keeper do first in the morning?"
    return Message("system", f"{name} is who you are. You answer questions."), Message("user", text)


def second_turn(first: tuple[Message, ...], reply: str) -> tuple[Message, ...]:
    return (*first, Message("assistant", reply), Message("user", "And what is the last duty of the day?"))


async def turn(model: WorkerModel, messages: tuple[Message, ...], *, keep: bool = False) -> Reply:
    return await replied(model, Request(messages, GREEDY, max_tokens=24, keep=keep))


def _told(replies: list[Reply]) -> None:
    usage = [reply.finished.usage for reply in replies]
    tokens, cached = {each.prompt_tokens for each in usage}, {each.cached_tokens for each in usage}
    print(f"    turn 2 has {min(tokens)} tokens, of which {min(cached)} were in the cache or on disk")
    if min(tokens) < SHORTEST:
        print(f"    that is fewer than {SHORTEST}")


def _milliseconds(found: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: [1000 * value for value in values] for name, values in found.items()}


async def turn_2(bench: Bench) -> bool:
    """Time to the first token of the second turn, against the same prompt with nothing in the cache."""
    seen: list[Reply] = []
    async with loaded(bench.loading()) as model:

        async def warm(run: int) -> float:
            first = conversation(f"{run} times Anna")
            opening = await turn(model, first)
            seen.append(await turn(model, second_turn(first, opening.text)))
            return seen[-1].first_s

        async def cold(run: int) -> float:
            reply = await turn(model, second_turn(conversation(f"{run} times Bert"), "He lights the stove."))
            if reply.finished.usage.cached_tokens >= 32:
                raise SystemExit("the cold prompt was not cold")
            return reply.first_s

        await cold(99)
        found = await alternate(bench.runs, {"turn 2": warm, "cold": cold})
    figures(_milliseconds(found), "ms to the first token")
    _told(seen)
    return verdict("turn 2 over cold", ratio(found["turn 2"], found["cold"]), 0.10, most=True)


async def restart(bench: Bench) -> bool:
    """The same in a process just started, which finds the KV state of turn 1 on disk. Loading is not counted."""
    kept = bench.folder / "kv"
    first = conversation("Anna")
    async with loaded(bench.loading(kv_folder=kept)) as model:
        opening = await turn(model, first, keep=True)
    if not list(kept.glob("*.kv")):
        raise SystemExit("the conversation's state was not written to disk")
    asked = second_turn(first, opening.text)
    seen: list[Reply] = []

    async def restored(run: int) -> float:
        folder = bench.folder / f"kv-{run}"
        shutil.copytree(kept, folder)
        async with loaded(bench.loading(kv_folder=folder)) as model:
            seen.append(await turn(model, asked, keep=True))
        return seen[-1].first_s

    async def cold(_: int) -> float:
        async with loaded(bench.loading()) as model:
            return (await turn(model, asked)).first_s

    found = await alternate(bench.runs, {"restored from disk": restored, "cold": cold})
    figures(_milliseconds(found), "ms to the first token")
    _told(seen)
    return verdict("restored over cold", ratio(found["restored from disk"], found["cold"]), 0.20, most=True)


async def grammar(bench: Bench) -> bool:
    """Tokens a second of a constrained reply over a free one of the same length, everything else as in a chat."""
    good = True
    # Nothing to copy from, so that prompt lookup bears on neither.
    asked = (Message("user", "Describe an old ferry house by a river and its fares."),)
    constraints: dict[str, Constraint] = {"JSON schema": JsonSchema(SCHEMA), "GBNF": Gbnf(GRAMMAR)}
    async with loaded(bench.loading(speculate=True)) as model:
        for name, constraint in constraints.items():
            held = await replied(model, Request(asked, GREEDY, max_tokens=400, constraint=constraint))
            usage = held.finished.usage
            # A reply that has begun goes on for as long.
            free_request = Request(asked, GREEDY, max_tokens=usage.completion_tokens, reply_prefix="The ferry house")
            held_request = Request(asked, GREEDY, max_tokens=400, constraint=constraint)
            free = await replied(model, free_request)
            subjects = {f"held to a {name}": rate_of(model, held_request), "free": rate_of(model, free_request)}
            found = await alternate(bench.runs, subjects)
            figures(found, "tokens/s")
            written = free.finished.usage
            print(
                f"    held: {usage.completion_tokens} tokens, {usage.accepted_tokens} of them guessed or forced; "
                f"free: {written.completion_tokens}, {written.accepted_tokens}"
            )
            if held.finished.reason != "stop":
                print(f"    the constrained reply did not end: {held.text[-60:]!r}")
                good = False
            good &= verdict(f"{name}, constrained over free", ratio(found[f"held to a {name}"], found["free"]), 0.90)
    return good


def rate_of(model: WorkerModel, request: Request) -> Callable[[int], Awaitable[float]]:
    """Measures the tokens a second of `request`."""

    async def rate(_: int) -> float:
        return (await replied(model, request)).rate

    return rate


def write_adapter(model: Path, path: Path, seed: int) -> Path:
    """A LoRA adapter of rank 8 on every projection of `model`, with small random weights."""
    import gguf
    import numpy as np

    random, header = np.random.default_rng(seed), read_header(model)
    writer = gguf.GGUFWriter(path, header.text("general.architecture"))
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 16.0)
    for tensor in header.tensors:
        if tensor.name.startswith("blk.") and len(tensor.shape) == 2 and tensor.name.endswith(".weight"):
            width, height = tensor.shape
            a = random.normal(0, 0.01, (8, width)).astype(np.float32)
            b = random.normal(0, 0.01, (height, 8)).astype(np.float32)
            writer.add_tensor(f"{tensor.name}.lora_a", a)
            writer.add_tensor(f"{tensor.name}.lora_b", b)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


async def swap(bench: Bench) -> bool:
    """What an adapter adds to the time to the first token of a short prompt, read from disk or swapped for another."""
    files = [write_adapter(bench.model, bench.folder / f"{run}.gguf", run) for run in range(bench.runs + 2)]

    # The prompts have the same length and begin with other words, so that each is computed anew.
    words = itertools.cycle(BEGINNINGS.split())
    async with loaded(bench.loading()) as model:

        async def first(number: int) -> float:
            adapter = AdapterUse(str(number), files[number])
            asked = Request(f"{next(words)} in the morning", GREEDY, max_tokens=2, adapters=(adapter,))
            reply = await replied(model, asked)
            if reply.finished.usage.cached_tokens > 1:
                raise SystemExit("the prompt was in the cache")
            return reply.first_s

        async def fresh(run: int) -> float:
            """An adapter not seen before."""
            await first(0)
            return await first(2 + run)

        async def swapped(_: int) -> float:
            """Another one than the last, read before."""
            await first(0)
            return await first(1)

        async def unchanged(_: int) -> float:
            await first(0)
            return await first(0)

        await swapped(0)
        subjects = {"new adapter": fresh, "swapped": swapped, "unchanged": unchanged}
        found = _milliseconds(await alternate(bench.runs, subjects))
    figures(found, "ms to the first token")
    size = files[0].stat().st_size / 1e6
    differences = {
        name: statistics.median(a - b for a, b in zip(found[name], found["unchanged"], strict=True))
        for name in ("new adapter", "swapped")
    }
    what = f"reading and applying an adapter of {size:.0f} MB"
    good = verdict(what, differences["new adapter"], 50, most=True, unit="ms")
    return verdict("swapping two that were read before", differences["swapped"], 50, most=True, unit="ms") and good
