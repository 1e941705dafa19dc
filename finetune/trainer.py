"""The seam to TRL: its SFTTrainer, fed with token ids and labels that are ready, its loss computed where it counts.

Only imported by the training process, because it imports torch, transformers and TRL.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft.optimizers import create_loraplus_optimizer
from torch.utils.data import Sampler
from transformers import AutoTokenizer
from trl import SFTConfig, SFTTrainer

from finetune.base import Base
from finetune.choices import Choices
from finetune.config import RunConfig
from finetune.loss import reply_loss
from finetune.order import EpochOrder
from finetune.tracking import PROJECT

_OPTIMIZERS = {"adamw": "adamw_torch"}


class ReplyTrainer(SFTTrainer):  # type: ignore[misc]  # trl ships no types
    """TRL's trainer with the loss of `reply_loss`, which is the same number at a part of the cost on a CPU, an order of
    examples that depends on seed and epoch alone, and LoRA+.

    tokens_seen: trained on so far, prompts included. step_examples: which examples are in the coming optimiser step.
    """

    def __init__(self, config: RunConfig, **given: Any) -> None:
        """given: what SFTTrainer takes."""
        self.run_config = config
        self.tokens_seen = 0
        self.step_examples: list[int] = []
        super().__init__(**given)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """The mean over the batch's trained tokens; over those of all accumulated batches where Trainer tells them."""
        # accelerate puts autocast around the model's own forward, which `reply_loss` does not go through.
        with self.accelerator.autocast():
            loss, count = reply_loss(model, inputs)
        self.tokens_seen += int(inputs["attention_mask"].sum())
        return loss / (count if num_items_in_batch is None else num_items_in_batch)

    def get_batch_samples(self, *given: Any, **named: Any) -> Any:
        """Trainer's: the batches of the coming step, and how many tokens they train."""
        batches, items = super().get_batch_samples(*given, **named)
        self.step_examples = [index for batch in batches for index in batch["examples"].tolist()]
        return batches, items

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Trainer's; with LoRA+, B's learning rate is `lora.plus` times that of A."""
        if self.run_config.method == "full" or self.run_config.lora.plus == 1:
            optimizer: torch.optim.Optimizer = super().create_optimizer(model)
            return optimizer
        kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
        optimizer = create_loraplus_optimizer(
            self.model,
            kind,
            loraplus_lr_ratio=self.run_config.lora.plus,
            loraplus_weight_decay=self.args.weight_decay,
            **options,
        )
        self.optimizer = optimizer
        return optimizer

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        rows = self.train_dataset if train_dataset is None else train_dataset
        return EpochOrder(
            [len(ids) for ids in rows["input_ids"]],
            self.run_config.seed,
            short_first=self.run_config.training.curriculum == "length",
        )


def tokenizer_of(base: Base) -> Any:
    """The base's tokenizer, of which TRL and Trainer read the special tokens."""
    if base.path.is_dir():
        return AutoTokenizer.from_pretrained(str(base.path), local_files_only=True, trust_remote_code=False)
    return AutoTokenizer.from_pretrained(str(base.path.parent), gguf_file=base.path.name, local_files_only=True)


def trainer_config(config: RunConfig, choices: Choices, folder: Path) -> Any:
    """TRL's configuration for a run. Its own defaults are made for GPUs."""
    training = config.training
    return SFTConfig(
        output_dir=str(folder),
        use_cpu=choices.device.value == "cpu",
        bf16=choices.precision.value == "bfloat16",
        fp16=choices.precision.value == "float16",
        activation_checkpointing=choices.checkpointing.value == "on",
        per_device_train_batch_size=training.batch_size,
        gradient_accumulation_steps=training.accumulation,
        num_train_epochs=training.epochs,
        optim=_OPTIMIZERS.get(choices.optimizer.value, choices.optimizer.value),
        learning_rate=choices.learning_rate.value,
        # A constant rate rises too.
        lr_scheduler_type="constant_with_warmup" if training.schedule == "constant" else training.schedule,
        # A share of all steps, as Trainer takes a number below 1.
        warmup_steps=training.warmup,
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_gradient_norm,
        neftune_noise_alpha=training.neftune or None,
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="no",
        save_strategy="no",
        report_to=list(config.report_to) or "none",
        # What trackers show of it.
        project=PROJECT,
        run_name=folder.name,
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=choices.device.value != "cpu",
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        seed=config.seed,
    )
