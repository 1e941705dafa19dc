"""What happens between the steps of a run: lines, evaluations, stopping early or when asked, broken numbers, disks."""

from __future__ import annotations

import resource
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_base import write_tiny_base
from tiny_runs import lines, made_examples, samples, tiny_config, train

from finetune.checkpoints import bytes_kept, checkpoint_at, forget_others, is_whole, newest, read_progress, step_of
from finetune.data.render import Example
from finetune.status import CANCEL
from fireside.errors import StorageError, TrainingError

with warnings.catch_warnings():
    # trl and transformers warn about each other's coming changes when imported.
    warnings.simplefilter("ignore")
    from transformers import TrainerCallback

    from finetune.progress import Counts, Progress

pytestmark = pytest.mark.filterwarnings("ignore")

EXAMPLES, HELD_BACK = made_examples(8), made_examples(4, seed=1)
# A token that stands in no example.
ODD = 268


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("base") / "tiny.gguf")


def steps(run: Path) -> list[int]:
    return [step_of(each) for each in sorted((run / "checkpoints").iterdir())]


def test_a_line_for_each_step_and_each_evaluation_and_the_answers_to_the_prompts(base, tmp_path):
    config = tiny_config(base, epochs=2, evaluate_every=3).model_copy(update={"prompts": ["Who?", "Why?"]})
    _, progress = train(config, EXAMPLES, HELD_BACK, tmp_path)
    written = lines(tmp_path)
    assert [line["step"] for line in written if line["loss"] is not None] == list(range(1, 9))
    assert [line["step"] for line in written if line["eval_loss"] is not None] == [0, 3, 6, 8]
    assert {(sample["step"], sample["prompt"]) for sample in samples(tmp_path)} == {
        (step, prompt) for step in (0, 3, 6, 8) for prompt in config.prompts
    }
    for line in written:
        if line["loss"] is not None:
            assert line["gradient_norm"] > 0
            assert line["memory_mb"] > 50
            assert line["learning_rate"] >= 0
            assert line["tokens_per_s"] > 0
    assert written[-1]["eta_s"] == 0
    assert progress.counts.tokens == 2 * sum(len(example.input_ids) for example in EXAMPLES)
    assert steps(tmp_path) == [4, 8]


def test_early_stopping_ends_with_the_best_weights(base, tmp_path):
    """Held back is what the training unlearns: random tokens, learnt by heart at a high rate."""
    config = tiny_config(base, epochs=30, evaluate_every=2, patience=3, learning_rate=0.05)
    trained, progress = train(config, EXAMPLES, HELD_BACK, tmp_path)
    measured = {line["step"]: line["eval_loss"] for line in lines(tmp_path) if line["eval_loss"] is not None}
    after = {step: loss for step, loss in measured.items() if step}
    best = min(after, key=after.__getitem__)
    last = max(after)
    assert last < 30 * 4
    assert best == last - 3 * 2 == progress.counts.best_step
    from finetune.loss import held_back_loss

    assert held_back_loss(trained.model, HELD_BACK, 2) == pytest.approx(measured[best], abs=1e-5)
    assert best in steps(tmp_path)
    # Where the process died behind that decision, it stands.
    again, _ = train(config, EXAMPLES, HELD_BACK, tmp_path, resumed=newest(tmp_path))
    assert held_back_loss(again.model, HELD_BACK, 2) == pytest.approx(measured[best], abs=1e-5)
    assert max(line["step"] for line in lines(tmp_path)) == last


def broken_base(folder: Path) -> Path:
    """The tiny base with an embedding that is no number."""
    import numpy as np

    path = write_tiny_base(folder / "broken.gguf")
    data = bytearray(path.read_bytes())
    import gguf

    tensor = next(each for each in gguf.GGUFReader(path).tensors if each.name == "token_embd.weight")
    begin = int(tensor.data_offset) + ODD * 32 * 4
    data[begin : begin + 4] = np.float32("nan").tobytes()
    path.write_bytes(data)
    return path


def test_a_loss_that_is_no_number_ends_the_run_and_names_the_row(tmp_path):
    ids = (*range(20, 30), ODD, *range(30, 40))
    odd = Example(ids, ids, 77, "odd.jsonl")
    config = tiny_config(broken_base(tmp_path), epochs=2, batch_size=3)
    with pytest.raises(TrainingError) as caught:
        train(config, [*EXAMPLES, odd], HELD_BACK, tmp_path / "run")
    assert "no longer a number at step" in caught.value.message
    assert "because of row 77 of odd.jsonl" in caught.value.message
    assert all(line["loss"] is None or line["loss"] > 0 for line in lines(tmp_path / "run"))


def test_a_cancelled_run_stops_behind_its_step_with_a_checkpoint(base, tmp_path):
    class Cancelling(TrainerCallback):
        trainer: Any

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 2:
                (tmp_path / CANCEL).touch()

    _, progress = train(tiny_config(base), EXAMPLES, HELD_BACK, tmp_path, watching=Cancelling())
    assert progress.cancelled()
    assert progress.counts.steps == 3
    assert steps(tmp_path) == [3]


def test_a_full_disk_leaves_the_checkpoint_before_and_says_so_in_one_line(base, tmp_path):
    class Filling(TrainerCallback):
        trainer: Any

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 3:
                resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, resource.RLIM_INFINITY))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(StorageError) as caught:
            train(tiny_config(base, checkpoint_every=2), EXAMPLES, HELD_BACK, tmp_path, watching=Filling())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "the checkpoint of step 4 could not be saved" in caught.value.message
    assert "the one of step 2 is whole" in caught.value.message
    assert "\n" not in caught.value.message
    assert steps(tmp_path) == [2]
    kept = newest(tmp_path)
    assert kept is not None
    assert Counts(**read_progress(kept)).steps == 2
    train(tiny_config(base, checkpoint_every=2), EXAMPLES, HELD_BACK, tmp_path, resumed=kept)


def test_a_device_without_room_fails_the_checkpoint_alone(tmp_path, monkeypatch):
    kept = made_checkpoint(tmp_path, 1)

    def half(trainer: Any, folder: Path) -> None:
        (folder / "optimizer.pt").write_bytes(b"half")
        # Every write to this device fails with ENOSPC.
        Path("/dev/full").write_bytes(b"the other half")

    monkeypatch.setattr("finetune.checkpoints._write_state", half)
    with pytest.raises(StorageError) as caught:
        made_checkpoint(tmp_path, 2)
    assert caught.value.message == (
        "the checkpoint of step 2 could not be saved (the disk is full); the one of step 1 is whole"
    )
    assert f"fireside tune resume {tmp_path.name}" in (caught.value.hint or "")
    assert list((tmp_path / "checkpoints").iterdir()) == [kept]
    assert is_whole(kept)
    assert bytes_kept(tmp_path) == sum(file.stat().st_size for file in kept.iterdir())


def made_checkpoint(run: Path, step: int) -> Path:
    """A checkpoint of three small files, with its manifest."""
    import torch

    from finetune.checkpoints import save_checkpoint

    class Model:
        def save_pretrained(self, folder: str) -> None:
            Path(folder, "model.safetensors").write_bytes(b"weights")

    class Stated:
        def state_dict(self) -> dict[str, Any]:
            return {"x": torch.zeros(2)}

    class State:
        global_step = step
        log_history: list[Any] = []  # noqa: RUF012

        def save_to_json(self, file: str) -> None:
            Path(file).write_text("{}", "utf-8")

    trainer = SimpleNamespace(
        model=Model(), optimizer=Stated(), lr_scheduler=Stated(), state=State(), accelerator=SimpleNamespace()
    )
    return save_checkpoint(trainer, {"steps": step}, run)


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "more", "manifest"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, damage):
    first, second = made_checkpoint(tmp_path, 1), made_checkpoint(tmp_path, 2)
    assert newest(tmp_path) == second
    assert checkpoint_at(tmp_path, 1) == first
    weights = second / "model.safetensors"
    if damage == "cut":
        weights.write_bytes(b"weig")
    elif damage == "changed":
        weights.write_bytes(b"weighty"[:7])
    elif damage == "missing":
        (second / "optimizer.pt").unlink()
    elif damage == "more":
        (second / "pytorch_model.bin").write_bytes(b"pickle")
    else:
        (second / "manifest.json").write_text("[]", "utf-8")
    assert not is_whole(second)
    assert newest(tmp_path) == first
    assert checkpoint_at(tmp_path, 2) is None


def test_the_last_two_and_the_best_checkpoint_are_kept(tmp_path):
    for step in (1, 2, 3, 4, 5):
        made_checkpoint(tmp_path, step)
    forget_others(tmp_path, {2})
    assert steps(tmp_path) == [2, 4, 5]


def test_what_a_killed_process_left_of_a_checkpoint_is_never_taken_for_one(tmp_path):
    left = tmp_path / "checkpoints" / ".unfinished"
    left.mkdir(parents=True)
    (left / "optimizer.pt").write_bytes(b"half")
    assert newest(tmp_path) is None
    made_checkpoint(tmp_path, 1)
    assert not left.exists()


def test_the_time_left_counts_steps_and_evaluations(base, tmp_path):
    progress = Progress(tiny_config(base, evaluate_every=10), tmp_path, [], lambda _: [], None)
    progress.counts = Counts(training_s=20.0, steps=10, evaluation_s=6.0, evaluations=2)
    state = SimpleNamespace(max_steps=40, global_step=10, num_train_epochs=4)
    assert progress._time_left(state) == 30 * 2.0 + 3 * 3.0
