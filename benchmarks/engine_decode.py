"""Rows on writing speed: against a bare loop, llama-cpp-python and llama.cpp's server, and with prompt lookup."""

from __future__ import annotations

import importlib.util
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from engine_measure import Bench, Child, alternate, figures, loaded, ratio, replied, skipped, verdict
from engine_texts import PASSAGE, PROSE

from fireside.models.client import WorkerModel
from fireside.models.sampling import GREEDY
from fireside.models.types import Message, Request, TokenScore

# Least rates over a bare loop, llama-cpp-python and llama.cpp's server, by the length of the reply.
LIMITS = {100: (0.97, 1.05, 1.0), 2000: (0.97, 1.5, 1.15)}
NAMES = {"bare": "a bare llama_decode loop", "python": "llama-cpp-python's streaming", "server": "llama.cpp's server"}

COPIED = 160
"""Tokens of an answer that copies."""
PROSE_TOKENS = 160
CEILING_SIZES = (4, 8, 12, 16)
_SAME = 0.05  # a gap between two logits that batches of other sizes round across


async def decode(bench: Bench, length: int) -> bool:
    """Tokens a second of a greedy reply. Speculation is off: it has rows of its own."""
    kinds = ["bare", "python"]
    if importlib.util.find_spec("xllamacpp"):
        kinds.append("server")
    async with loaded(bench.loading()) as model:
        with ExitStack() as stack:
            children = {kind: stack.enter_context(Child(kind, bench)) for kind in kinds}
            tokens = children["bare"].ask("tokens", text=PROSE)

            async def ours(_: int) -> float:
                reply = await replied(model, Request(PROSE, GREEDY, max_tokens=length))
                written = reply.finished.usage.completion_tokens
                if written < length:
                    print(f"    the model ended its reply after {written} of {length} tokens")
                return reply.rate

            def theirs(kind: str) -> Any:
                async def asked(_: int) -> float:
                    return float(children[kind].ask("decode", tokens=tokens, count=length)["rate"])

                return asked

            subjects = {"ours": ours, **{kind: theirs(kind) for kind in kinds}}
            for subject in subjects.values() if length == 100 else ():
                await subject(0)
            found = await alternate(bench.runs if length == 100 else min(3, bench.runs), subjects)
    figures({NAMES.get(kind, "fireside, at the client"): rates for kind, rates in found.items()}, "tokens/s")
    good = True
    for kind, limit in zip(NAMES, LIMITS[length], strict=True):
        if kind in found:
            good &= verdict(f"over {NAMES[kind]}", ratio(found["ours"], found[kind]), limit)
        else:
            good &= skipped(f"over {NAMES[kind]}", "install xllamacpp, a package for this benchmark only")
    if "server" in found:
        print("    (xllamacpp's wheel is built for any x86-64 CPU of its kind; llama-cpp-python's for this one)")
    return good


async def decode_100(bench: Bench) -> bool:
    return await decode(bench, 100)


async def decode_2000(bench: Bench) -> bool:
    return await decode(bench, 2000)


def copying() -> Request:
    """An answer that copies from a context of about 1,000 tokens."""
    question = Message("user", f"Repeat this text word for word:\n\n{PASSAGE}")
    return Request((question,), GREEDY, max_tokens=COPIED, reply_prefix=PASSAGE[:185])


async def lookup_copy(bench: Bench) -> bool:
    """Greedy decode with prompt lookup over without, on an answer that copies; and that it is the same answer."""
    with Child("bare", bench) as bare:
        tokens = bare.ask("tokens", text=PASSAGE)
        ceilings = bare.ask("batches", tokens=tokens, sizes=CEILING_SIZES, runs=5)["ratios"]
        speedup, same = await lookup(bench, copying())
        # What else the machine does may change, so the ceiling is taken on both sides of the row.
        later = bare.ask("batches", tokens=tokens, sizes=CEILING_SIZES, runs=5)["ratios"]
    means = {size: (ceilings[size] + later[size]) / 2 for size in ceilings}
    best = max(means, key=lambda size: means[size])
    print("    tokens in one batch against single ones: " + ", ".join(f"{k}: {x:.2f}x" for k, x in means.items()))
    good = verdict(f"with lookup over without, of the ceiling ({best} tokens)", speedup / means[best], 0.8)
    return verdict("with lookup over without", speedup, 1.25) and good and same


async def lookup_prose(bench: Bench) -> bool:
    """The same on free prose: greedy, where it may repeat itself, and with a penalty that keeps it from that."""
    request = Request(PROSE, GREEDY, max_tokens=PROSE_TOKENS)
    speedup, same = await lookup(bench, request)
    good = verdict("with lookup over without, on free prose", speedup, 0.98) and same
    # The penalty comes after the logits that are compared, so only the speed counts here.
    speedup, _ = await lookup(bench, replace(request, sampling=replace(GREEDY, repeat_penalty=1.2)), compare=False)
    return verdict("with lookup over without, on prose that does not repeat", speedup, 0.98) and good


async def lookup(bench: Bench, request: Request, *, compare: bool = True) -> tuple[float, bool]:
    """How many times as fast the reply is with lookup, and whether it is the same (True where not compared)."""
    async with loaded(bench.loading(speculate=True)) as guessing, loaded(bench.loading()) as plain:

        async def rate(model: WorkerModel) -> float:
            reply = await replied(model, request)
            usage = reply.finished.usage
            if model is guessing:
                drafted.append((usage.completion_tokens, usage.drafted_tokens, usage.accepted_tokens))
            return reply.rate

        drafted: list[tuple[int, int, int]] = []
        subjects = {"with lookup": lambda _: rate(guessing), "without": lambda _: rate(plain)}
        for subject in subjects.values():
            await subject(0)
        found = await alternate(bench.runs, subjects)
        same = True
        if compare:
            scored = replace(request, scores=2)
            same = _same((await replied(guessing, scored)).scores, (await replied(plain, scored)).scores)
    figures(found, "tokens/s")
    print("    of {} tokens, {} were guessed and {} of the guesses were right".format(*drafted[-1]))
    return ratio(found["with lookup"], found["without"]), same


def _same(ours: tuple[TokenScore, ...], theirs: tuple[TokenScore, ...]) -> bool:
    """Whether two greedy replies are the same, or first differ where the two best logits are as good as equal."""
    for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if one.token != other.token:
            gap = max(abs(each.top[0][1] - each.top[1][1]) for each in (one, other))
            print(f"    the replies differ from token {place} on, where the best two logits are {gap:.4f} apart")
            return verdict("gap between the two best logits at the first difference", gap, _SAME, most=True)
    same = len(ours) == len(theirs)
    print(f"    the same {len(ours)} tokens" if same else f"    {len(ours)} tokens and {len(theirs)}: not the same")
    return same
