"""The ways to train: which settings go together, the adapter PEFT makes of them, and what of a model they train."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from finetune.config import Lora, RunConfig
from finetune.shape import Shape
from fireside.errors import SettingsError, did_you_mean

TRAINABLE = "trainable.json"

# Directions found by randomised subspace iteration, which PiSSA's authors advise (arXiv:2404.02948, section 4):
# a whole decomposition of every layer of the smallest model takes a minute.
_PISSA_ROUNDS = 16
_LOFTQ_ROUNDS = 8


@dataclass(frozen=True)
class Trainable:
    """What of a model is trained. modules: the names of the modules that hold it. trainable, total: numbers of weights;
    the total is the base's and the adapter's, 4-bit weights counted one by one. share: trainable / total."""

    modules: tuple[str, ...]
    trainable: int
    total: int
    share: float

    def as_json(self) -> dict[str, Any]:
        """The fields as they are."""
        return asdict(self)


def makes_adapter(config: RunConfig) -> bool:
    """Whether the run ends with an adapter; full fine-tuning and DoRA end with a whole model."""
    return config.method == "lora" and not config.lora.dora


def check(config: RunConfig, shape: Shape) -> None:
    """Refuse settings that do not go together, before anything is loaded. shape: the base's.

    Raises SettingsError that names them and says what to do.
    """
    lora = config.lora
    if config.training.packing == "on" and config.training.curriculum != "off":
        raise SettingsError(
            "training.curriculum orders single examples, and training.packing mixes them",
            'set one of the two to "off"',
        )
    if config.method == "full":
        if config.weights != "plain":
            raise SettingsError(
                f'method = "full" trains all weights, which cannot be held as {config.weights}',
                'set weights = "plain", or method = "lora"',
            )
        changed = ", ".join(f"lora.{name}" for name in Lora.model_fields if _is_set(lora, name))
        if changed:
            raise SettingsError(
                f'method = "full" makes no adapter, which {changed} would shape',
                f'take out {changed}, or set method = "lora"',
            )
        return
    _check_init(config)
    _check_targets(lora, shape)


def _is_set(lora: Lora, name: str) -> bool:
    return bool(getattr(lora, name) != Lora.model_fields[name].default)


def _check_init(config: RunConfig) -> None:
    lora = config.lora
    if lora.init == "loftq" and config.weights != "nf4":
        raise SettingsError(
            f'lora.init = "loftq" makes up for what 4-bit weights lost, and the weights are {config.weights}',
            'set weights = "nf4", or lora.init = "zero"',
        )
    if lora.init == "pissa" and config.weights != "plain":
        raise SettingsError(
            f'lora.init = "pissa" takes directions out of the base, which {config.weights} weights do not allow',
            'set weights = "plain", or lora.init = "loftq" with weights = "nf4"',
        )
    if lora.dora and lora.init != "zero":
        raise SettingsError(
            f'lora.dora begins with the lengths of the base\'s rows, so it does not go with lora.init = "{lora.init}"',
            'set lora.init = "zero", or lora.dora = false',
        )


def _check_targets(lora: Lora, shape: Shape) -> None:
    if lora.target_modules == "all-linear":
        return
    if not lora.target_modules:
        raise SettingsError("lora.target_modules is empty, so nothing would be trained", 'use "all-linear"')
    for name in lora.target_modules:
        if name not in shape.linear:
            known = ", ".join(sorted(shape.linear))
            raise SettingsError(
                f"lora.target_modules names {name!r}, which is no linear layer of the model's blocks",
                did_you_mean(name, shape.linear, f'use "all-linear", or some of {known}'),
            )


def lora_config(lora: Lora) -> Any:
    """PEFT's LoraConfig. LoftQ begins like plain LoRA there; `begin_loftq` follows once the adapter exists."""
    from peft import LoraConfig, TaskType

    return LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        init_lora_weights=f"pissa_niter_{_PISSA_ROUNDS}" if lora.init == "pissa" else True,
    )


def begin_loftq(model: Any, original: Any) -> None:
    """Set A and B of every adapted layer to what the 4-bit weights lost: the best product of their rank, scaled.

    One round of LoftQ (arXiv:2310.08659, algorithm 1 with T = 1), so that the base stays the plain nf4 one: A and B
    are the singular vectors of W - dequantised(nf4(W)), weighted by the roots of their values. model: peft's. original:
    the transformers model with the weights W.
    """
    import torch
    from bitsandbytes import functional

    for name, layer in model.get_base_model().named_modules():
        if not hasattr(layer, "lora_A"):
            continue
        held = layer.get_base_layer().weight
        whole = original.get_parameter(f"{name}.weight").to(held.device, torch.float32)
        lost = whole - functional.dequantize_4bit(held.data, held.quant_state).to(torch.float32)
        left, sizes, right = torch.svd_lowrank(lost, layer.r["default"], niter=_LOFTQ_ROUNDS)
        root = (sizes / layer.scaling["default"]).sqrt()
        layer.lora_A["default"].weight.data = (root[:, None] * right.T).contiguous()
        layer.lora_B["default"].weight.data = (left * root).contiguous()


def adapter_weights(model: Any) -> dict[str, Any]:
    """A copy of the adapter's matrices by peft's names."""
    from peft import get_peft_model_state_dict

    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: weight.detach().clone() for name, weight in weights.items()}


def over_whole_base(model: Any, beginning: dict[str, Any], base: Any, lora: Lora) -> Any:
    """PiSSA's trained adapter as plain LoRA over `base`, the model nothing was taken out of; a peft model.

    PiSSA trains A B over W - s A0 B0; over W the same is A B - A0 B0, which has twice the rank (arXiv:2404.02948,
    appendix C). beginning: `adapter_weights` before the first step.
    """
    import torch
    from peft import get_peft_model, set_peft_model_state_dict

    weights = {
        name: torch.cat([weight, beginning[name]]) if "lora_A" in name else torch.cat([weight, -beginning[name]], 1)
        for name, weight in adapter_weights(model).items()
    }
    # The scale stays: alpha / rank, or alpha / root of the rank.
    alpha = lora.alpha * (2**0.5 if lora.rslora else 2)
    plain = lora.model_copy(update={"rank": 2 * lora.rank, "alpha": alpha, "init": "zero"})
    whole = get_peft_model(base, lora_config(plain))
    set_peft_model_state_dict(whole, weights)
    return whole.eval()


def adapters_in_float32(model: Any) -> None:
    """Hold everything that is trained in float32: TRL puts adapters over 4-bit and 8-bit weights in bfloat16, which on
    a CPU is slow and too coarse for small steps."""
    import torch

    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.to(torch.float32)


def trainable(model: Any) -> Trainable:
    """What of `model` is trained. A weight that two modules share counts once, with the first."""
    modules: list[str] = []
    counted: set[int] = set()
    trained = total = 0
    for name, module in model.named_modules():
        for weight in module.parameters(recurse=False):
            if id(weight) in counted:
                continue
            counted.add(id(weight))
            count = _count(weight)
            total += count
            if weight.requires_grad:
                trained += count
                modules.append(name)
    return Trainable(tuple(dict.fromkeys(modules)), trained, total, trained / total)


def _count(weight: Any) -> int:
    """How many weights a parameter stands for: bitsandbytes packs two of 4 bits into a byte."""
    state = getattr(weight, "quant_state", None)
    return int(state.shape.numel()) if state is not None else int(weight.numel())
