from __future__ import annotations

from agents import prompts
from agents.builtin import builtin_tools
from fireside.models.types import Message

TALK = (Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "2+2?"))
TOOLS = builtin_tools(None, None)


def test_passages_go_before_the_last_question() -> None:
    *before, last = prompts.with_passages(TALK, "[1] warm")
    assert tuple(before) == TALK[:-1]
    assert last.role == "user"
    assert last.content.startswith("[1] warm\n\n")
    assert last.content.endswith("Question: 2+2?")


def test_somebody_elses_words_lie_between_lines_they_cannot_know() -> None:
    first, opening, *inside, closing = prompts.as_data("one\ntwo").splitlines()
    assert opening == closing
    assert opening in first
    assert inside == ["one", "two"]
    assert prompts.as_data("one") != prompts.as_data("one")


def test_a_part_of_the_work_sees_the_system_prompt_and_its_task_alone() -> None:
    assert prompts.delegated(TALK, "Add.") == (TALK[0], Message("user", "Add."))
    assert prompts.delegated(TALK[1:], "Add.") == (Message("user", "Add."),)
