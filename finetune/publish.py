"""Gives a run's result its place: exported, proved, with its card, and moved there whole."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetune.base import Base
from finetune.card import card
from finetune.config import RunConfig
from finetune.data.templates import template_named
from finetune.export.adapter import export_adapter
from finetune.export.whole import Whole
from finetune.export.whole import publish_model as publish_whole
from finetune.inputs import kept_inputs
from finetune.run import check_name_free, model_file
from finetune.status import VERIFY
from finetune.verify import Prompt, prove_adapter
from finetune.verify.again import PROMPTS_FILE
from fireside import atomic, paths
from fireside.errors import StorageError
from fireside.models.adapters import ADAPTER_FILE, CARD_FILE


@dataclass(frozen=True)
class Published:
    """The verdict on an export, why it is refused ("" where it is not), and its figures."""

    verified: bool
    reason: str
    scores: dict[str, Any]


def publish_adapter(
    config: RunConfig,
    base: Base,
    model: Any,
    build: Path,
    prompts: Sequence[Prompt],
    metrics: dict[str, Any],
    run: Path,
    proving: Callable[[], None],
) -> Published:
    """Export the PEFT adapter in the folder `build`, compare it with `model`, and move it among the adapters.

    metrics: of training, for the card. run: the run's folder. proving: called before the comparison begins.
    Raises AdapterError, ModelError, StorageError.
    """
    export_adapter(build, base, build / ADAPTER_FILE)
    proving()
    atomic.write_text(build / PROMPTS_FILE, json.dumps([asdict(prompt) for prompt in prompts]))
    proof = prove_adapter(model, base, build / ADAPTER_FILE, prompts, weights=config.weights, threads=config.threads)
    _write(build / VERIFY, proof.as_json())
    details = card(config, base, kept_inputs(run), metrics)
    _write(build / CARD_FILE, {**details, "verified": proof.verified, "verify": proof.scores()})
    # From here on a cancelled run would only lose what is finished.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    publish(build, config.name)
    return Published(proof.verified, proof.reason, proof.scores())


def publish_model(
    config: RunConfig,
    base: Base,
    model: Any,
    build: Path,
    prompts: Sequence[Prompt],
    metrics: dict[str, Any],
    run: Path,
    proving: Callable[[], None],
) -> Published:
    """Export the whole `model` as an F16 GGUF file among the models, and compare it with what was trained.

    Parameters and errors as in `publish_adapter`.
    """
    target = model_file(config.name)
    template = template_named(config.template) if config.template else ""
    wanted = Whole(target, "F16", template=template, threads=config.threads)
    # Its steps are for the log, where what is printed here goes.
    tell: Callable[[str], None] = print
    proving()
    report = publish_whole(model, model, base, wanted, prompts, card(config, base, kept_inputs(run), metrics), tell)
    return Published(report.verified, report.reason, {**report.scores(), "model": target.name})


def publish(build: Path, name: str) -> None:
    """Move the finished folder to its place among the adapters, whole. Raises AdapterError where the name was taken."""
    check_name_free(name)
    paths.ensure_folder(paths.adapters_folder())
    try:
        build.rename(paths.adapters_folder() / name)
    except OSError as error:
        raise StorageError(f"cannot keep the adapter {name}: {error.strerror}", "free some space") from error


def _write(file: Path, document: dict[str, Any]) -> None:
    atomic.write_text(file, json.dumps(document, ensure_ascii=False, indent=1))
