"""What a person is told of training runs, in lines of text: for the command and the screens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetune.metrics import Metric
    from finetune.status import Status

_ANSWER = 160

STATES = {
    "preparing": "reading model and examples ...",
    "training": "training ...",
    "exporting": "writing the result ...",
    "verifying": "comparing llama.cpp with transformers, both with what was trained ...",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}


def metric_line(metric: Metric, held_back: float | None) -> str:
    """One line for a person: where the run is, its losses, its speed, the time left."""
    parts = [f"step {metric.step}/{metric.steps}"]
    if metric.loss is not None:
        parts.append(f"loss {metric.loss:.3f}")
    if held_back is not None:
        parts.append(f"held-back loss {held_back:.3f}")
    if metric.tokens_per_s is not None:
        parts.append(f"{metric.tokens_per_s:.0f} tokens/s")
    if metric.eta_s is not None:
        parts.append(f"{metric.eta_s:.0f} s left")
    return ", ".join(parts)


def summary(status: Status) -> list[str]:
    """What a finished run did, for a person."""
    m = status.metrics
    lines = [
        f"trained on {m['examples']} examples in {m['seconds']:.0f} s, {m['tokens_per_s']:.0f} tokens/s",
        f"held-back loss {m['eval_loss_before']:.3f} -> {m['eval_loss_after']:.3f} on {m['held_back']} examples",
        *(model_lines(m) if "model" in m else verify_lines(m)),
    ]
    if status.verified and "model" in m:
        lines.append(f"use it: fireside ask --model {m['model'].removesuffix('.gguf')}")
    elif status.verified:
        lines.append(f"use it: fireside ask --adapter {status.adapter}, or /adapter {status.adapter} in the chat")
    return lines


def verify_lines(scores: dict[str, Any]) -> list[str]:
    """The export check, the base's own figures beside it."""
    verdict = "verified" if scores["verified"] else "refused"
    labels = [("with the adapter", ""), ("base alone", "base_")]
    if "drift_agreement" in scores:
        # Told and not judged: 4-bit weights of two kinds round differently.
        labels.append(("on the base file", "drift_"))
    return [
        f"export {verdict}: llama.cpp against transformers, {scores['prompts']} prompts, {scores['positions']} tokens",
        *(_figures(label, scores, prefix) for label, prefix in labels),
    ]


def model_lines(scores: dict[str, Any]) -> list[str]:
    """The check of a whole model's export."""
    verdict = "verified" if scores["verified"] else "refused"
    return [
        f"export {verdict}: {scores['model']}, {scores['kind']}, llama.cpp against transformers, "
        f"{scores['prompts']} prompts, {scores['positions']} tokens",
        f"  same token {scores['agreement']:.3f}  mean KL {scores['kl']:.5f}  "
        f"same token ids in {scores['tokens']} of {scores['texts']} texts",
        f"  {'same' if scores['same_template'] else 'another'} chat template, "
        f"{'stops' if scores['stops'] else 'does not stop'} at the end of a reply, perplexity "
        f"{scores['perplexity']:.2f} where the trained model has {scores['trained_perplexity']:.2f}",
    ]


def _figures(label: str, scores: dict[str, Any], prefix: str) -> str:
    agreement, kl, error = (scores[f"{prefix}{name}"] for name in ("agreement", "kl", "logit_error"))
    return f"  {label:<17} same token {agreement:.3f}  mean KL {kl:.5f}  logit difference {error:.3f}"


def losses(status: Status) -> str:
    """The held-back loss before and after, and the verdict, behind a run in a list; "" for one that is not done."""
    if "eval_loss_after" not in status.metrics:
        return ""
    before, after = status.metrics["eval_loss_before"], status.metrics["eval_loss_after"]
    verdict = {True: ", verified", False: ", export refused", None: ""}[status.verified]
    return f"  held-back loss {before:.3f} -> {after:.3f}{verdict}"


def trainable_lines(trainable: dict[str, Any]) -> list[str]:
    """How much of the model was trained, and where. trainable: as the run's folder has it."""
    # An adapter's own parts, as lora_A, lie below the layer that they belong to.
    layers = dict.fromkeys(name.partition(".lora_")[0] for name in trainable["modules"])
    counted = Counter(name.rpartition(".")[2] for name in layers)
    where = ", ".join(f"{number} {name}" for name, number in counted.items())
    return [
        f"trained weights: {trainable['trainable']:,} of {trainable['total']:,} ({trainable['share']:.2%}), "
        f"in {len(layers)} modules: {where}"
    ]


def choice_lines(choices: dict[str, Any]) -> list[str]:
    """What was chosen for the machine, each with the reason. choices: as the run's folder has them."""
    width = max(map(len, choices), default=0)
    return [f"  {name:<{width}}  {each['value']}: {each['reason']}" for name, each in choices.items()]


def sample_lines(samples: Sequence[dict[str, Any]]) -> list[str]:
    """Each prompt, and below it what the model answered at each step."""
    lines = []
    for prompt in dict.fromkeys(sample["prompt"] for sample in samples):
        lines.append(prompt)
        answers = [sample for sample in samples if sample["prompt"] == prompt]
        lines += [f"  step {sample['step']}: {_on_one_line(sample['answer'])}" for sample in answers]
    return lines


def _on_one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _ANSWER else text[: _ANSWER - 1] + "…"
