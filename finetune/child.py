"""The training process: one run from its folder to a verified adapter, or the check of an adapter once more.

`python -m finetune.child run RUN_FOLDER` and `python -m finetune.child verify ADAPTER_FOLDER`. Everything libraries
print goes to the run's log; what the person is told goes to the status file.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
import traceback
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from finetune.base import Base, find_base
from finetune.config import RunConfig, load_config
from finetune.data.render import render_examples
from finetune.data.split import data_sha256, read_split
from finetune.export.adapter import export_adapter
from finetune.metrics import Metric
from finetune.recipes.lora import train
from finetune.run import check_name_free
from finetune.status import CANCEL, CONFIG, LOG, METRICS, VERIFY, Status, read_status, write_status
from finetune.trained import Trained
from finetune.verify import Prompt, Report, choose_prompts, verify
from finetune.vocabulary import GgufVocabulary
from finetune.weights import load_for_training
from fireside import atomic, paths
from fireside.errors import FiresideError, StorageError, TrainingError
from fireside.models.adapters import ADAPTER_FILE, CARD_FILE
from fireside.models.gguf.forcing import TeacherForcing

PROMPTS_FILE = "prompts.json"
# Kept free of use until something fails: on a full disk, its room lets the run still say what happened.
_RESERVE, _RESERVE_BYTES = "reserve", 64 * 1024


class Cancelled(BaseException):
    """The person cancelled the run. Not an Exception, so that no library takes it for a failure of its own."""


def main(arguments: list[str]) -> int:
    """Run one of the two jobs; return the exit status."""
    job, folder = arguments[0], Path(arguments[1])
    if job == "verify":
        return verify_again(folder)
    signal.signal(signal.SIGTERM, _cancel)
    status = replace(read_status(folder), pid=os.getpid())
    (folder / _RESERVE).write_bytes(b"\0" * _RESERVE_BYTES)
    write_status(folder, status)
    try:
        final = run(folder, status)
    except Cancelled:
        final = replace(status, state="cancelled")
    except Exception as error:
        traceback.print_exc()
        told = _explained(error, folder)
        if isinstance(told, StorageError):
            _forget_build(folder)
        final = replace(_last_status(folder, status), state="failed", error=told.message, hint=told.hint)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if final.state == "cancelled":
        _forget_build(folder)
    (folder / _RESERVE).unlink(missing_ok=True)
    write_status(folder, final)
    return 0 if final.state == "done" else 1


def run(folder: Path, status: Status) -> Status:
    """Prepare, train, export, verify and publish. Returns the final status; raises FiresideError or Cancelled."""
    config = load_config(folder / CONFIG)
    base = find_base(config.base)
    split = read_split(config.data, config.held_back)
    # Taken now: the person may go on editing the examples while they are trained on.
    data_digest = data_sha256([config.data, *([Path(config.held_back)] if isinstance(config.held_back, str) else [])])
    forcing = TeacherForcing(base.path, context_length=config.training.max_length + 64, threads=config.threads)
    vocabulary = GgufVocabulary(forcing.model)
    examples, left_out = render_examples(split.train, vocabulary, config.training.max_length)
    held_back, held_left_out = render_examples(split.held_back, vocabulary, config.training.max_length)
    notes = []
    if lines := sorted({*left_out, *held_left_out}):
        shown = ", ".join(str(line) for line in lines[:10]) + (", ..." if len(lines) > 10 else "")
        notes.append(f"{len(lines)} examples were left out, their prompts being longer than max_length: lines {shown}")
    status = replace(status, state="training", notes=tuple(notes))
    write_status(folder, status)

    with (folder / METRICS).open("a", encoding="utf-8") as metrics_file:

        def report(metric: Metric) -> None:
            metrics_file.write(json.dumps(metric.as_json()) + "\n")
            metrics_file.flush()

        build = folder / "adapter"
        build.mkdir()
        trained = train(config, base, examples, held_back, build, report, (folder / CANCEL).exists)
    if trained.cancelled:
        raise Cancelled
    status = replace(status, state="exporting", metrics=_metrics(trained, len(examples), len(held_back)))
    write_status(folder, status)
    export_adapter(build, base, build / ADAPTER_FILE)
    status = replace(status, state="verifying")
    write_status(folder, status)
    prompts = choose_prompts(held_back, examples)
    atomic.write_text(build / PROMPTS_FILE, json.dumps([asdict(prompt) for prompt in prompts]))
    proof = verify(trained.model, forcing, build / ADAPTER_FILE, prompts)
    forcing.free()
    atomic.write_text(build / VERIFY, json.dumps(proof.as_json(), ensure_ascii=False, indent=1))
    atomic.write_text(
        build / CARD_FILE,
        json.dumps(_card(config, base, data_digest, status.metrics, proof), ensure_ascii=False, indent=1),
    )
    # From here on a cancelled run would only lose what is finished.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    publish(build, config.name)
    if not proof.verified:
        notes.append(f"the export was refused and will not be offered in the chat: {proof.reason}")
    return replace(
        status, state="done", verified=proof.verified, metrics={**status.metrics, **proof.scores()}, notes=tuple(notes)
    )


def publish(build: Path, name: str) -> None:
    """Move the finished folder to its place among the adapters, whole. Raises AdapterError where the name was taken."""
    check_name_free(name)
    paths.ensure_folder(paths.adapters_folder())
    try:
        build.rename(paths.adapters_folder() / name)
    except OSError as error:
        raise StorageError(f"cannot keep the adapter {name}: {error.strerror}", "free some space") from error


def verify_again(folder: Path) -> int:
    """Check the adapter in `folder` once more; card and verify.json tell the result, stdout an error as JSON."""
    try:
        card = json.loads((folder / CARD_FILE).read_text("utf-8"))
        prompts = [
            Prompt(tuple(item["tokens"]), item["held_back"])
            for item in json.loads((folder / PROMPTS_FILE).read_text("utf-8"))
        ]
        base = find_base(str(card["base"]["file"]))
        if base.sha256 != card["base"]["sha256"]:
            raise TrainingError(f"{base.path} is not the model the adapter was trained over", "put the old file back")
        from peft import PeftModel

        model = PeftModel.from_pretrained(load_for_training(base.path), str(folder)).eval()
        longest = max(len(prompt.tokens) for prompt in prompts)
        forcing = TeacherForcing(base.path, context_length=longest + 64)
        proof = verify(model, forcing, folder / ADAPTER_FILE, prompts)
        forcing.free()
        atomic.write_text(folder / VERIFY, json.dumps(proof.as_json(), ensure_ascii=False, indent=1))
        card |= {"verified": proof.verified, "verify": proof.scores()}
        atomic.write_text(folder / CARD_FILE, json.dumps(card, ensure_ascii=False, indent=1))
    except Exception as error:
        traceback.print_exc()
        told = _explained(error, folder)
        sys.stdout.write(json.dumps({"error": told.message, "hint": told.hint}) + "\n")
        return 1
    return 0


def _metrics(trained: Trained, examples: int, held_back: int) -> dict[str, Any]:
    """What the run's last line and the card tell of training."""
    return {
        "examples": examples,
        "held_back": held_back,
        "eval_loss_before": round(trained.eval_loss_before, 5),
        "eval_loss_after": round(trained.eval_loss_after, 5),
        "train_loss": round(trained.train_loss, 5),
        "steps": trained.steps,
        "tokens": trained.tokens,
        "seconds": round(trained.seconds, 2),
        "tokens_per_s": round(trained.tokens / trained.seconds, 1),
    }


def _card(config: RunConfig, base: Base, data_digest: str, metrics: dict[str, Any], proof: Report) -> dict[str, Any]:
    """The adapter's card: what it is made for, of and by, and how it did."""
    return {
        "name": config.name,
        "base": {"name": base.name, "sha256": base.sha256, "architecture": base.architecture, "file": config.base},
        "data_sha256": data_digest,
        "config": config.model_dump(mode="json"),
        "metrics": metrics,
        "verified": proof.verified,
        "verify": proof.scores(),
        "origin": "trained",
    }


def _forget_build(folder: Path) -> None:
    """Give back the room of an adapter that is not finished. Other failures leave it: training may have taken hours."""
    shutil.rmtree(folder / "adapter", ignore_errors=True)


def _last_status(folder: Path, otherwise: Status) -> Status:
    """The status as last written, which knows more than the one the run began with."""
    try:
        return read_status(folder)
    except FiresideError:
        return otherwise


def _explained(error: Exception, folder: Path) -> FiresideError:
    """Any failure, in the person's terms."""
    if isinstance(error, FiresideError):
        return error
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return TrainingError("there is not enough memory", "lower training.batch_size or training.max_length")
    # safetensors tells a full disk only in words.
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if full or "No space left" in str(error) or "File too large" in str(error):
        return StorageError("the disk is full: the run could not be saved", f"free some space on the disk of {folder}")
    return TrainingError(f"training stopped unexpectedly: {type(error).__name__}: {error}", f"see {folder / LOG}")


def _cancel(*_: object) -> None:
    raise Cancelled


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
