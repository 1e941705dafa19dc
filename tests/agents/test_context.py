from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.context import fit
from fireside.errors import ModelError
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Message, Prompt, Role

SYSTEM = Message("system", "be kind")


def words(role: Role, count: int) -> Message:
    return Message(role, " ".join(["word"] * count))


async def test_what_fits_is_left_alone() -> None:
    messages = (SYSTEM, words("user", 3000))
    assert await fit(messages, ScriptedModel([]), 512) == (messages, 0)


async def test_old_turns_go_in_big_steps_and_the_system_prompt_stays() -> None:
    talk = [words(role, 50) for _ in range(100) for role in ("user", "assistant")]
    cuts = []
    for length in range(1, len(talk), 2):
        messages = (SYSTEM, *talk[:length])
        kept, dropped = await fit(messages, ScriptedModel([]), 512)
        assert kept[0] == SYSTEM
        assert kept[1:] == messages[1 + dropped :]
        assert kept[1].role == "user"
        cuts.append(dropped)
    # 100 turns of 100 tokens: with a cut at every turn there were 65 of them.
    assert cuts == sorted(cuts)
    assert 5 <= len(set(cuts)) <= 10


async def test_text_of_many_tokens_a_character_still_keeps_what_fits() -> None:
    class Dense(ScriptedModel):
        """Three tokens a character."""

        async def count_tokens(self, prompt: Prompt) -> int:
            assert isinstance(prompt, tuple)
            return 3 * sum(len(message.content) for message in prompt)

    talk = [Message(role, "火" * 300) for _ in range(10) for role in ("user", "assistant")]
    kept, dropped = await fit((SYSTEM, *talk, Message("user", "火")), Dense([]), 512)
    assert (len(kept), dropped) == (4, 18)


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
