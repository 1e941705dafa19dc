"""What a run does between its steps: it reports, measures, keeps checkpoints, and stops where it must.

One callback does all of it, in this order behind each step: the step's line, the held-back loss and sample answers
where they are due, the decision to stop, a checkpoint. So a checkpoint stands behind all that its step has reported.
"""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from finetune.checkpoints import checkpoint_at, forget_others, load_weights, read_progress, save_checkpoint
from finetune.config import RunConfig
from finetune.data.render import Example
from finetune.metrics import Metric
from finetune.nonfinite import explain, finite_gradients
from finetune.status import CANCEL, METRICS, SAMPLES
from fireside.errors import TrainingError


@dataclass
class Counts:
    """How a run has gone so far; kept in each checkpoint.

    tokens: computed so far. training_s, evaluation_s: seconds spent, without those of a process that was cut off behind
    its last checkpoint. best_loss, best_step: the lowest held-back loss since training began, and where it was; worse:
    evaluations since. Losses are nats per trained token.
    """

    tokens: int = 0
    training_s: float = 0.0
    evaluation_s: float = 0.0
    evaluations: int = 0
    loss_sum: float = 0.0
    steps: int = 0
    eval_loss_before: float = math.nan
    eval_loss: float = math.nan
    best_loss: float = math.inf
    best_step: int = 0
    worse: int = 0


class Progress(TrainerCallback):
    """Follows one run, and is all that a recipe needs to know of the run's folder."""

    def __init__(
        self,
        config: RunConfig,
        run: Path,
        examples: Sequence[Example],
        answers: Callable[[Any], list[str]],
        resumed: Path | None,
        begun: Callable[[], None] = lambda: None,
    ) -> None:
        """run: its folder. answers: what a model says to each prompt. resumed: the checkpoint that it goes on from.
        begun: called before the first step, when all is loaded and measured."""
        self.counts = Counts(**read_progress(resumed)) if resumed else Counts()
        self._config, self._run, self._examples, self._answers = config, run, examples, answers
        self._resumed, self._begun = resumed, begun
        self._began = 0.0

    def attached(self, trainer: Any, measure: Callable[[], float]) -> list[TrainerCallback]:
        """This callback, now knowing the trainer it belongs to. measure: computes the held-back loss."""
        self._trainer, self._measure = trainer, measure
        return [self]

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measure where the model stands, unless the run goes on from a checkpoint."""
        if self._resumed is None:
            self._evaluate(state)
        else:
            self._trainer.tokens_seen = self.counts.tokens
        self._begun()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock of a step."""
        self._began = time.perf_counter()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look at the gradients while the weights are still good. Raises TrainingError that names the rows."""
        # A gradient scaler (float16) skips such steps by itself.
        if self._trainer.accelerator.scaler is None and not finite_gradients(self._trainer.model):
            self._stop_as_broken(state.global_step + 1)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop the clock."""
        self.counts.training_s += time.perf_counter() - self._began

    def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """All that is due behind a step."""
        logs: dict[str, float] = more["logs"]
        if "loss" not in logs:
            return
        if self._stopped_early():
            # Resumed behind its end: the Trainer takes one more step before it asks, and the best weights come back.
            control.should_training_stop = True
            return
        if not math.isfinite(logs["loss"]):
            self._stop_as_broken(state.global_step)
        self.counts.loss_sum += logs["loss"]
        self.counts.steps = state.global_step
        self.counts.tokens = self._trainer.tokens_seen
        self._report(
            state,
            loss=logs["loss"],
            tokens_per_s=self.counts.tokens / self.counts.training_s,
            learning_rate=logs.get("learning_rate"),
            gradient_norm=logs.get("grad_norm"),
            memory_mb=_peak_memory_mb(),
        )
        training = self._config.training
        last = state.global_step == state.max_steps
        better = False
        if last or _due(state, training.evaluate_every):
            better = self._evaluate(state)
        stop = self._stopped_early() or self.cancelled()
        if stop:
            control.should_training_stop = True
        if last or stop or (better and training.patience) or _due(state, training.checkpoint_every):
            save_checkpoint(self._trainer, asdict(self.counts), self._run)
            forget_others(self._run, {self.counts.best_step} if training.patience else ())

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Put the best weights back, where the run is to keep them."""
        if not self._config.training.patience or self.cancelled() or self.counts.worse == 0:
            return
        best = checkpoint_at(self._run, self.counts.best_step)
        if best is None:
            raise TrainingError(
                f"the best weights, of step {self.counts.best_step}, are no longer whole on the disk",
                "train again, and look at the disk",
            )
        load_weights(self._trainer, best)

    def cancelled(self) -> bool:
        """Whether the person asked the run to stop."""
        return (self._run / CANCEL).exists()

    def _evaluate(self, state: Any) -> bool:
        """Measure and report the held-back loss, and let the model answer; whether it is the lowest loss yet."""
        began = time.perf_counter()
        loss = self._measure()
        if not math.isfinite(loss):
            raise TrainingError(
                f"the held-back loss is no longer a number at step {state.global_step}",
                "lower training.learning_rate, and look for odd examples among those held back",
            )
        answers = self._answers(self._trainer.model)
        lines = zip(self._config.prompts, answers, strict=True)
        self._append(SAMPLES, *({"step": state.global_step, "prompt": p, "answer": a} for p, a in lines))
        counts = self.counts
        counts.evaluation_s += time.perf_counter() - began
        counts.evaluations += 1
        counts.eval_loss = loss
        better = state.global_step > 0 and loss < counts.best_loss
        if state.global_step == 0:
            counts.eval_loss_before = loss
        elif better:
            counts.best_loss, counts.best_step, counts.worse = loss, state.global_step, 0
        else:
            counts.worse += 1
        self._report(state, eval_loss=loss)
        if self._config.report_to:
            self._trainer.log({"eval_loss": loss})
        return better

    def _stopped_early(self) -> bool:
        """Whether the held-back loss has not fallen for `patience` evaluations."""
        patience = self._config.training.patience
        return patience > 0 and self.counts.worse >= patience

    def _stop_as_broken(self, step: int) -> None:
        """Raises TrainingError that names the rows by which `step` went wrong."""
        rows = [self._examples[index] for index in dict.fromkeys(self._trainer.step_examples)]
        raise explain(self._trainer.model, rows, step)

    def _report(self, state: Any, **figures: float | None) -> None:
        metric = Metric(state.global_step, state.max_steps, eta_s=self._time_left(state), **figures)
        self._append(METRICS, metric.as_json())

    def _append(self, name: str, *lines: dict[str, Any]) -> None:
        with (self._run / name).open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)

    def _time_left(self, state: Any) -> float | None:
        """Seconds until the last step, by the mean of the steps and evaluations so far; None before the first step."""
        counts = self.counts
        if not counts.steps:
            return None
        every: int = self._config.training.evaluate_every or _steps_per_epoch(state)
        evaluations_left = math.ceil(state.max_steps / every) - math.ceil(state.global_step / every)
        per_evaluation = counts.evaluation_s / counts.evaluations if counts.evaluations else 0.0
        steps_left = int(state.max_steps - state.global_step)
        return float(steps_left * counts.training_s / counts.steps + max(evaluations_left, 0) * per_evaluation)


def _due(state: Any, every: int) -> bool:
    """Whether something that happens each `every` steps, or each epoch for 0, happens behind the present step."""
    return bool(state.global_step % (every or _steps_per_epoch(state)) == 0)


def _steps_per_epoch(state: Any) -> int:
    steps: int = round(state.max_steps / state.num_train_epochs)
    return max(steps, 1)


def _peak_memory_mb() -> float:
    """The most memory this process has had, in 10^6 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux tells kibibytes, macOS bytes.
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
