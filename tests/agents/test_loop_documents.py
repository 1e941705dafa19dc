"""Turns over documents, what fits into the context, and what a small model is trusted with."""

from __future__ import annotations

from typing import Any, cast

import pytest
from turns import ALLOWED, ARGUMENTS, CALL, TALK, FakeLibrary, Measuring, events_of, finished, long, messages_of

from agents.approval import allowing
from agents.events import (
    CitationChecked,
    PassagesFound,
    TextDelta,
    TurnsDropped,
)
from agents.loop import REFUSAL, Turn
from agents.tools import tool_from_function
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Called, Message, ToolCall


async def test_an_answer_from_documents_is_cited() -> None:
    library = FakeLibrary(0.9)
    model = ScriptedModel([["The fire burns at six hundred degrees."]])
    events = await events_of(Turn(TALK, library=cast(Any, library), passages=3), model)
    assert library.asked == [("How warm is the fire?", 3)]
    assert isinstance(events[0], PassagesFound)
    assert events[0].relevant
    end = finished(events)
    assert end.text == "The fire burns at six hundred degrees. [1]"
    (citation,) = end.citations
    assert (citation.document, citation.start, citation.verified) == ("stove.md", 5, True)
    assert CitationChecked(citation) in events
    assert "six hundred degrees" in messages_of(model)[-1].content


async def test_a_reply_that_nothing_supports_is_followed_by_the_documents_own_words() -> None:
    model = ScriptedModel([["Penguins sing opera loudly."]])
    end = finished(await events_of(Turn(TALK, library=cast(Any, FakeLibrary(0.9))), model))
    assert end.text.startswith("Penguins sing opera loudly.\n\nFrom the documents: ")
    assert end.citations[0].quote == "The fire burns at six hundred degrees."


async def test_the_model_copies_first_and_the_copy_is_told_as_a_thought() -> None:
    words = ['[1] "burns at six ', 'hundred degrees"\nAns', "wer: Six hundred ", "degrees it burns. [1]"]
    events = await events_of(Turn(TALK, library=cast(Any, FakeLibrary(0.9))), model := ScriptedModel([words]))
    end = finished(events)
    assert end.text == "Six hundred degrees it burns. [1]"
    assert end.thinking == '[1] "burns at six hundred degrees"'
    (citation,) = end.citations
    assert (citation.quote, citation.verified) == ("burns at six hundred degrees", True)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)).startswith("Six hundred")
    assert "First copy the words" in messages_of(model)[-1].content


async def test_sentences_without_a_source_are_told() -> None:
    reply = ["The fire burns at six hundred degrees. [1] The stove was built in Oslo by elves. [1]"]
    end = finished(await events_of(Turn(TALK, library=cast(Any, FakeLibrary(0.9))), ScriptedModel([reply])))
    assert end.unsupported == ("The stove was built in Oslo by elves.",)
    assert [citation.verified for citation in end.citations] == [True, False]


async def test_the_model_may_find_that_the_passages_do_not_answer() -> None:
    model = ScriptedModel([[f"Answer: {REFUSAL}"]])
    events = await events_of(Turn(TALK, library=cast(Any, FakeLibrary(0.9))), model)
    assert (finished(events).text, finished(events).refused, finished(events).citations) == (REFUSAL, True, ())


async def test_a_question_the_documents_do_not_bear_on_is_refused_without_the_model() -> None:
    model = ScriptedModel([])
    talk = (TALK[0], Message("user", "Who painted ceilings?"))
    events = await events_of(Turn(talk, library=cast(Any, FakeLibrary(0.01))), model)
    assert isinstance(events[0], PassagesFound)
    assert not events[0].relevant
    assert events[1] == TextDelta(REFUSAL)
    assert (finished(events).refused, finished(events).text, finished(events).citations) == (True, REFUSAL, ())
    assert model.requests == []


async def test_a_tool_may_help_where_the_documents_do_not() -> None:
    talk = (TALK[0], Message("user", "Who painted ceilings?"))
    library, measuring = cast(Any, FakeLibrary(0.01)), Measuring()
    turn = Turn(talk, library=library, tools=(measuring.tool,), rules=ALLOWED)
    end = finished(await events_of(turn, ScriptedModel([["Hm.", Called(CALL)], ["So."]])))
    assert (end.text, end.refused) == ("So.", False)
    end = finished(await events_of(turn, ScriptedModel([["Michelangelo painted them."]])))
    assert (end.text, end.refused) == (REFUSAL, True)


async def test_old_turns_are_dropped_and_told() -> None:
    model = ScriptedModel([["So."]])
    talk = (TALK[0], long("user", 3000), long("assistant", 900), TALK[1])
    events = await events_of(Turn(talk), model)
    assert events[0] == TurnsDropped(2)
    assert model.requests[0].prompt == TALK


async def test_what_documents_and_tools_add_must_fit_too() -> None:
    talk = (TALK[0], long("user", 1700), long("assistant", 1850), TALK[1])
    model = ScriptedModel([["The fire burns at six hundred degrees."]])
    events = await events_of(Turn(talk, library=cast(Any, FakeLibrary(0.9))), model)
    assert TurnsDropped(2) in events
    assert len(messages_of(model)) == 2

    def tell() -> str:
        """Tell a lot."""
        return "word " * 799

    model = ScriptedModel([[Called(ToolCall("tell", {}))], ["So."]])
    turn = Turn(talk, tools=(tool_from_function(tell),), rules=allowing(["tell"]))
    assert finished(await events_of(turn, model)).text == "So."
    assert await model.count_tokens(model.requests[-1].prompt) <= 4096 - 512


async def test_a_small_model_is_not_even_loaded_where_the_documents_answer_or_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.reply.SMALL_MODEL", 10**12)
    talk = (TALK[0], long("user", 3000), long("assistant", 2240), TALK[1])
    model = ScriptedModel([])
    events = await events_of(Turn(talk, library=cast(Any, FakeLibrary(0.9))), model)
    shown = "From the documents: The fire burns at six hundred degrees. [1]"
    assert (finished(events).text, finished(events).citations[0].verified) == (shown, True)
    assert [event.text for event in events if isinstance(event, TextDelta)] == [shown]
    other = (TALK[0], Message("user", "Who painted ceilings?"))
    assert finished(await events_of(Turn(other, library=cast(Any, FakeLibrary(0.01))), model)).refused
    assert model.started == 0


@pytest.mark.engine
async def test_a_model_too_small_to_choose_has_the_encoder_do_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.reply.SMALL_MODEL", 10**12)
    measuring = Measuring()
    talk = (TALK[0], Message("user", "measure something"))
    turn = Turn(talk, tools=(measuring.tool,), rules=ALLOWED)
    model = ScriptedModel([[ARGUMENTS], ["600."]])
    assert finished(await events_of(turn, model)).text == "600."
    assert measuring.runs == ["fire"]
    model.assert_exhausted()
