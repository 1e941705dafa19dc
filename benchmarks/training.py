"""Measures a training run from command to verified adapter: time, speed, losses, the export's proof, and the swap.

    python benchmarks/training.py                # all rows, about four minutes on two cores
    python benchmarks/training.py --row run      # one row: run, swap or loss
    python benchmarks/training.py --data F.jsonl # other examples

Exits 1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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


def examples(dishes: str) -> str:
    """Short chats, one a line: 30 to train on, or 20 held back."""
    lines = []
    for dish in dishes.split():
        turns = (("user", f"Who cooks the {dish}?"), ("assistant", f"Marlow cooks the {dish}, by the fire."))
        lines.append(json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}))
    return "\n".join(lines)


def train(folder: Path, data: Path | None) -> tuple[dict[str, Any], float]:
    """Run `fireside tune run --json` with the default configuration; return its last line and the seconds it took."""
    (folder / "examples.jsonl").write_text(examples(DISHES), "utf-8")
    (folder / "held_back.jsonl").write_text(examples(HELD_BACK), "utf-8")
    held_back = 'held_back = "held_back.jsonl"\n' if data is None else ""
    source = json.dumps(str(data.absolute() if data else folder / "examples.jsonl"))
    (folder / "run.toml").write_text(f'name = "bench"\ndata = {source}\n{held_back}', "utf-8")
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


def main() -> int:
    """Run the rows asked for; 1 where one misses its figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", choices=("run", "swap", "loss"), help="only this row")
    parser.add_argument("--data", type=Path, help="chat-format JSON lines to train on instead of the built-in 30")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{platform.platform()}, {cores} cores, {datetime.now(UTC):%Y-%m-%d}")
    passed = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if options.row in (None, "run", "swap"):
            last, seconds = train(folder, options.data)
            if options.row != "swap":
                passed.append(run_row(last, seconds))
            if options.row != "run":
                passed.append(swap_row(folder / "home" / "adapters" / "bench" / "adapter.gguf"))
    if options.row in (None, "loss"):
        passed.append(loss_row())
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
