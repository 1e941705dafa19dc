"""One training run from examples to adapter weights, in one function to read from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from finetune.base import Base
from finetune.config import RunConfig
from finetune.data.render import Example
from finetune.metrics import Metric
from finetune.trained import Trained
from finetune.weights import load_for_training
from fireside.cores import usable_cores


def train(
    config: RunConfig,
    base: Base,
    examples: Sequence[Example],
    held_back: Sequence[Example],
    folder: Path,
    report: Callable[[Metric], None],
    cancelled: Callable[[], bool],
) -> Trained:
    """Train a LoRA adapter over `base` and write its PEFT weights into `folder`.

    report: called with each step and each held-back loss. cancelled: asked after each step.
    Raises ModelError (the base cannot be read), TrainingError (the loss is no longer a number, unknown target modules).
    """
    import torch
    from datasets import Dataset
    from peft import LoraConfig, TaskType
    from transformers import AutoTokenizer, set_seed

    from finetune.batches import as_row, collate
    from finetune.loss import held_back_loss
    from finetune.progress import ProgressCallback
    from finetune.trainer import ReplyTrainer, trainer_config
    from fireside.errors import TrainingError

    torch.set_num_threads(config.threads or usable_cores())
    set_seed(config.seed)
    model = load_for_training(base.path)
    lora = LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=config.lora.target_modules,
    )
    try:
        trainer = ReplyTrainer(
            model=model,
            args=trainer_config(config, folder),
            train_dataset=Dataset.from_list([as_row(example) for example in examples]),
            data_collator=collate,
            peft_config=lora,
            # TRL wants a tokenizer, though everything is tokenised already.
            processing_class=AutoTokenizer.from_pretrained(str(base.path.parent), gguf_file=base.path.name),
        )
    except ValueError as error:
        if "target" not in str(error).lower():
            raise
        raise TrainingError(f"lora.target_modules does not fit the model: {error}", 'use "all-linear"') from error

    losses: list[float] = []

    def measure() -> float:
        losses.append(held_back_loss(trainer.model, held_back, config.training.batch_size))
        return losses[-1]

    steps = -(-len(examples) // config.training.batch_size) * config.training.epochs
    report(Metric(step=0, steps=steps, eval_loss=measure()))
    trainer.add_callback(ProgressCallback(report, cancelled, measure, lambda: trainer.tokens_seen))
    began = time.perf_counter()
    result = trainer.train()
    seconds = time.perf_counter() - began
    trained = trainer.model.eval()
    # PEFT would write down where the base lies on this machine; its name and sha256 are in the card.
    trained.peft_config["default"].base_model_name_or_path = base.name
    trained.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    return Trained(
        model=trained,
        eval_loss_before=losses[0],
        eval_loss_after=losses[-1],
        train_loss=float(result.training_loss),
        steps=int(trainer.state.global_step),
        tokens=trainer.tokens_seen,
        seconds=seconds,
        cancelled=cancelled(),
    )
