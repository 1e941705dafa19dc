"""Which parts of a prompt are computed again, and whether what was kept is right: on the real model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fireside.models.gguf.context import AdapterSet, Context, NoRoom
from fireside.models.gguf.model import Model
from fireside.models.gguf.slots import Slot, Slots

pytestmark = pytest.mark.engine

ONE: AdapterSet = ((Path("one.gguf"), 1, 1.0),)


@pytest.fixture
def slots(context: Context) -> Slots:
    return Slots(context, None, can_rewind=True)


def words(model: Model, text: str) -> list[int]:
    return model.tokenize(text, add_special=False)


def run(slots: Slots, context: Context, tokens: Sequence[int], adapters: AdapterSet = ()) -> tuple[int, int]:
    """Compute a prompt; returns how much of it was known, and the likeliest next token."""
    slot = slots.take(tokens, adapters)
    known = len(slot.tokens)
    row = compute(context, slot, tokens)
    best = int(context.logits(row).argmax())
    slots.give_back(slot)
    return known, best


def compute(context: Context, slot: Slot, tokens: Sequence[int]) -> int:
    rest = tokens[len(slot.tokens) :]
    first = context.add(rest, len(slot.tokens), slot.sequence, wanted=1)
    context.decode()
    slot.tokens = list(tokens)
    return first + len(rest) - 1


def test_what_is_known_is_not_computed_again_and_changes_nothing(model: Model, context: Context, slots: Slots) -> None:
    tokens = words(model, "Once upon a time there was a king who had three daughters, and the eldest of them was")
    known, cold = run(slots, context, tokens)
    assert known == 0
    assert run(slots, context, tokens) == (len(tokens) - 1, cold)
    longer = [*tokens, *words(model, " called Anna. The second was called")]
    known, warm = run(slots, context, longer)
    assert known == len(tokens)
    fresh = slots.take(longer, (), fresh=True)
    assert not fresh.tokens
    assert int(context.logits(compute(context, fresh, longer)).argmax()) == warm


def test_a_common_beginning_is_copied_and_the_conversation_it_came_from_stays(
    model: Model, context: Context, slots: Slots
) -> None:
    system = words(model, "You are a helpful assistant who lives by the sea and knows every ship by its name. " * 2)
    conversation = [*system, *words(model, "Tell me of ships. " * 8)]
    other = [*system, *words(model, "Name this conversation.")]
    run(slots, context, conversation)
    known, warm = run(slots, context, other)
    assert known == len(system)
    assert run(slots, context, conversation)[0] == len(conversation) - 1
    fresh = slots.take(other, (), fresh=True)
    assert int(context.logits(compute(context, fresh, other)).argmax()) == warm


def test_other_adapters_share_nothing_and_each_keeps_its_own(model: Model, context: Context, slots: Slots) -> None:
    tokens = words(model, "The fire in the hearth was burning low when the traveller came in from the snow and said")
    run(slots, context, tokens)
    assert run(slots, context, tokens, ONE)[0] == 0
    # The adapters changed twice, and neither prompt is computed again.
    assert run(slots, context, tokens)[0] == len(tokens) - 1
    assert run(slots, context, tokens, ONE)[0] == len(tokens) - 1


def test_a_full_cache_gives_up_the_slot_not_used_for_longest(model: Model, context: Context, slots: Slots) -> None:
    texts = [[*words(model, f"{number} ")] + [words(model, "word")[0]] * 150 for number in range(4)]
    for tokens in texts[:3]:
        run(slots, context, tokens)
    slot = slots.take(texts[3], ())
    context.add(texts[3], 0, slot.sequence, wanted=1)
    with pytest.raises(NoRoom):
        context.decode()
    assert slots.make_room()
    context.decode()
    slot.tokens = list(texts[3])
    slots.give_back(slot)
    assert run(slots, context, texts[2])[0] == len(texts[2]) - 1
    assert len(slots.take(texts[0], ()).tokens) < 16


def test_there_is_nothing_to_give_up_while_all_are_in_use(slots: Slots, context: Context) -> None:
    for _ in range(context.sequences):
        slots.take([1, 2, 3], (), fresh=True)
    assert not slots.make_room()


def test_busy_slots_are_not_taken_but_may_be_copied_from(model: Model, context: Context, slots: Slots) -> None:
    tokens = words(model, "A long beginning that two replies have in common, word for word, down to the last one here")
    first = slots.take(tokens, ())
    compute(context, first, tokens)
    second = slots.take([*tokens, 5], ())
    assert second.sequence != first.sequence
    assert second.tokens == tokens
    assert np.isfinite(context.logits(compute(context, second, [*tokens, 5]))).all()


def test_a_prompt_asked_again_takes_the_place_of_its_last_reply(model: Model, context: Context, slots: Slots) -> None:
    prompt = words(model, "Tell me of the lighthouse and of the fox that lived in it, and do not leave anything out.")
    first = slots.take(prompt, ())
    compute(context, first, [*prompt, *words(model, "There was a fox. " * 20)])
    slots.give_back(first)
    again = slots.take(prompt, ())
    assert again is first
    assert len(again.tokens) == len(prompt) - 1
