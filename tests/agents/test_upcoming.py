"""What the next prompt will be made of: parts that add up to it, what is cached, and what is left out."""

from __future__ import annotations

import pytest
from turns import TALK, Measuring, events_of

from agents.turn import Turn
from agents.upcoming import upcoming
from fireside.errors import ModelError
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Message
from rag.types import Passage

SYSTEM = Message("system", "Be brief.")
SAID = (Message("user", "one two three"), Message("assistant", "four five"))


def drafted(text: str, *said: Message) -> Turn:
    return Turn((SYSTEM, *said, Message("user", text)), max_tokens=100)


async def test_the_parts_stand_in_order_and_add_up() -> None:
    made = await upcoming(drafted("and now?", *SAID), ScriptedModel([]))
    assert [(part.origin, part.tokens) for part in made.parts] == [("system", 2), ("history", 5), ("question", 2)]
    assert made.parts[1].text == "user: one two three\n\nassistant: four five"
    assert (made.tokens, made.room, made.reply, made.free) == (9, 4096, 100, 4096 - 100 - 9)


async def test_nothing_is_asked_yet() -> None:
    made = await upcoming(drafted(""), ScriptedModel([]), persona="pirate")
    assert [(part.origin, part.title) for part in made.parts] == [("persona", "pirate")]


async def test_what_was_read_before_is_cached() -> None:
    model = ScriptedModel([["four five"]])
    await events_of(Turn((SYSTEM, SAID[0])), model)
    made = await upcoming(drafted("and now?", *SAID), model)
    assert made.cached == 5
    assert made.seconds(2.0) == 2.0
    assert made.seconds(0.0) is None


async def test_tools_and_documents_are_parts_of_a_large_models_prompt() -> None:
    turn = Turn((SYSTEM, Message("user", "how hot?")), tools=(Measuring().tool,))
    passage = Passage("kiln.md", "Kiln", 0, 4, "Warm", None, (), 1.0, 1.0, 1.0)
    made = await upcoming(turn, ScriptedModel([]), passages=[passage])
    assert [part.origin for part in made.parts] == ["system", "tools", "documents", "question"]
    assert "Warm" in made.parts[2].text


async def test_what_does_not_fit_is_left_out_and_a_draft_alone_can_be_too_long() -> None:
    long = [Message(role, "word " * 300) for _ in range(10) for role in ("user", "assistant")]
    made = await upcoming(drafted("and now?", *long), ScriptedModel([]))
    assert made.left_out > 0
    assert made.tokens <= 4096 - 100
    with pytest.raises(ModelError, match="too long"):
        await upcoming(drafted("word " * 5000, *TALK), ScriptedModel([]))
