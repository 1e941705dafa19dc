"""`fireside data tokenizer`: how well a base's vocabulary fits data, and bases with one that fits better."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands.actions import add_action
from tui.commands.data_sources import add_sources, positive, reading
from tui.console import emit, note, say

if TYPE_CHECKING:
    from finetune.tokenizer.build import Rebuilt
    from finetune.tokenizer.fit import Fit, Fits

_SOME = 12


def add_tokenizer(actions: Any) -> None:
    """Add the action to `fireside data`."""
    parser = add_action(
        actions, "tokenizer", _tokenizer, "tokens per word by language; extend the vocabulary, or train a new one"
    )
    add_sources(parser)
    parser.add_argument("--base", default="smollm2-135m", metavar="MODEL", help="whose vocabulary; a file or folder")
    parser.add_argument("--worst", type=positive, default=5, metavar="N", help="rows shown that it fits worst (5)")
    made = parser.add_mutually_exclusive_group()
    made.add_argument("--extend", type=positive, metavar="N", help="add up to N tokens learnt from the data")
    made.add_argument("--train", type=positive, metavar="SIZE", help="make a new vocabulary of SIZE tokens")
    parser.add_argument(
        "--kind", choices=("bpe", "unigram"), help="of a new vocabulary: byte-level BPE (default), or SentencePiece's"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="where the changed base is written")


def _tokenizer(options: argparse.Namespace) -> int:
    from finetune.base import find_base
    from finetune.data.prepare import read_sources
    from finetune.tokenizer.build import extend_base, retrain_base
    from finetune.tokenizer.fit import fits
    from finetune.vocabulary import open_vocabulary
    from fireside.errors import TrainingError

    if options.kind and not options.train:
        raise TrainingError("--kind says how a new vocabulary is made", "give --train SIZE too")
    if (options.extend or options.train) and not options.output:
        raise TrainingError("a base with another vocabulary is written to a folder", "name it: -o FOLDER")
    rows, report = read_sources(options.sources, reading(options))
    for row in report.examples.get("broken", []):
        note(row)
    base = find_base(options.base)
    told = (lambda line: None) if options.json else note
    if options.extend or options.train:
        if options.extend:
            rebuilt = extend_base(base, rows, options.extend, options.output, told)
        else:
            rebuilt = retrain_base(base, rows, options.train, options.kind or "bpe", options.output, told)
        if options.json:
            emit({"base": base.name, "folder": str(options.output)} | rebuilt.as_json())
        else:
            _say_rebuilt(rebuilt, options.output)
        return 0
    vocabulary = open_vocabulary(base)
    try:
        found = fits(rows, lambda text: len(vocabulary.tokenize(text, begins=False)), options.worst)
    finally:
        vocabulary.free()
    if options.json:
        emit({"base": base.name} | found.as_json())
    else:
        _say_fits(base.name, found)
    return 0


def _say_fits(name: str, found: Fits) -> None:
    say(f"{name}: {_ratio(found.total)}")
    say(f"{'language':10}{'rows':>8}{'words':>10}{'tokens':>10}  tokens/word  characters/token")
    for language, fit in found.languages.items():
        ratios = f"{fit.tokens_per_word:>11.2f}  {fit.characters_per_token:>16.2f}"
        say(f"{language:10}{fit.rows:>8}{fit.words:>10}{fit.tokens:>10}  {ratios}")
    if found.worst:
        say("the rows it fits worst:")
    for row in found.worst:
        say(f"  {row.where} ({row.language}): {row.fit.tokens_per_word:.2f} tokens/word: {row.beginning}")


def _say_rebuilt(rebuilt: Rebuilt, folder: Path) -> None:
    before, after = rebuilt.before.total, rebuilt.after.total
    where = "rows it was not made on" if rebuilt.held_back else "the rows it was made on"
    say(f"{rebuilt.old_size} tokens before, {rebuilt.new_size} after")
    if rebuilt.added:
        some = ", ".join(repr(token) for token in rebuilt.added[:_SOME])
        say(f"new: {some}{', ...' if len(rebuilt.added) > _SOME else ''}")
    say(f"tokens/word, {where}: {before.tokens_per_word:.3f} before, {after.tokens_per_word:.3f} after")
    for language, fit in rebuilt.before.languages.items():
        now = rebuilt.after.languages.get(language)
        if now is not None:
            say(f"  {language:8} {fit.tokens_per_word:.3f} before, {now.tokens_per_word:.3f} after")
    if rebuilt.logits_difference is not None:
        say(f"every old token {'keeps its id' if rebuilt.kept_ids else 'DOES NOT keep its id'}")
        say(f"{rebuilt.same_split} of {rebuilt.compared} texts split as before, but for joined neighbours")
        say(f"on old tokens the logits differ by at most {rebuilt.logits_difference:.1e}")
    first, then = rebuilt.nats_per_character
    say(f"loss, untrained: {first:.3f} nats a character before, {then:.3f} after")
    note(f'a run takes it with base = "{folder}"; method = "full" trains its new rows, an adapter does not')


def _ratio(fit: Fit) -> str:
    return f"{fit.tokens_per_word:.2f} tokens/word, {fit.characters_per_token:.2f} characters/token"
