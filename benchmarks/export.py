"""Measures exports: adapters and whole models in llama.cpp against what was trained, tokenizers, and quantised sizes.

    python benchmarks/export.py [--row adapter|nf4|tokenizers|quantise]

Rows: `adapter`, an adapter over an F16 GGUF file of the bundled model, 50 prompts x 64 tokens, teacher-forced;
and the same exported wrongly in two ways, which must fail; `nf4`, one trained over 4-bit weights, on a file of
those; `tokenizers`, token ids after a whole-model export of every family; `quantise`, sizes, fallbacks and perplexity.
Exits 1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

PROMPTS, LENGTH = 50, 64
_SOME, _FEW = 20, 10
AGREEMENT, KL = 0.99, 1e-4
# How far B is from zero after a short training of the bundled model.
_SPREAD = 0.02


def adapter_over(weights: Any, folder: Path) -> tuple[Any, Any]:
    """A rank-16 adapter on all linear layers of the bundled model, as strong as a trained one; base and PEFT model."""
    import torch
    from peft import LoraConfig, get_peft_model

    from finetune.base import find_base
    from finetune.weights import load

    base = find_base("smollm2-135m")
    config = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear")
    model = get_peft_model(load(base, weights), config)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, _SPREAD)
    model.eval()
    model.save_pretrained(folder, save_embedding_layers=False)
    return base, model


def prompts() -> list[Any]:
    """Fifty questions, as the chat would ask them."""
    from finetune.base import find_base
    from finetune.export.texts import texts
    from finetune.verify import Prompt
    from finetune.vocabulary import open_vocabulary
    from fireside.models.templates import render_chat
    from fireside.models.types import Message

    vocabulary = open_vocabulary(find_base("smollm2-135m"))
    asked = [text for text in texts() if 20 < len(text) < 120][:PROMPTS]
    rendered = [
        render_chat(
            vocabulary.chat_template,
            (Message("user", text),),
            bos_token=vocabulary.bos_token,
            eos_token=vocabulary.eos_token,
            add_generation_prompt=True,
        )
        for text in asked
    ]
    found = [Prompt(tuple(vocabulary.tokenize(text, begins=True))) for text in rendered]
    vocabulary.free()
    assert len(found) == PROMPTS
    return found


def proofs(weights: Any, folder: Path, files: dict[str, Callable[[Path, Any, Path], None]]) -> dict[str, Any]:
    """Each of `files` exported by its function and compared on an F16 file of the base."""
    from finetune.export.reference import write_reference
    from finetune.verify.adapter import EXACT, check, references
    from finetune.verify.prove import opened

    base, model = adapter_over(weights, folder)
    asked = prompts() if weights == "plain" else prompts()[:_SOME]
    write_reference(base, weights, folder / "base.gguf")
    reports = {}
    with opened(folder / "base.gguf", asked, 0) as forcing:
        expected = list(references(model, asked, lambda token: False, LENGTH))
        for name, export in files.items():
            export(folder, base, folder / f"{name}.gguf")
            # A wrong export shows at once.
            some = expected if export is right else expected[:_FEW]
            reports[name] = check(some, forcing, folder / f"{name}.gguf", EXACT)
    return reports


def told(name: str, report: Any) -> None:
    """One line of figures."""
    print(
        f"{name:<9}{report.positions} positions: same token {report.adapter.agreement:.4f} (must: {AGREEMENT}), "
        f"mean KL {report.adapter.kl:.2g} (must: {KL:g} at most), logit error {report.adapter.logit_error:.4f}; "
        f"base alone {report.base.agreement:.4f}, {report.base.kl:.2g}, {report.base.logit_error:.4f}"
    )


def right(folder: Path, base: Any, target: Path) -> None:
    """The export as it is."""
    from finetune.export.adapter import export_adapter

    export_adapter(folder, base, target)


def unpermuted(folder: Path, base: Any, target: Path) -> None:
    """Queries and keys in transformers' order."""
    from unittest import mock

    from finetune.export import adapter

    with mock.patch.object(adapter, "permute_rows", lambda matrix, heads: matrix):
        adapter.export_adapter(folder, base, target)


def halved(folder: Path, base: Any, target: Path) -> None:
    """Half the alpha."""
    from finetune.export.adapter import export_adapter

    file = folder / "adapter_config.json"
    before = file.read_text("utf-8")
    configuration = json.loads(before)
    file.write_text(json.dumps({**configuration, "lora_alpha": configuration["lora_alpha"] / 2}), "utf-8")
    try:
        export_adapter(folder, base, target)
    finally:
        file.write_text(before, "utf-8")


def adapter_row(folder: Path) -> bool:
    """A right export passes, and two wrong ones fail."""
    reports = proofs("plain", folder, {"adapter": right, "unpermuted": unpermuted, "halved": halved})
    told("adapter", reports["adapter"])
    good = reports["adapter"].adapter.agreement >= AGREEMENT and reports["adapter"].adapter.kl <= KL
    for name in ("unpermuted", "halved"):
        told(name, reports[name])
        print(f"         refused: {not reports[name].verified} (must: True)")
    return good and not reports["unpermuted"].verified and not reports["halved"].verified


def nf4_row(folder: Path) -> bool:
    """An adapter over 4-bit weights, on an F16 file of the same."""
    report = proofs("nf4", folder, {"nf4": right})["nf4"]
    told("nf4", report)
    return bool(report.adapter.agreement >= AGREEMENT and report.adapter.kl <= KL)


def tokenizers_row(folder: Path) -> bool:
    """Token ids of 200 texts after a whole-model export, each family."""
    from tiny_families import save_model

    from finetune.base import find_base
    from finetune.export.families import model_types
    from finetune.export.llama_vocabulary import LlamaVocabulary
    from finetune.export.reference import fast_tokenizer, write_reference
    from finetune.export.texts import texts

    good = True
    for family in model_types():
        model = save_model(folder / family, family)
        write_reference(find_base(str(model)), "plain", folder / f"{family}.gguf")
        vocabulary, tokenizer = LlamaVocabulary(folder / f"{family}.gguf"), fast_tokenizer(model)
        same = sum(vocabulary.tokenize(text, begins=True) == tokenizer.encode(text) for text in texts())
        vocabulary.free()
        print(f"tokens   {family:<12} {same} of {len(texts())} texts the same (must: all)")
        good = good and same == len(texts())
    return good


def quantise_row(folder: Path) -> bool:
    """Sizes and fallbacks of the bundled model, and its perplexity against its own F16 file."""
    import math

    from finetune.export.quantise import quantise
    from finetune.verify.figures import mean_loss, read_reply
    from finetune.verify.prove import opened
    from fireside.models.bundled import CHAT_MODEL, checked

    asked = prompts()[:20]
    quantise(checked(CHAT_MODEL), folder / "F16.gguf", "F16")
    losses = {}
    for kind in ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M"):
        file = folder / f"{kind}.gguf"
        began = time.perf_counter()
        done = quantise(folder / "F16.gguf", file, kind) if kind != "F16" else None
        seconds = time.perf_counter() - began
        with opened(file, asked, 0) as forcing:
            reads = [read_reply(forcing.logits(each.tokens)[:-1], each.tokens[1:]) for each in asked]
        losses[kind] = math.exp(mean_loss(reads))
        print(
            f"quantise {kind:<7} {done.in_words() if done else f'{file.stat().st_size / 1e6:.1f} MB'}; "
            f"perplexity {losses[kind]:.2f}; {seconds:.1f} s"
        )
    return losses["Q8_0"] < 1.02 * losses["F16"] and losses["Q4_K_M"] < 1.2 * losses["F16"]


ROWS: dict[str, Callable[[Path], bool]] = {
    "adapter": adapter_row,
    "nf4": nf4_row,
    "tokenizers": tokenizers_row,
    "quantise": quantise_row,
}


def main() -> int:
    """Run the rows asked for; 1 where one misses its figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", choices=tuple(ROWS), help="only this row")
    options = parser.parse_args()
    print(platform.platform(), flush=True)
    passed = []
    for name, row in ROWS.items():
        if options.row in (None, name):
            with tempfile.TemporaryDirectory() as temporary:
                passed.append(row(Path(temporary)))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
