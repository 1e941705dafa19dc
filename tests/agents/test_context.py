from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.context import fit
from fireside.errors import ModelError
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Message, Role

SYSTEM = Message("system", "be kind")


def words(role: Role, count: int) -> Message:
    return Message(role, " ".join(["word"] * count))


async def test_what_fits_is_left_alone() -> None:
    messages = (SYSTEM, words("user", 3000))
    assert await fit(messages, ScriptedModel([]), 512) == (messages, 0)


async def test_old_turns_go_in_one_big_step_and_the_system_prompt_stays() -> None:
    messages = (SYSTEM, *(words(role, 400) for _ in range(5) for role in ("user", "assistant")), words("user", 10))
    kept, dropped = await fit(messages, ScriptedModel([]), 512)
    assert kept[0] == SYSTEM
    assert kept[1:] == messages[1 + dropped :]
    assert kept[1].role == "user"
    assert sum(len(message.content.split()) for message in kept) <= 2048


async def test_a_last_message_over_half_the_context_is_kept_alone() -> None:
    messages = (SYSTEM, words("user", 2000), words("assistant", 10), words("user", 3000))
    assert await fit(messages, ScriptedModel([]), 512) == ((SYSTEM, messages[-1]), 2)


async def test_a_message_that_is_too_long_by_itself_is_refused() -> None:
    for messages in (
        (SYSTEM, words("user", 5000)),
        (SYSTEM, words("user", 5), words("assistant", 5), words("user", 5000)),
    ):
        with pytest.raises(ModelError, match="too long for the model's context of 4096"):
            await fit(messages, ScriptedModel([]), 512)


async def test_a_very_long_reply_does_not_take_the_whole_context() -> None:
    messages = (SYSTEM, words("user", 3000))
    assert await fit(messages, ScriptedModel([]), 100_000) == (messages, 0)


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), max_size=8), st.integers(1, 900), st.booleans())
async def test_what_is_kept_is_a_conversation_that_fits(turns: list[tuple[int, int]], last: int, system: bool) -> None:
    talk = [words(role, n) for asked, said in turns for role, n in (("user", asked), ("assistant", said))]  # type: ignore[arg-type]
    messages = (*([SYSTEM] if system else []), *talk, words("user", last))
    kept, dropped = await fit(messages, ScriptedModel([]), 512)
    assert len(kept) + dropped == len(messages)
    assert (kept[0] == SYSTEM) == system
    assert kept[system].role == "user"
    assert kept[-1] == messages[-1]
    assert sum(len(message.content.split()) for message in kept) <= 4096 - 512
