"""Measures all that training must reach: the rows of its own below, and those that other scripts hold (`ELSEWHERE`).

    python benchmarks/training.py                             # all rows, about an hour on two cores
    python benchmarks/training.py --row run                   # one row
    python benchmarks/training.py --row recipe --data F.jsonl # a run over 200 examples of one's own

run: from the command to the verified adapter. swap: that adapter in an open model. nf4: the same run over 4-bit
weights. loss: a step's cost. recipe: a run whose held-back loss must fall by 15 %; only with --data. Exits 1 where a
figure is missed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DISHES = (
    "soup bread rice tea pasta salad porridge stew pie curry omelette pancakes noodles beans lentils chili risotto "
    "sushi tacos pizza toast cake muffins cookies jam yoghurt cheese butter custard sorbet"
)
HELD_BACK = (
    "gravy stuffing dumplings waffles granola coffee cocoa lemonade chowder goulash ratatouille lasagne gnocchi "
    "polenta falafel hummus paella quiche trifle fudge"
)

# What `recipe` trains on: so many rows of the file, and how much of the held-back loss must go.
RECIPE_ROWS, RECIPE_FALL = 200, 0.15

OWN = ("run", "swap", "nf4", "loss", "recipe")
_SPEED = ("training_speed.py", "--row", "throughput")
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "throughput": _SPEED,
    "arithmetic": _SPEED,
    "mixed": ("training_speed.py", "--row", "mixed"),
    "export": ("export.py", "--row", "adapter"),
    "nf4-export": ("export.py", "--row", "nf4"),
    "tokenizers": ("export.py", "--row", "tokenizers"),
    "quantise": ("export.py", "--row", "quantise"),
    "dedup": ("dedup.py",),
    "personal-data": ("personal_data.py",),
    "memory": ("plan.py", "--row", "memory"),
    "time": ("plan.py", "--row", "time"),
    "kills": ("faults.py", "--row", "training"),
}
"""Rows that another script of this folder measures, and its command."""


def examples(dishes: str) -> str:
    """Short chats, one a line: 30 to train on, or 20 held back."""
    lines = []
    for dish in dishes.split():
        turns = (("user", f"Who cooks the {dish}?"), ("assistant", f"Marlow cooks the {dish}, by the fire."))
        lines.append(json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}))
    return "\n".join(lines)


def train(folder: Path, configuration: str) -> tuple[dict[str, Any], float]:
    """Run `fireside tune run --json` with the `configuration`; return its last line and the seconds it took."""
    (folder / "run.toml").write_text(configuration, "utf-8")
    began = time.perf_counter()
    finished = subprocess.run(
        [sys.executable, "-m", "tui.cli", "tune", "run", str(folder / "run.toml"), "--json"],
        env={**os.environ, "FIRESIDE_HOME": str(folder / "home")},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if not finished.stdout.strip():
        sys.exit(1)
    return json.loads(finished.stdout.splitlines()[-1]), seconds


def made(folder: Path, name: str) -> str:
    """The default configuration of a run called `name` over the made examples, which are written to `folder`."""
    (folder / "examples.jsonl").write_text(examples(DISHES), "utf-8")
    (folder / "held_back.jsonl").write_text(examples(HELD_BACK), "utf-8")
    return f'name = "{name}"\ndata = "examples.jsonl"\nheld_back = "held_back.jsonl"\n'


def run_row(last: dict[str, Any], seconds: float) -> bool:
    """The run's and the proof's figures against what they must reach."""
    m = last["metrics"]
    print(f"run      {seconds:.0f} s in all, {m['seconds']:.0f} s of it training {m['steps']} steps,", end=" ")
    print(f"{m['tokens_per_s']:.0f} tokens/s (must: under 300 s)")
    print(f"loss     held back {m['eval_loss_before']:.3f} -> {m['eval_loss_after']:.3f} (must: fall)")
    print(f"verify   {m['prompts']} prompts, {m['positions']} positions")
    for label, prefix in (("adapter", ""), ("base", "base_")):
        figures = [m[f"{prefix}{name}"] for name in ("agreement", "kl", "logit_error")]
        print("  {:<9}same token {:.4f}  KL {:.6f}  logit difference {:.4f}".format(label, *figures))
    print("  must:  same token 0.95 or more, KL at most 0.01 and twice the base's, logits twice the base's")
    return bool(seconds < 300 and m["eval_loss_after"] < m["eval_loss_before"] and last["verified"])


def nf4_row(folder: Path) -> bool:
    """A run over 4-bit weights: proved over a file of those weights; how far the bundled file is off is only told."""
    last, seconds = train(folder, made(folder, "bench-nf4") + 'weights = "nf4"\n')
    m = last["metrics"]
    print(f"nf4      {seconds:.0f} s, held back {m['eval_loss_before']:.3f} -> {m['eval_loss_after']:.3f},", end=" ")
    print(f"verified: {last['verified']} (must: True); same token {m['agreement']:.4f}, KL {m['kl']:.2g};", end=" ")
    print(f"over the bundled file itself {m['drift_agreement']:.4f}, {m['drift_kl']:.2g}")
    return bool(last["verified"] and m["eval_loss_after"] < m["eval_loss_before"])


def recipe_row(folder: Path, data: Path) -> bool:
    """Two epochs over the first rows of `data`, in any format that a run reads; all else as by default."""
    from finetune.data.load import Row, read_rows

    rows = [
        json.dumps(row.value) for row in itertools.islice(read_rows(str(data)), RECIPE_ROWS) if isinstance(row, Row)
    ]
    (folder / "rows.jsonl").write_text("\n".join(rows), "utf-8")
    last, seconds = train(folder, 'name = "bench-recipe"\ndata = "rows.jsonl"\n[training]\nepochs = 2\n')
    m = last["metrics"]
    fall = 1 - m["eval_loss_after"] / m["eval_loss_before"]
    print(f"recipe   {len(rows)} rows, {seconds:.0f} s in all, {m['seconds']:.0f} s of it training,", end=" ")
    print(f"{m['tokens_per_s']:.0f} tokens/s, verified: {last['verified']}")
    curve = next((folder / "home" / "runs").glob("bench-recipe-*")) / "metrics.jsonl"
    for line in map(json.loads, curve.read_text("utf-8").splitlines()):
        if line["eval_loss"] is not None:
            print(f"           step {line['step']:>4}  held-back loss {line['eval_loss']:.3f}")
    print(f"           {fall:.0%} lower (must: {RECIPE_FALL:.0%})")
    return bool(last["verified"] and fall >= RECIPE_FALL)


def swap_row(adapter: Path) -> bool:
    """Loading an adapter into an open model, swapping it in and out, and that nothing of it stays behind."""
    import numpy as np

    from fireside.models.bundled import CHAT_MODEL, checked
    from fireside.models.gguf.forcing import TeacherForcing

    engine = TeacherForcing(checked(CHAT_MODEL), context_length=512)
    tokens = engine.model.tokenize("Who cooks the soup?", add_special=False)
    before = engine.logits(tokens)
    load = timed(lambda: engine.apply_adapters([(adapter, 1.0)]))
    swaps = []
    for _ in range(20):
        swaps.append(timed(lambda: engine.apply_adapters([])))
        swaps.append(timed(lambda: engine.apply_adapters([(adapter, 1.0)])))
    engine.apply_adapters([])
    identical = bool(np.array_equal(before, engine.logits(tokens)))
    engine.free()
    print(f"swap     first load {load * 1000:.1f} ms, then {statistics.median(swaps) * 1000:.2f} ms;", end=" ")
    print(f"logits after taking it out bit-identical: {identical} (must: True)")
    return identical


def loss_row() -> bool:
    """The loss on reply positions only against the plain loss, forward and backward, alternating."""
    import torch

    from finetune.base import find_base
    from finetune.batches import collate
    from finetune.loss import reply_loss
    from finetune.weights import load

    model = load(find_base("smollm2-135m"))
    model.model.embed_tokens.weight.requires_grad_(True)
    length, reply = 64, 16
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(100, 40_000, (4, length), generator=generator).tolist()
    labels = [[-100] * (length - reply) + row[-reply:] for row in rows]
    batch = collate([{"input_ids": r, "labels": label} for r, label in zip(rows, labels, strict=True)])

    def ours() -> None:
        loss, count = reply_loss(model, batch)
        torch.autograd.backward(loss / count)

    def plain() -> None:
        torch.autograd.backward(model(**batch).loss)

    ours()
    plain()
    pairs = [(timed(ours), timed(plain)) for _ in range(5)]
    mine, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"step     loss on replies only {mine:.2f} s, plain {theirs:.2f} s:", end=" ")
    print(f"{theirs / mine:.2f} times as fast (must: over 1)")
    return bool(theirs > mine)


def timed(act: Callable[[], object]) -> float:
    """Seconds that `act` takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def elsewhere(name: str) -> bool:
    """Run the row's script; whether it met its figures."""
    script, *options = ELSEWHERE[name]
    return subprocess.run([sys.executable, str(Path(__file__).parent / script), *options], check=False).returncode == 0


def own_rows(names: Sequence[str], data: Path | None, folder: Path) -> Iterator[tuple[str, bool]]:
    """The rows of this script among `names`, and whether each met its figure. folder: an empty one."""
    if "run" in names or "swap" in names:
        last, seconds = train(folder, made(folder, "bench"))
        if "run" in names:
            yield "run", run_row(last, seconds)
        if "swap" in names:
            yield "swap", swap_row(folder / "home" / "adapters" / "bench" / "adapter.gguf")
    if "nf4" in names:
        yield "nf4", nf4_row(folder)
    if "loss" in names:
        yield "loss", loss_row()
    if "recipe" in names and data is not None:
        yield "recipe", recipe_row(folder, data)


def main() -> int:
    """Run the rows asked for; 1 where one misses its figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", choices=(*OWN, *ELSEWHERE), help="only this row")
    parser.add_argument("--data", type=Path, help="examples for the row `recipe`, in any format `data preview` reads")
    options = parser.parse_args()
    if options.row == "recipe" and options.data is None:
        parser.error("the row recipe needs --data")
    names = [options.row] if options.row else [*OWN, *ELSEWHERE]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{platform.platform()}, {cores} cores, {datetime.now(UTC):%Y-%m-%d}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        met = dict(own_rows(names, options.data, Path(temporary)))
    # One command may hold two rows.
    rows_of = {ELSEWHERE[name]: name for name in names if name in ELSEWHERE}
    for name in rows_of.values():
        print(f"--- {' '.join(ELSEWHERE[name])}", flush=True)
        met[name] = elsewhere(name)
    missed = [name for name, good in met.items() if not good]
    print(f"missed: {', '.join(missed)}" if missed else "all met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
