"""The process of an export: an adapter or a model, whole, as a person asked for it. Its steps go to stdout as JSON."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune.base import Base
from finetune.export.adapter import export_adapter, read_configuration, why_not_an_adapter
from finetune.export.folder import SavedModel
from finetune.export.gguf_model import supported_family
from finetune.export.gpu import check_gpu, publish_for_gpu
from finetune.export.imatrix import collect_importance, is_importance, write_importance
from finetune.export.ollama import modelfile, write_modelfile
from finetune.export.quantise import checked_kind
from finetune.export.request import Request, place
from finetune.export.source import Source, adapter_folder, source_of_adapter, source_of_model
from finetune.export.source import read_card as read_adapter_card
from finetune.export.tensors import layout_of
from finetune.export.turns import written_end
from finetune.export.whole import Whole, check_free, publish_model
from finetune.failures import explained
from finetune.verify.again import base_of
from finetune.verify.expected import expected_of
from finetune.verify.prove import opened
from finetune.vocabulary import open_vocabulary
from fireside import paths
from fireside.errors import AdapterError, ModelError, StorageError, TrainingError
from fireside.models.adapters import ADAPTER_FILE
from fireside.models.gguf_header import read_header
from fireside.models.model_cards import card_path, read_card, write_card
from fireside.models.recommended import recommended

_USUAL = {"gguf": "Q8_0", "safetensors": "F16"}
_CALIBRATION_TOKENS = 32_768


def main(arguments: Sequence[str]) -> int:
    """`export REQUEST`, JSON, or `verify MODEL`, a path; the last line of stdout is the report, or why not."""
    job, asked = arguments
    try:
        report = run(Request(**json.loads(asked))) if job == "export" else verify_again(Path(asked))
    except Exception as error:
        traceback.print_exc()
        told = explained(error, "the export", "close other programs", "try another --type or --format")
        _emit({"error": told.message, "hint": told.hint})
        return 1
    _emit({"done": report})
    return 0


def verify_again(model: Path) -> dict[str, Any]:
    """Prove the exported model at `model` once more; its card is updated. Raises FiresideError."""
    card = read_card(model) or {}
    if card.get("origin") != "exported":
        raise ModelError(
            f"{model.name} was not exported here: there is nothing to compare it with",
            "verify a model that fireside tune export made",
        )
    if "adapter" in card:
        source = source_of_adapter(str(card["adapter"]), card["over"], _tell)
    elif "file" in card.get("base", {}) and "config" not in card:
        source = source_of_model(str(card["base"]["file"]), _tell)
    else:
        raise ModelError(
            f"all weights of {model.name} were trained, and are nowhere else to compare it with",
            f"it was compared when it was made: {card_path(model)}",
        )
    with expected_of(source.trained, source.base, source.template, source.prompts) as expected:
        if model.is_dir():
            report = expected.check(SavedModel(model), str(card["kind"]))
        else:
            with opened(model, expected.prompts, 0) as forcing:
                report = expected.check(forcing, str(card["kind"]))
    write_card(model, {**card, "verified": report.verified, "verify": report.scores()})
    return report.as_json()


def run(request: Request) -> dict[str, Any]:
    """The export, from the names in `request` to its report. Raises FiresideError."""
    if request.format == "adapter":
        return _adapter(request)
    if request.format in ("awq", "gptq"):
        check_gpu(request.format)
        request = replace(request, kind=request.format.upper())
    else:
        request = replace(request, kind=checked_kind(request.kind or _USUAL[request.format]))
    target = place(request, ".gguf" if request.format == "gguf" else "")
    check_free(target)
    if request.is_adapter:
        source = source_of_adapter(request.source, request.over, _tell)
    else:
        source = source_of_model(request.source, _tell)
    if request.format in ("awq", "gptq"):
        _tell(f"quantising to {request.kind} ...")
        made = publish_for_gpu(source.model, source.base, target, request.format, source.template, source.details)
        return {"format": request.format, "type": request.kind, "path": str(target), **made}
    return _whole(request, source, target)


def _adapter(request: Request) -> dict[str, Any]:
    """The GGUF adapter that a run made already, or written once more elsewhere; with a Modelfile if asked for."""
    if not request.is_adapter:
        raise AdapterError(f"{request.source!r} is a model, not an adapter", "--format gguf, or safetensors")
    if request.kind or request.imatrix:
        raise AdapterError("an adapter is kept in 32 bits", "leave --type and --imatrix out, or choose --format gguf")
    folder = adapter_folder(request.source)
    card = read_adapter_card(folder)
    base = base_of(card)
    if reason := why_not_an_adapter(read_configuration(folder)):
        raise AdapterError(f"{request.source!r} cannot be a GGUF adapter: {reason}", "--format gguf, or safetensors")
    target = folder / ADAPTER_FILE
    if request.output:
        target = paths.expanded(request.output).absolute()
        check_free(target)
        export_adapter(folder, base, target)
    report: dict[str, Any] = {"format": "adapter", "path": str(target), "size": target.stat().st_size}
    if request.ollama:
        if base.is_folder:
            raise AdapterError(
                "Ollama applies an adapter to a GGUF file, and this one was trained over a folder",
                "export the whole model: --format gguf --ollama",
            )
        report |= _modelfile(target.with_name("Modelfile"), base, "", str(base.path), f"./{target.name}")
    return {**report, "verified": card.get("verified"), "reason": (card.get("verify") or {}).get("reason", "")}


def _whole(request: Request, source: Source, target: Path) -> dict[str, Any]:
    """A whole model, exported and proved; with a Modelfile if asked for."""
    importance = _importance(request, source, target)
    wanted = Whole(target, request.kind, source.template, importance, request.threads)
    report = publish_model(source.model, source.trained, source.base, wanted, source.prompts, source.details, _tell)
    kept = read_card(target) or {}
    result: dict[str, Any] = {
        "format": request.format,
        "type": request.kind,
        "path": str(target),
        **{key: kept[key] for key in ("size", "tensors", "fallbacks", "in_words", "difference") if key in kept},
        "notes": kept.get("notes", []),
        "verified": report.verified,
        "reason": report.reason,
        "scores": report.scores(),
    }
    if request.ollama and target.is_dir():
        result |= _modelfile(target / "Modelfile", source.base, source.template, ".", "")
    elif request.ollama:
        beside = target.with_name(f"{target.stem}.Modelfile")
        result |= _modelfile(beside, source.base, source.template, f"./{target.name}", "")
    return result


def _importance(request: Request, exported: Source, target: Path) -> Path | None:
    """The importance matrix asked for: a file that is one, or measured on chats and kept beside the export."""
    if not request.imatrix:
        return None
    if request.format != "gguf":
        raise TrainingError("an importance matrix is for quantising to GGUF", "leave --imatrix out")
    source = paths.expanded(request.imatrix).absolute()
    if not source.is_file():
        raise StorageError(f"there is no file {source}", "check the path of --imatrix")
    if is_importance(source):
        return source
    from finetune.data.render import render_examples
    from finetune.data.split import read_split

    _tell("measuring which columns matter ...")
    vocabulary = open_vocabulary(exported.base)
    vocabulary.chat_template = exported.template or vocabulary.chat_template
    try:
        examples, _ = render_examples(read_split(source, 0.1).train, vocabulary, 1024)
    finally:
        vocabulary.free()
    texts, total = [], 0
    for example in examples:
        if total >= _CALIBRATION_TOKENS:
            break
        texts.append(example.input_ids)
        total += len(example.input_ids)
    layout = layout_of(exported.model.config, supported_family(exported.model.config))
    kept = target.with_name(f"{target.stem}.imatrix")
    write_importance(collect_importance(exported.model, layout, texts), kept, tokens=total)
    return kept


def _modelfile(path: Path, base: Base, template: str, source: str, adapter: str) -> dict[str, Any]:
    """Write the Modelfile, and tell where, and why it has no template."""
    vocabulary = open_vocabulary(base)
    try:
        text, reason = modelfile(
            source,
            adapter=adapter,
            template=template or vocabulary.chat_template,
            bos=vocabulary.bos_token,
            eos=vocabulary.eos_token,
            stop=written_end(vocabulary),
            sampling=recommended({"general.name": base.name} if base.is_folder else read_header(base.path).metadata),
        )
    finally:
        vocabulary.free()
    write_modelfile(path, text)
    return {"modelfile": str(path), "modelfile_without_template": reason}


def _tell(text: str) -> None:
    _emit({"tell": text})


def _emit(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
