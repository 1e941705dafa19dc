"""Which questions lean on the conversation, and the words they are given from it."""

from __future__ import annotations

import pytest

from rag.rewrite import Exchange, carried, leans, needs_context, written

STOVE = Exchange("Who built the stove of the cabin?", "From the documents: Anna built it in 1921. [1]")


@pytest.mark.parametrize(
    "question",
    [
        "Why?",
        "And in 2020?",
        "in 1921?",
        "What about the boat?",
        "When did it open?",
        "How old is he?",
        "What is its capital?",
        "How many species can be found in it?",
        "What happened after they left?",
        "When was this committee founded?",
        "Who lives there?",
        "What caused that?",
        "What else happened in that year?",
        "How much did it cost?",
        "Tell me more.",
    ],
)
def test_a_follow_up_is_told_from_its_words(question: str) -> None:
    assert needs_context(question)


@pytest.mark.parametrize(
    "question",
    [
        "How warm is the fire?",
        "birch wood",
        "What did the fisherman do when he saw the whale?",
        "Why did the company sell its ships?",
        "Why was the king angry with his son?",
        "Where did Tesla live for much of his life?",
        "Are there owls in the barn?",
        "How long does it take to drain the pump?",
        "Who is the man that came to dinner?",
        "What is the name of those who left?",
        "What do these documents say about birch?",
        "Is it true that owls hoot?",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert not needs_context(question)


def test_the_words_of_the_question_before_are_carried_over() -> None:
    assert carried("When did she build it?", [STOVE]) == "built stove cabin: When did she build it?"
    assert carried("Why is the stove so warm, and the cabin? And who built it?", [STOVE]).startswith("Why is")
    assert carried("Why?", []) == "Why?"


def test_a_chain_of_follow_ups_leads_back_to_what_it_began_with() -> None:
    earlier = [Exchange("Who painted the barn?", ""), STOVE, Exchange("And the boat?", "")]
    assert carried("Why?", earlier) == "built stove cabin boat: Why?"
    endless = [Exchange(" ".join(f"word{number}" for number in range(99)), "")]
    assert len(carried("Why?", endless).split()) == 13


@pytest.mark.parametrize(
    ("reply", "query"),
    [
        ("When did Anna build the stove of the cabin?", "When did Anna build the stove of the cabin?"),
        ('Question: "When did Anna build the stove?"', "When did Anna build the stove?"),
        ("When did Anna build the stove?\nIn 1921.", None),
        ("When did Bert build the stove?", None),
        ("Who painted the barn?", None),
        ("Anna", None),
        ("", None),
        ("stove " * 99, None),
    ],
)
async def test_what_a_model_words_is_taken_where_the_conversation_has_its_words(reply: str, query: str | None) -> None:
    asked: list[tuple[str, str]] = []

    async def write(task: str, text: str) -> str:
        asked.append((task, text))
        return reply

    question = "When did she build it?"
    assert await written(question, [STOVE], write) == (query or carried(question, [STOVE]))
    ((task, text),) = asked
    assert "anew" in task
    assert text.splitlines()[-1] == f"Last question: {question}"


@pytest.mark.parametrize(
    ("rewritten", "alone", "crossed", "leaning"),
    [
        (1.0, 0.0, -0.4, True),  # alone it finds nothing that answers
        (1.0, -4.0, -3.0, False),  # the added words find what they are about, and nothing of the question
        (1.0, -4.0, None, True),  # the question has no words that could be found
        (0.0, -4.0, None, False),
        (0.0, 1.0, 1.0, False),
        (0.0, 0.0, 0.0, False),
        (1.0, 2.0, 1.9, True),  # what the added words find answers the question alone nearly as well
        (3.0, 2.0, 0.5, False),
    ],
)
def test_which_of_both_searches_answers(rewritten: float, alone: float, crossed: float | None, leaning: bool) -> None:
    assert leans(rewritten, alone, crossed, threshold=0.5) == leaning
