"""Compares what `fireside tune plan` foretells with what real runs take: memory at the peak, and time.

    python benchmarks/plan.py                 # both rows, about ten minutes on two cores
    python benchmarks/plan.py --row memory    # one row: memory or time

Each run is a command of its own over the bundled model. Exits 1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from finetune.run import list_runs
from finetune.status import read_status

MOST_OFF = 0.2
WORDS = (
    "oak",
    "ash",
    "elm",
    "fir",
    "bay",
    "yew",
    "rye",
    "oat",
    "hop",
    "tea",
    "fog",
    "dew",
    "ice",
    "sea",
    "cliff",
    "dune",
)

# Name, tables of the configuration, examples and their words. Six kinds of peak: loading, the fast path with short and
# long rows, transformers' own path, 4-bit weights, and all weights trained.
CONFIGURATIONS: tuple[tuple[str, str, int, int], ...] = (
    ("short", "", 12, 20),
    ("packed", '[training]\nbatch_size = 4\nmax_length = 512\npacking = "on"', 24, 90),
    ("long", "[training]\nbatch_size = 4\nmax_length = 1024", 8, 380),
    ("dropout", "[lora]\ndropout = 0.05\n[training]\nbatch_size = 4\nmax_length = 512", 8, 200),
    ("nf4", 'weights = "nf4"\n[training]\nbatch_size = 4\nmax_length = 256', 8, 100),
    ("full", 'method = "full"\n[training]\nbatch_size = 2\nmax_length = 256', 8, 100),
)


def write_run(folder: Path, name: str, tables: str, examples: int, words: int, epochs: int) -> Path:
    """A configuration and its data in `folder`; returns the configuration's file."""
    generator = random.Random(name)
    rows = []
    for _ in range(examples + 2):
        text = " ".join(generator.choice(WORDS) for _ in range(words))
        turns = [{"role": "user", "content": text[: len(text) * 2 // 3]}, {"role": "assistant", "content": text}]
        rows.append(json.dumps({"messages": turns}))
    (folder / f"{name}.jsonl").write_text("\n".join(rows[2:]), "utf-8")
    (folder / f"{name}-held.jsonl").write_text("\n".join(rows[:2]), "utf-8")
    top, _, rest = tables.partition("[")
    rest = f"[{rest}" if rest else ""
    if "[training]" not in rest:
        rest += "\n[training]"
    file = folder / f"{name}.toml"
    file.write_text(
        f'name = "{name}"\ndata = "{name}.jsonl"\nheld_back = "{name}-held.jsonl"\n{top}\n{rest}\nepochs = {epochs}\n',
        "utf-8",
    )
    return file


def run(file: Path) -> tuple[int, float, Path]:
    """Run a configuration to its end: bytes at the peak of its process, seconds, and the run's folder."""
    began = time.perf_counter()
    command = subprocess.Popen(
        [sys.executable, "-m", "tui.cli", "tune", "run", str(file), "--json"], stdout=subprocess.DEVNULL
    )
    peak = 0
    while command.poll() is None:
        peak = max(peak, _peak_so_far(file.stem))
        time.sleep(0.1)
    if command.returncode != 0:
        sys.exit(f"the run of {file.name} failed")
    return peak, time.perf_counter() - began, list_runs()[0]


def _peak_so_far(adapter: str) -> int:
    """The most memory that the process of the run has had, 0 where there is none."""
    runs = list_runs()
    if not runs or not runs[0].name.startswith(adapter):
        return 0
    try:
        pid = read_status(runs[0]).pid
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except (OSError, ValueError, psutil.Error):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def memory_row(folder: Path) -> bool:
    """Each configuration's peak against the plan's."""
    good = True
    print("memory   (expected within 20 % of the measured peak)")
    for name, tables, examples, words in CONFIGURATIONS:
        peak, _, run_folder = run(write_run(folder, name, tables, examples, words, 1))
        plan: dict[str, Any] = json.loads((run_folder / "plan.json").read_text("utf-8"))["memory"]
        ratio = plan["expected"] / peak
        within = abs(ratio - 1) <= MOST_OFF
        good &= within
        verdict = "ok    " if within else "MISSED"
        print(
            f"  {verdict} {name:<8} expected {plan['expected'] / 1e6:6.0f} MB ({plan['low'] / 1e6:.0f} to "
            f"{plan['high'] / 1e6:.0f}), measured {peak / 1e6:6.0f} MB: {ratio:.2f}"
        )
    return good


def time_row(folder: Path) -> bool:
    """Two configurations' time from the command to the adapter against the plan's."""
    good = True
    print("time     (foretold within 20 % of the whole run's)")
    for name, tables, examples, words in CONFIGURATIONS[:3:2]:
        file = write_run(folder, f"{name}-time", tables, examples * 2, words, 3)
        told = subprocess.run(
            [sys.executable, "-m", "tui.cli", "tune", "plan", str(file), "--json"], stdout=subprocess.PIPE, check=True
        )
        parts = json.loads(told.stdout)["time"]
        _, seconds, run_folder = run(file)
        trained = read_status(run_folder).metrics["seconds"]
        ratio = parts["total"] / seconds
        within = abs(ratio - 1) <= MOST_OFF
        good &= within
        verdict = "ok    " if within else "MISSED"
        print(f"  {verdict} {name:<8} foretold {parts['total']:.0f} s, took {seconds:.0f} s: {ratio:.2f}", end="; ")
        print(f"{parts['training']:.0f} s and {trained:.0f} s of it training")
    return good


def main() -> int:
    """Run the rows asked for; 1 where one misses its figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    rows = {"memory": memory_row, "time": time_row}
    parser.add_argument("--row", choices=rows, help="only this row")
    parser.add_argument("--only", metavar="NAME", help="only this configuration of the memory row")
    options = parser.parse_args()
    if options.only:
        global CONFIGURATIONS
        CONFIGURATIONS = tuple(each for each in CONFIGURATIONS if each[0] == options.only)
    print(f"{platform.platform()}, {len(os.sched_getaffinity(0))} cores, {datetime.now(UTC):%Y-%m-%d}")
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["FIRESIDE_HOME"] = str(Path(temporary) / "home")
        passed = [row(Path(temporary)) for name, row in rows.items() if options.row in (None, name)]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
