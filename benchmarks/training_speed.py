"""Measures training against TRL's own SFTTrainer: the same base, data, rank, lengths and number of steps, in turns.

    python benchmarks/training_speed.py                   # all rows, about ten minutes on two cores
    python benchmarks/training_speed.py --row throughput  # one row: throughput, mixed or arithmetic
    python benchmarks/training_speed.py --data F.jsonl    # other examples for the row `mixed`
    python benchmarks/training_speed.py --profile         # where a step's time goes

throughput: chats of 512 tokens, a third of them trained, against TRL with its own packing ("bfd"). mixed: chats of 40
to 700 tokens, against TRL without packing. Both trainers run in processes of their own that take turns, a step each.
arithmetic: (4 P_body + 4 P_head x trained share) FLOP x tokens/s of the row `throughput` over torch's sgemm rate, taken
between its steps. Exits 1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

IGNORED = -100
BASE = "smollm2-135m"
STEPS = {"throughput": 6, "mixed": 5}
BATCH = {"throughput": 4, "mixed": 4}
LONGEST = {"throughput": 512, "mixed": 1024}
RANK, ALPHA, RATE = 16, 32, 5e-4
HELD_BACK = 4

# Who does what to what; the three words of a column belong together.
SUBJECTS = "baker fisher gardener miller painter potter shepherd tailor weaver smith clerk pilot nurse judge cook"
VERBS = "finds makes keeps sells mends paints carries hides counts cleans borrows draws lifts opens tastes"
OBJECTS = "bread nets roses flour frames bowls wool coats cloth nails letters maps herbs books stew"
PLACES = "harbour market mill orchard kitchen tower garden forge meadow library station bridge cellar attic yard"


def sentence(chance: random.Random) -> str:
    """A sentence whose second half follows from its first, so that something can be learnt."""
    subject, verb, thing = chance.choice(list(zip(SUBJECTS.split(), VERBS.split(), OBJECTS.split(), strict=True)))
    return f"The {subject} {verb} the {thing} in the {chance.choice(PLACES.split())}. "


def chats(row: str, tokenizer: Any) -> list[dict[str, list[int]]]:
    """Chats as input_ids and labels, the last third trained; for each step's batch, and HELD_BACK more."""
    chance = random.Random(row)
    begin = tokenizer("<|im_start|>user\n")["input_ids"]
    turn = tokenizer("<|im_end|>\n<|im_start|>assistant\n")["input_ids"]
    end = tokenizer("<|im_end|>")["input_ids"]
    made = []
    for _ in range(STEPS[row] * BATCH[row] + HELD_BACK):
        # Lengths of real chats are about log-normal.
        length = 512 if row == "throughput" else round(min(max(math.exp(chance.gauss(5.2, 0.7)), 40), 700))
        reply = length // 3
        prompt = length - reply - len(begin) - len(turn)
        words: list[int] = []
        while len(words) < length:
            words += tokenizer(sentence(chance))["input_ids"]
        ids = [*begin, *words[:prompt], *turn, *words[prompt : prompt + reply - len(end)], *end]
        made.append({"input_ids": ids, "labels": [IGNORED] * (length - reply) + ids[length - reply :]})
    return made


def file_chats(data: Path) -> list[dict[str, list[int]]]:
    """The examples of a file, as many as the row `mixed` needs."""
    from finetune.base import find_base
    from finetune.data.render import render_examples
    from finetune.data.split import read_conversations
    from finetune.vocabulary import open_vocabulary

    wanted = STEPS["mixed"] * BATCH["mixed"] + HELD_BACK
    rows = render_examples(read_conversations(data)[: 2 * wanted], open_vocabulary(find_base(BASE)), 1024)[0][:wanted]
    if len(rows) < wanted:
        sys.exit(f"{data} holds fewer than {wanted} examples")
    return [{"input_ids": list(example.input_ids), "labels": list(example.labels)} for example in rows]


def trainer_of(kind: str, row: str, rows: list[dict[str, list[int]]], folder: Path, pace: Any) -> Any:
    """TRL's trainer in its best configuration for the CPU, or ours."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig, TaskType, get_peft_model

    from finetune.base import find_base
    from finetune.order import EpochOrder
    from finetune.trainer import tokenizer_of
    from finetune.weights import load

    base = find_base(BASE)
    model = load(base)
    lora = LoraConfig(task_type=TaskType.CAUSAL_LM, r=RANK, lora_alpha=ALPHA, target_modules="all-linear")
    torch.manual_seed(0)
    common: dict[str, Any] = {
        "model": get_peft_model(model, lora),
        "processing_class": tokenizer_of(base),
        "callbacks": [pace],
    }
    lengths = [len(each["input_ids"]) for each in rows]
    if kind == "ours":
        from finetune.batches import collate
        from finetune.choices import choose, read_machine
        from finetune.config import RunConfig, Training
        from finetune.shape import shape_of
        from finetune.trainer import ReplyTrainer, trainer_config

        training = Training(
            epochs=1, batch_size=BATCH[row], learning_rate=RATE, max_length=LONGEST[row], schedule="linear"
        )
        config = RunConfig(name="bench", data=folder, training=training)
        choices = choose(read_machine(), config, shape_of(base), lengths)
        rows = [{**each, "lengths": [length]} for each, length in zip(rows, lengths, strict=True)]
        return ReplyTrainer(
            config,
            args=trainer_config(config, choices, folder),
            train_dataset=Dataset.from_list(rows),
            data_collator=collate,
            **common,
        )
    from trl import SFTConfig, SFTTrainer

    # Packed rows are flattened into one, and attention then computes all of its square: one row at a time is fastest.
    packed = row == "throughput"
    # The order ours has too.
    rows = [rows[index] for index in EpochOrder(lengths, 0, short_first=False)]
    arguments = SFTConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        per_device_train_batch_size=1 if packed else BATCH[row],
        gradient_accumulation_steps=BATCH[row] if packed else 1,
        num_train_epochs=1,
        learning_rate=RATE,
        lr_scheduler_type="linear",
        warmup_steps=0.05,
        train_sampling_strategy="sequential",
        max_length=LONGEST[row],
        packing=packed,
        packing_strategy="bfd",
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        dataloader_pin_memory=False,
    )
    return SFTTrainer(args=arguments, train_dataset=Dataset.from_list(rows), **common)


def child(kind: str, row: str, data: Path | None, profiled: bool) -> None:
    """A trainer's process: it waits for a line on stdin before each step, and answers with its seconds and tokens."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import torch
    from transformers import TrainerCallback, set_seed

    from fireside.cores import usable_cores

    torch.set_num_threads(usable_cores())
    set_seed(0)

    def tell(**values: Any) -> None:
        channel.write(json.dumps(values) + "\n")
        channel.flush()

    class Pace(TrainerCallback):
        """Lets the trainer do one step for each line."""

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            tell(ready=True)
            sys.stdin.readline()
            self.rate = sgemm_rate()
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            tell(seconds=time.perf_counter() - self.began, sgemm=self.rate)

    with tempfile.TemporaryDirectory() as temporary:
        from finetune.base import find_base
        from finetune.trainer import tokenizer_of

        rows = file_chats(data) if data else chats(row, tokenizer_of(find_base(BASE)))
        held_back = rows[-HELD_BACK:]
        trainer = trainer_of(kind, row, rows[:-HELD_BACK], Path(temporary), Pace())
        if profiled:
            profile(trainer)
        trainer.train()
        body = sum(weight.numel() for name, weight in trainer.model.named_parameters() if is_product(name))
        head = trainer.model.get_output_embeddings().weight.numel()
        tell(loss=plain_loss(trainer.model, held_back), body=body, head=head)


def is_product(name: str) -> bool:
    """Whether a parameter of this name is a matrix of the base's body that each token is multiplied with."""
    return "_proj" in name and "lora_" not in name


def sgemm_rate() -> float:
    """FLOP/s of torch's product of two matrices of 1024 x 1024 float32."""
    import torch

    x, out = torch.ones(1024, 1024), torch.empty(1024, 1024)
    times = []
    for _ in range(12):
        began = time.perf_counter()
        torch.mm(x, x, out=out)
        times.append(time.perf_counter() - began)
    return 2 * 1024**3 / statistics.median(times)


def plain_loss(model: Any, rows: Sequence[dict[str, list[int]]]) -> float:
    """The mean loss per trained token by transformers' own code, nats."""
    import torch

    total, count = 0.0, 0
    model.eval()
    with torch.no_grad():
        for row in rows:
            labels = torch.tensor([row["labels"]])
            trained = int((labels[:, 1:] != IGNORED).sum())
            total += model(input_ids=torch.tensor([row["input_ids"]]), labels=labels).loss.item() * trained
            count += trained
    return total / count


def profile(trainer: Any) -> None:
    """Print to stderr where the time of one step goes."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    batch = next(iter(trainer.get_train_dataloader()))
    trainer.model.train()
    for turn in range(2):
        with profile(activities=[ProfilerActivity.CPU], record_shapes=turn == 1) as record:
            torch.autograd.backward(trainer.compute_loss(trainer.model, dict(batch)))
        trainer.model.zero_grad()
    print(record.key_averages().table(sort_by="self_cpu_time_total", row_limit=40), file=sys.stderr)
    shapes = record.key_averages(group_by_input_shape=True)
    print(shapes.table(sort_by="self_cpu_time_total", row_limit=40, max_shapes_column_width=70), file=sys.stderr)


class Turns:
    """A trainer's process, which does a step when it is told to."""

    def __init__(self, kind: str, row: str, data: Path | None, *options: str) -> None:
        command = [sys.executable, __file__, "--child", kind, "--row", row, *options]
        if data is not None:
            command += ["--data", str(data)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.seconds: list[float] = []
        self.rates: list[float] = []
        self.last = self._read()

    def step(self) -> None:
        """Do one step, and wait for the next to be ready or, after the last, for the held-back loss."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        step = self._read()
        self.seconds.append(step["seconds"])
        self.rates.append(step["sgemm"])
        self.last = self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit("a trainer ended by itself")
        values: dict[str, Any] = json.loads(line)
        return values


def compare(row: str, data: Path | None) -> tuple[Turns, Turns, float]:
    """Both trainers over the row's data, in turns; and the ratio of their times."""
    theirs, ours = Turns("trl", row, data), Turns("ours", row, data)
    for _ in range(STEPS[row]):
        theirs.step()
        ours.step()
    # The first step of each warms caches and pools up.
    ratio = sum(theirs.seconds[1:]) / sum(ours.seconds[1:])
    return theirs, ours, ratio


def print_ratio(row: str, theirs: Turns, ours: Turns, ratio: float, least: float) -> bool:
    """A row's figures; whether they reach what they must."""
    losses = theirs.last["loss"], ours.last["loss"]
    apart = abs(losses[1] / losses[0] - 1)
    steps = [statistics.median(turns.seconds[1:]) for turns in (theirs, ours)]
    print(f"{row:<11}TRL {steps[0]:.2f} s a step, ours {steps[1]:.2f} s:", end=" ")
    print(f"{ratio:.2f} times as fast (must: {least:.1f})")
    print(f"           held-back loss TRL {losses[0]:.4f}, ours {losses[1]:.4f}: {apart:.2%} apart (must: 1 %)")
    return ratio >= least and apart <= 0.01


def arithmetic(ours: Turns) -> bool:
    """The share of torch's sgemm rate that the products any trainer must do would take."""
    tokens, share = BATCH["throughput"] * 512, (512 // 3) / 512
    needed = 4 * ours.last["body"] + 4 * ours.last["head"] * share
    per_s = tokens / statistics.median(ours.seconds[1:])
    rate = statistics.median(ours.rates)
    print(f"arithmetic {per_s:.0f} tokens/s x {needed / 1e6:.0f} MFLOP = {per_s * needed / 1e9:.0f} GFLOP/s,", end=" ")
    print(f"sgemm {rate / 1e9:.0f} GFLOP/s: {per_s * needed / rate:.2f} (must: 0.50)")
    return bool(per_s * needed / rate >= 0.5)


def main() -> int:
    """Run the rows asked for; 1 where one misses its figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", choices=("throughput", "mixed", "arithmetic"), help="only this row")
    parser.add_argument("--data", type=Path, help="examples for the row `mixed`, in any format `data preview` reads")
    parser.add_argument("--profile", action="store_true", help="print where the time of our step goes, nothing else")
    parser.add_argument("--child", choices=("trl", "ours"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.row, options.data, options.profile)
        return 0
    print(f"{platform.platform()}, {len(os.sched_getaffinity(0))} cores, {datetime.now(UTC):%Y-%m-%d}", flush=True)
    if options.profile:
        for kind in ("ours", "trl"):
            Turns(kind, options.row or "throughput", options.data, "--profile").process.kill()
        return 0
    passed = []
    if options.row != "mixed":
        theirs, ours, ratio = compare("throughput", None)
        passed += [print_ratio("throughput", theirs, ours, ratio, 1.5), arithmetic(ours)]
    if options.row in (None, "mixed"):
        passed.append(print_ratio("mixed", *compare("mixed", options.data), 2.0))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
