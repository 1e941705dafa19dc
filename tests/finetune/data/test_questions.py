"""Questions about passages: what is kept, what is refused and why, and what a small model is held to."""

from __future__ import annotations

import asyncio
import json

import pytest

from finetune.data.conversation import Conversation
from finetune.data.load import Row
from finetune.data.map import map_rows
from finetune.data.questions import Pair, Refused, Span, checked, in_mixed_order, propose, reply_schema
from fireside.models.constraints import JsonSchema
from fireside.models.schema import check_schema
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Message

TEXT = "The stove takes birch alone.\nIt was built by Marlow in 1931, beside  the old pump. Ash goes out on Mondays."
SPAN = Span("/papers/cabin.md", 40, 40 + len(TEXT), TEXT)


def reply(question: str, answer: str) -> str:
    return json.dumps({"answer": answer, "question": question})


class SmallModel(ScriptedModel):
    """As small as the bundled one."""

    async def parameters(self) -> int:
        return 135_000_000


def proposals(spans: list[Span], model: ScriptedModel) -> list[Pair | Refused]:
    async def all_of_them() -> list[Pair | Refused]:
        return [each async for each in propose(spans, model)]

    return asyncio.run(all_of_them())


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [
        ("Who built the stove?", "Harrow", "not in the passage"),
        ("Who built the stove?", "Built by Marlow", "not in the passage"),
        ("Who built the stove", "Marlow", "no question and answer"),
        ("Who built the stove?", "  ", "no question and answer"),
        ("Whose birthday is it?", "1931", "no word of the passage"),
        ("The stove takes birch alone?", "The stove takes birch alone.", "only repeats the answer"),
    ],
)
def test_what_is_not_said_in_the_passage_is_refused(question: str, answer: str, why: str) -> None:
    refused = checked(reply(question, answer), SPAN, faithful=True)
    assert isinstance(refused, Refused)
    assert why in refused.reason


@pytest.mark.parametrize("broken", ["", "[1]", "no JSON", '{"question": "Who?"}'])
def test_a_reply_that_is_no_pair_is_refused(broken: str) -> None:
    assert isinstance(checked(broken, SPAN, faithful=True), Refused)


def test_white_space_does_not_count_and_the_origin_is_kept() -> None:
    pair = checked(reply("When was the stove\n built?", "in 1931, beside the old pump"), SPAN, faithful=True)
    assert isinstance(pair, Pair)
    row = pair.as_json()
    assert (row["document"], row["start"], row["end"]) == ("/papers/cabin.md", 40, 40 + len(TEXT))
    (read,) = map_rows([Row(1, row)], "qa.jsonl")
    expected = (
        Message("user", "When was the stove built?"),
        Message("assistant", "in 1931, beside the old pump"),
    )
    assert read == Conversation(expected, 1, "qa.jsonl")


def test_a_small_model_answers_with_a_sentence_and_asks_about_it() -> None:
    schema = reply_schema(TEXT, faithful=False)
    assert schema is not None
    assert (
        schema["properties"]["answer"]["enum"]
        == [
            "The stove takes birch alone.",
            "It was built by Marlow in 1931, beside the old pump.",
            "Ash goes out on Mondays.",
        ][: len(schema["properties"]["answer"]["enum"])]
    )
    check_schema(schema)
    check_schema(reply_schema(TEXT, faithful=True) or {})
    assert reply_schema("no sentence in here, only words and words", faithful=False) is None
    away = reply("What did Marlow build?", "The stove takes birch alone.")
    assert isinstance(checked(away, SPAN, faithful=False), Refused)
    assert isinstance(checked(reply("Which stove takes birch?", "The stove takes birch alone."), SPAN, False), Pair)


def test_each_passage_is_asked_about_once_and_no_question_kept_twice() -> None:
    good, again = reply("Who built the stove?", "Marlow"), reply("Who  built the stove?", "Marlow in 1931")
    model = ScriptedModel([[good], [again], ["{}"]])
    first, second, third = proposals([SPAN, SPAN, SPAN], model)
    assert isinstance(first, Pair)
    assert isinstance(second, Refused)
    assert second.reason == "the question was asked before"
    assert isinstance(third, Refused)
    assert all(isinstance(request.constraint, JsonSchema) for request in model.requests)
    assert all(request.sampling.temperature == 0 for request in model.requests)


def test_a_passage_without_a_sentence_is_not_asked_about() -> None:
    model = SmallModel([])
    (refused,) = proposals([Span("a.md", 0, 90, "word " * 18)], model)
    assert isinstance(refused, Refused)
    assert model.requests == []


def test_documents_are_mixed_in_the_same_way_each_time() -> None:
    spans = [Span(f"{name}.md", start, start + 90, "x" * 90) for name in "abc" for start in range(0, 900, 90)]
    mixed = in_mixed_order([*spans, Span("a.md", 900, 910, "too short")])
    assert sorted(mixed, key=lambda span: (span.document, span.start)) == spans
    assert mixed == in_mixed_order(reversed(spans))
    assert {span.document for span in mixed[:6]} != {"a.md"}


def test_a_stretch_of_the_passage_with_a_question_mark_asks_nothing() -> None:
    text = "In the winter of 1931 Marlow built the stove of the hut from brick. It burns birch alone."
    span = Span("hut.md", 0, len(text), text)
    copied = "In the winter of 1931 Marlow built the stove of the hut from?"
    refused = checked(reply(copied, "It burns birch alone."), span, faithful=True)
    assert isinstance(refused, Refused)
    assert "a stretch of the passage" in refused.reason
    assert isinstance(checked(reply("What does the stove of the hut burn?", "It burns birch alone."), span, True), Pair)
