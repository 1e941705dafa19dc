"""The seam to TRL: its SFTTrainer, fed with token ids and labels that are ready, its loss computed where it counts.

Only imported by the training process, because it imports torch, transformers and TRL.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from finetune.config import RunConfig
from finetune.data.render import IGNORED, Example
from finetune.metrics import Metric
from fireside.errors import TrainingError


def collate(examples: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """A batch, padded on the right to its longest: input_ids, labels and attention_mask, each (batch, length)."""
    length = max(len(example["input_ids"]) for example in examples)

    def padded(key: str, fill: int) -> torch.Tensor:
        return torch.tensor([[*example[key], *[fill] * (length - len(example[key]))] for example in examples])

    mask = torch.tensor([[1] * len(e["input_ids"]) + [0] * (length - len(e["input_ids"])) for e in examples])
    # What stands in padded places does not matter: attention never reaches it, and its label is IGNORED.
    return {"input_ids": padded("input_ids", 0), "labels": padded("labels", IGNORED), "attention_mask": mask}


def reply_loss(model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, int]:
    """Summed negative log-likelihood (nats) of the trained tokens of a batch, and how many they are.

    The language head, with its 49,152 columns the dearest layer of a small model, is applied only where a label counts.
    """
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = causal.get_decoder()(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
    ).last_hidden_state
    labels = batch["labels"][:, 1:]
    counted = labels != IGNORED
    logits = causal.get_output_embeddings()(hidden[:, :-1][counted])
    return cross_entropy(logits, labels[counted], reduction="sum"), int(counted.sum())


@torch.no_grad()
def held_back_loss(model: Any, examples: Sequence[Example], batch_size: int) -> float:
    """Mean negative log-likelihood (nats) per trained token over `examples`, without dropout."""
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    # Neighbours of like length share a batch, so that little padding is computed.
    ordered = sorted(examples, key=lambda example: len(example.input_ids))
    for begin in range(0, len(ordered), batch_size):
        loss, tokens = reply_loss(model, collate([as_row(e) for e in ordered[begin : begin + batch_size]]))
        total += loss.item()
        count += tokens
    model.train(was_training)
    return total / count


def as_row(example: Example) -> dict[str, list[int]]:
    """The example as a row of a `datasets.Dataset`."""
    return {"input_ids": list(example.input_ids), "labels": list(example.labels)}


class ReplyTrainer(SFTTrainer):  # type: ignore[misc]  # trl ships no types
    """TRL's trainer with the loss of `reply_loss`, which is the same number at a part of the cost on a CPU."""

    tokens_seen = 0

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """The mean over the batch's trained tokens; over those of all accumulated batches where Trainer tells them."""
        loss, count = reply_loss(model, inputs)
        self.tokens_seen += int(inputs["attention_mask"].sum())
        return loss / (count if num_items_in_batch is None else num_items_in_batch)


class ProgressCallback(TrainerCallback):
    """Reports each step, measures the held-back loss after each epoch, and stops when asked or when the loss breaks."""

    def __init__(
        self,
        report: Callable[[Metric], None],
        cancelled: Callable[[], bool],
        held_back: Callable[[], float],
        tokens_seen: Callable[[], int],
    ) -> None:
        """held_back: measures the held-back loss. tokens_seen: how many tokens were trained on so far."""
        self._report, self._cancelled, self._held_back, self._tokens_seen = report, cancelled, held_back, tokens_seen
        self._training_s = self._evaluation_s = 0.0
        self._began = 0.0
        self._evaluations = 0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock of a step."""
        self._began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop the clock, and the run if that was asked."""
        self._training_s += time.perf_counter() - self._began
        if self._cancelled():
            control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Report a step's loss."""
        logs: dict[str, float] = more["logs"]
        if "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]) or not math.isfinite(logs.get("grad_norm", 0.0)):
            raise TrainingError(
                f"the loss is no longer a number at step {state.global_step}, so the adapter would be worthless",
                "lower training.learning_rate, and look for odd examples",
            )
        self._report(
            Metric(
                step=state.global_step,
                steps=state.max_steps,
                loss=logs["loss"],
                tokens_per_s=self._tokens_seen() / self._training_s,
                eta_s=self._time_left(state),
            )
        )

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measure and report the held-back loss."""
        if control.should_training_stop and self._cancelled():
            return
        began = time.perf_counter()
        loss = self._held_back()
        self._evaluation_s += time.perf_counter() - began
        self._evaluations += 1
        self._report(
            Metric(step=state.global_step, steps=state.max_steps, eval_loss=loss, eta_s=self._time_left(state))
        )

    def _time_left(self, state: Any) -> float:
        """Seconds until the last step, by the mean of the steps and evaluations so far."""
        steps_left = state.max_steps - state.global_step
        evaluations_left = max(state.num_train_epochs - self._evaluations, 0)
        per_evaluation = self._evaluation_s / self._evaluations if self._evaluations else 0.0
        return float(steps_left * self._training_s / state.global_step + evaluations_left * per_evaluation)


def trainer_config(config: RunConfig, folder: Path) -> Any:
    """TRL's configuration for a run on the CPU in float32. Its own defaults are made for GPUs."""
    return SFTConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=config.training.batch_size,
        num_train_epochs=config.training.epochs,
        learning_rate=config.training.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=0.05,
        max_grad_norm=config.training.max_gradient_norm,
        train_sampling_strategy="random",
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        seed=config.seed,
    )
