"""Titles by a model: taken where they are of use, first words where not, nothing where the model fails."""

from __future__ import annotations

from typing import Any

import pytest

from fireside.conversations.titles import title, usable_title
from fireside.errors import ModelError, WorkerDied
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Message

CHAT = [
    Message("user", "Which wood floats best on the sea?\nI need a boat."),
    Message("assistant", "Balsa floats best."),
]


async def test_the_models_title_is_cleaned_and_its_request_is_short_and_held() -> None:
    model = ScriptedModel(
        [
            ['Title: "**Wood ', 'that Floats**"\nMore'],
        ]
    )
    assert await title(model, CHAT) == "Wood that Floats"
    (request,) = model.requests
    assert request.stop == ("\n",)
    assert request.max_tokens <= 32
    assert not request.keep
    assert request.sampling.temperature == 0.0


@pytest.mark.parametrize(
    "written",
    ["", "\n \n", "...", "Title", "New conversation", "Sure, here is a title", "wood wood wood wood",
     "Quantum chemistry", "The answer to this question is aye-aye", "\x1b[31m", "I'm sorry, wood"],
)  # fmt: skip
async def test_useless_words_give_way_to_the_first_words(written: str) -> None:
    assert await title(ScriptedModel([[written]]), CHAT) == "Which wood floats best on the sea? I need a boat."


@pytest.mark.parametrize("reply", [[WorkerDied("gone")], [ModelError("no")], ["Wo", WorkerDied("gone")]])
async def test_a_model_that_fails_gives_no_title(reply: Any) -> None:
    model = ScriptedModel([reply])
    assert await title(model, CHAT) == ""
    model.assert_exhausted()


async def test_without_a_question_nothing_is_asked() -> None:
    model = ScriptedModel([])
    assert await title(model, [Message("assistant", "Hello")]) == ""


def test_titles_in_scripts_without_spaces_are_taken() -> None:
    assert usable_title("浮かぶ木材", "どの木が海に一番よく浮きますか") == "浮かぶ木材"


def test_a_long_title_is_cut() -> None:
    cut = usable_title("wood " + "and boats " * 20, "wood and boats")
    assert len(usable_title("woody " * 2 + "x" * 90, "wood")) == 60
    assert cut == "" or len(cut) <= 60
