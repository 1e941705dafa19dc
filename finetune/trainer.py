"""The seam to TRL: its SFTTrainer, fed with token ids and labels that are ready, its loss computed where it counts.

Only imported by the training process, because it imports torch, transformers and TRL.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from trl import SFTConfig, SFTTrainer

from finetune.config import RunConfig
from finetune.loss import reply_loss


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
