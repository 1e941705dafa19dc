"""The training process: one run from its folder to a result that is proved, or the check of an adapter once more.

`python -m finetune.child run RUN_FOLDER [CHECKPOINT]` and `python -m finetune.child verify ADAPTER_FOLDER`. Everything
libraries print goes to the run's log; what the person is told goes to the status file.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from finetune.base import find_base
from finetune.card import figures
from finetune.checkpoints import CHECKPOINTS, any_checkpoint, bytes_kept
from finetune.choices import CHOICES, read_choices, read_machine
from finetune.config import load_config
from finetune.data.conversation import Conversation
from finetune.data.render import rows_named
from finetune.data.split import read_split
from finetune.examples import examples_of
from finetune.failures import explained
from finetune.inputs import check_unchanged
from finetune.publish import publish_adapter, publish_model
from finetune.recipes import full, lora
from finetune.samples import sampler
from finetune.shape import shape_of
from finetune.status import CANCEL, CONFIG, LOG, Status, give_up_reserve, read_status, write_status
from finetune.verify import choose_prompts
from finetune.verify.again import verify_again
from finetune.vocabulary import open_vocabulary
from fireside import atomic
from fireside.errors import FiresideError, StorageError

BUILD = "adapter"


class Cancelled(BaseException):
    """The person cancelled the run. Not an Exception, so that no library takes it for a failure of its own."""


def main(arguments: list[str]) -> int:
    """Run one of the two jobs; return the exit status."""
    job, folder = arguments[0], Path(arguments[1])
    # Found whole by who started this.
    resumed = Path(arguments[2]) if arguments[2:] else None
    if job == "verify":
        return verify_again(folder)
    signal.signal(signal.SIGTERM, _cancel)
    status = replace(read_status(folder), pid=os.getpid())
    try:
        write_status(folder, status)
        _look_for_cancel(folder)
        final = run(folder, status, resumed)
    except Cancelled:
        final = replace(_last_status(folder, status), state="cancelled")
    except Exception as error:
        traceback.print_exc()
        smaller = "lower training.batch_size or training.max_length"
        told = explained(error, "the run", smaller, f"see {folder / LOG}")
        hint = told.hint
        if isinstance(told, StorageError) and any_checkpoint(folder) and "tune resume" not in (hint or ""):
            hint = f"{hint}, then: fireside tune resume {folder.name}"
        final = replace(_last_status(folder, status), state="failed", error=told.message, hint=hint)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # What is half made is made again from the last checkpoint; of a run that is done, nothing is needed any more.
    shutil.rmtree(folder / BUILD, ignore_errors=True)
    if final.state == "done":
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    give_up_reserve(folder)
    write_status(folder, final)
    return 0 if final.state == "done" else 1


def run(folder: Path, status: Status, resumed: Path | None) -> Status:
    """Read, render, train, export, prove and publish. Returns the final status; raises FiresideError or Cancelled.

    resumed: a whole checkpoint to go on from.
    """
    from finetune.plan.plan import PLAN, check_fits, plan
    from finetune.progress import Progress

    config = load_config(folder / CONFIG)
    base = find_base(config.base)
    split = read_split(config.data, config.held_back)
    # Only now: what was read is then what the run began with.
    check_unchanged(folder, config, base)
    vocabulary = open_vocabulary(base)
    rendered = examples_of(split, config, vocabulary)
    examples, held_back = rendered.train, rendered.held_back
    status = replace(status, notes=_notes([*split.train, *split.held_back], rendered.left_out))
    training = replace(status, state="training")

    def begun() -> None:
        # Up to here a cancelled run ends at once, and from here on behind a step.
        write_status(folder, training)
        _look_for_cancel(folder)

    progress = Progress(config, folder, examples, sampler(config.prompts, vocabulary), resumed, begun)
    # A run that goes on has written a part of what it needs.
    disk_free = shutil.disk_usage(folder).free + bytes_kept(folder)
    planned = plan(config, shape_of(base), read_machine(), disk_free, examples, held_back)
    atomic.write_text(folder / PLAN, json.dumps(planned.as_json(), indent=1))
    check_fits(planned)
    # What the machine is good at may look otherwise by now, and a run goes on as it began.
    choices = read_choices(folder / CHOICES) if resumed else planned.choices
    atomic.write_text(folder / CHOICES, json.dumps(choices.as_json(), ensure_ascii=False, indent=1))
    recipe = lora.train if config.method == "lora" else full.train
    build = folder / BUILD
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir()
    trained = recipe(config, choices, base, examples, held_back, folder, build, progress.attached, resumed)
    vocabulary.free()
    if progress.cancelled():
        raise Cancelled
    metrics = figures(progress.counts, config, len(examples), len(held_back))
    status = replace(status, state="exporting", metrics=metrics)
    write_status(folder, status)

    def proving() -> None:
        write_status(folder, replace(status, state="verifying"))

    prompts = choose_prompts(held_back, examples)
    publish = publish_model if trained.whole else publish_adapter
    result = publish(config, base, trained.model, build, prompts, metrics, folder, proving)
    notes = [
        *status.notes,
        *([] if result.verified else [f"the export was refused and will not be offered in the chat: {result.reason}"]),
    ]
    return replace(
        status, state="done", verified=result.verified, metrics={**metrics, **result.scores}, notes=tuple(notes)
    )


def _notes(rows: Sequence[Conversation], left_out: Sequence[int]) -> tuple[str, ...]:
    """What the person should know of the data."""
    notes = []
    if left_out:
        named = rows_named(sorted(set(left_out)))
        count = len(set(left_out))
        notes.append(f"{count} examples were left out, their prompts being longer than max_length: {named}")
    if pairs := sum(row.kind == "preference" for row in rows):
        notes.append(f"of {pairs} preference pairs the chosen answer is learnt, and nothing of the rejected one")
    if bad := sum(row.desirable is False for row in rows):
        notes.append(f"{bad} answers that were judged bad are not learnt")
    return tuple(notes)


def _last_status(folder: Path, otherwise: Status) -> Status:
    """The status as last written, which knows more than the one the run began with."""
    try:
        return read_status(folder)
    except FiresideError:
        return otherwise


def _look_for_cancel(folder: Path) -> None:
    if (folder / CANCEL).exists():
        raise Cancelled


def _cancel(*_: object) -> None:
    raise Cancelled


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
