"""Tokens per word by language, and the rows a vocabulary fits worst."""

from __future__ import annotations

from dataclasses import replace

from finetune.data.conversation import Conversation
from finetune.tokenizer.fit import fits
from fireside.models.types import Message

ENGLISH = "The old man and the sea were quiet in the morning light"
GERMAN = "Die Straße über den Fluss wurde gestern wegen Bauarbeiten gesperrt"


def row(text: str, number: int) -> Conversation:
    return Conversation((Message("user", text), Message("assistant", text)), number, "a.jsonl")


def test_ratios_are_summed_by_language_and_the_worst_rows_come_first():
    data = [row(ENGLISH, 1), row(GERMAN, 2), row(ENGLISH, 3), replace(row(GERMAN, 4), dropped="x"), row("!", 5)]
    found = fits(data, lambda text: len(text.encode("utf-8")), worst=2)
    assert {name: fit.rows for name, fit in found.languages.items()} == {"en": 2, "de": 1, "unknown": 1}
    assert found.languages["en"].words == 48
    assert found.languages["en"].tokens_per_word == len(ENGLISH) * 4 / 48
    assert found.total.tokens == sum(fit.tokens for fit in found.languages.values())
    assert [(each.where, each.language) for each in found.worst] == [("a.jsonl row 2", "de"), ("a.jsonl row 1", "en")]
    assert found.as_json()["languages"]["de"]["characters_per_token"] < 1


def test_nothing_is_no_division_by_zero():
    found = fits([], len)
    assert (found.total.tokens_per_word, found.total.characters_per_token, found.worst) == (0.0, 0.0, ())
