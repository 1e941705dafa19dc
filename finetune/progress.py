"""What a run does between its steps: it reports, measures the held-back loss, and stops where it must."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from finetune.metrics import Metric
from fireside.errors import TrainingError


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
