"""`fireside tune export` and `fireside tune verify`: adapters and whole models for other programs, and their proof."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tui.commands.actions import add_action
from tui.console import emit, note, say
from tui.tuning_text import model_lines, verify_lines


def add_actions(actions: Any) -> None:
    """Add `export` and `verify` to the actions of `tune`."""
    export = add_action(actions, "export", _export, "write an adapter or a whole model as a file, and prove it")
    export.add_argument("source", metavar="ADAPTER_OR_RUN", help="an adapter, the run that made it, or a model")
    export.add_argument(
        "--format",
        choices=("adapter", "gguf", "safetensors", "awq", "gptq"),
        default="gguf",
        help="adapter: a GGUF adapter; gguf: a whole model (default); safetensors: a folder; awq, gptq: need a GPU",
    )
    export.add_argument(
        "--type",
        default="",
        metavar="TYPE",
        help="F16, BF16, Q8_0 (default), Q6_K, Q5_K_M, Q4_K_M ... any of llama.cpp's; safetensors: F16, BF16 or F32",
    )
    export.add_argument(
        "--imatrix",
        default="",
        metavar="FILE",
        help="an importance matrix of llama.cpp, or chats to measure one on: small types lose less",
    )
    export.add_argument("--ollama", action="store_true", help="write a Modelfile for Ollama beside it")
    export.add_argument(
        "--base",
        choices=("dequantised", "original"),
        default="dequantised",
        help="of a run with 4- or 8-bit weights: merge over those it saw (default), or over the base's own",
    )
    export.add_argument("--output", default="", metavar="PATH", help="where to (default: the models folder)")
    verify = add_action(
        actions, "verify", _verify, "compare llama.cpp with transformers, both with the adapter, once more"
    )
    verify.add_argument(
        "name", metavar="RUN_ADAPTER_OR_MODEL", help="an adapter, the run that made it, or an exported model"
    )


def _export(options: argparse.Namespace) -> int:
    from finetune.export.request import Request, export, find_source
    from fireside.errors import AdapterError

    source, is_adapter = find_source(options.source)
    request = Request(
        source,
        is_adapter,
        format=options.format,
        kind=options.type,
        over=options.base,
        imatrix=options.imatrix,
        ollama=options.ollama,
        output=options.output,
    )
    report = export(request, (lambda _: None) if options.json else note)
    if options.json:
        emit(report)
    else:
        say("\n".join(export_lines(report)))
    for text in report.get("notes", ()):
        note(f"note: {text}")
    if report["verified"] is False:
        raise AdapterError(
            f"the export was written, but it failed its check: {report['reason']}",
            "it is kept and marked, and the chat will not offer it",
        )
    return 0


def export_lines(report: dict[str, Any]) -> list[str]:
    """What was exported and how it did, for a person."""
    lines = [f"{report['path']}: {report.get('in_words') or _megabytes(report)}"]
    scores = report.get("scores")
    if scores:
        lines += model_lines({**scores, "model": Path(report["path"]).name})
    if report.get("difference"):
        change = report["difference"]
        lines.append(
            f"  merged over the weights it saw, held-back loss {change['dequantised_loss']:.3f}; over the base's own "
            f"{change['original_loss']:.3f} (same token {change['agreement']:.3f}, mean KL {change['kl']:.2g})"
        )
    if report.get("modelfile"):
        without = report["modelfile_without_template"]
        lines.append(f"{report['modelfile']}" + (f" (without TEMPLATE: {without})" if without else ""))
    return lines


def _megabytes(report: dict[str, Any]) -> str:
    return f"{report['size'] / 1e6:.1f} MB"


def _verify(options: argparse.Namespace) -> int:
    from finetune.run import list_runs, verify_adapter
    from finetune.status import read_status
    from fireside import paths
    from fireside.errors import AdapterError
    from fireside.models.adapters import find_adapter, list_adapters
    from fireside.models.catalog import exported_model

    runs = {folder.name: folder for folder in list_runs()}
    name = read_status(runs[options.name]).adapter if options.name in runs else options.name
    if name not in [card.name for card in list_adapters()] and (model := exported_model(name)) is not None:
        return _verify_model(model, options.json)
    if find_adapter(name).details.get("origin") != "trained":
        raise AdapterError(
            f"the adapter {name!r} was imported: there is nothing to compare it with",
            "verify one that was trained here: fireside tune list",
        )
    if not options.json:
        note(f"checking {name}; this takes about half a minute ...")
    document = verify_adapter(paths.adapters_folder() / name)
    scores = document["scores"]
    if options.json:
        emit(document)
    else:
        say("\n".join([*verify_lines(scores), *_reply_lines(scores)]))
    if not scores["verified"]:
        raise AdapterError(
            f"the export of {name!r} is refused: {scores['reason']}", "the chat will not offer it; train it again"
        )
    return 0


def _verify_model(model: Path, as_json: bool) -> int:
    """Prove an exported model once more."""
    from finetune.export.request import verify_exported
    from fireside.errors import ModelError

    document = verify_exported(model, (lambda _: None) if as_json else note)
    scores = document["scores"]
    if as_json:
        emit(document)
    else:
        say("\n".join(model_lines({**scores, "model": model.name})))
    if not scores["verified"]:
        raise ModelError(f"{model.name} failed its check: {scores['reason']}", "the chat will not offer it")
    return 0


def _reply_lines(scores: dict[str, Any]) -> list[str]:
    """What was learnt: the held-back replies, base against adapter; and the drift over another rounding of the base."""
    lines = []
    if "replies" in scores:
        lines.append(
            f"  {scores['replies']} held-back replies: loss {scores['base_held_back_loss']:.3f} -> "
            f"{scores['held_back_loss']:.3f}, written exactly {scores['base_exact_match']:.0%} -> "
            f"{scores['exact_match']:.0%}; perplexity {scores['perplexity']:.2f}, "
            f"in training {scores['trained_perplexity']:.2f}"
        )
    if "drift_kl" in scores:
        lines.append(
            f"  over the base's own file, rounded otherwise: same token {scores['drift_agreement']:.3f}  "
            f"mean KL {scores['drift_kl']:.3f} (told, not judged)"
        )
    return lines
