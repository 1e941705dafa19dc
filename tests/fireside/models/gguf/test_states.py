"""KV states on disk: what is restored computes the same, and nothing that was damaged is ever given to llama.cpp."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest

from fireside.models.gguf.context import AdapterSet, Context
from fireside.models.gguf.model import Model
from fireside.models.gguf.slots import Slot, Slots
from fireside.models.gguf.states import StateFiles, forget_all, kv_folder

pytestmark = pytest.mark.engine

ADAPTERS: AdapterSet = ((Path("a.gguf"), 7, 0.5),)


@pytest.fixture
def tokens(model: Model) -> list[int]:
    return model.tokenize(
        "It was a bright cold day in the harbour, and the ships were coming in. " * 4, add_special=False
    )


def filled(context: Context, tokens: list[int], sequence: int = 0) -> None:
    context.add(tokens, 0, sequence, wanted=1)
    context.decode()


def following(context: Context, tokens: list[int], sequence: int) -> np.ndarray:
    row = context.add([11], len(tokens), sequence, wanted=1)
    context.decode()
    logits: np.ndarray = context.logits(row).copy()
    return logits


def left() -> list[str]:
    """What lies in the folder, but for the mark of the last forgetting."""
    return [path.name for path in kv_folder().iterdir() if path.name != "forgotten"] if kv_folder().is_dir() else []


def files(origin: str = "model", most: int = 1 << 30) -> StateFiles:
    return StateFiles(kv_folder(), origin, most)


def test_a_state_comes_back_as_it_was(context: Context, tokens: list[int]) -> None:
    filled(context, tokens)
    files().save(context, 0, tokens, ADAPTERS)
    expected = following(context, tokens, 0)
    reopened = files()
    found = reopened.find([*tokens, 1, 2, 3], ADAPTERS, longer_than=10)
    assert found is not None
    assert list(found.tokens) == tokens
    assert reopened.intact(found)
    assert context.load(1, found.path, len(found.tokens))
    assert np.array_equal(following(context, tokens, 1), expected)


def test_only_what_belongs_together_is_found(context: Context, tokens: list[int]) -> None:
    filled(context, tokens)
    files().save(context, 0, tokens, ADAPTERS)
    assert files("another model or build").find(tokens, ADAPTERS, longer_than=10) is None
    assert files().find(tokens, (), longer_than=10) is None
    assert files().find(tokens, ((Path("a.gguf"), 8, 0.5),), longer_than=10) is None
    assert files().find(tokens[5:], ADAPTERS, longer_than=10) is None
    assert files().find(tokens, ADAPTERS, longer_than=len(tokens)) is None


def damage(path: Path, kind: str) -> None:
    data = bytearray(path.read_bytes())
    if kind == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "altered":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "longer":
        path.write_bytes(data + b"x")
    else:
        path.unlink()


@pytest.mark.parametrize("suffix", [".kv", ".json"])
@pytest.mark.parametrize("kind", ["cut", "altered", "empty", "longer", "gone"])
def test_a_damaged_state_is_dropped(context: Context, tokens: list[int], suffix: str, kind: str) -> None:
    filled(context, tokens)
    files().save(context, 0, tokens, ())
    (path,) = kv_folder().glob(f"*{suffix}")
    damage(path, kind)
    reopened = files()
    found = reopened.find(tokens, (), longer_than=10)
    if found is not None:
        assert not reopened.intact(found)
        assert left() == []
    assert files().find(tokens, (), longer_than=10) is None
    # The context is unharmed.
    assert np.isfinite(following(context, tokens, 0)).all()


def test_a_description_of_other_tokens_is_not_believed(context: Context, tokens: list[int]) -> None:
    filled(context, tokens)
    files().save(context, 0, tokens, ())
    (path,) = kv_folder().glob("*.json")
    document = json.loads(path.read_text())
    document["tokens"][3] += 1
    path.write_text(json.dumps(document))
    assert files().find(tokens, (), longer_than=2) is None


def test_random_damage_never_reaches_the_engine(context: Context, tokens: list[int]) -> None:
    assert check_states(context, tokens, seed=3, count=12) == []


def check_states(context: Context, tokens: list[int], seed: int, count: int) -> list[str]:
    """Damage a saved state in `count` random ways; whatever is wrong afterwards, as lines."""
    chance = random.Random(seed)
    wrong = []
    filled(context, tokens)
    for number in range(count):
        files().save(context, 0, tokens, ())
        path = chance.choice(sorted(kv_folder().glob("*.[kj]*")))
        data = bytearray(path.read_bytes())
        place = chance.randrange(len(data))
        if chance.random() < 0.5:
            data[place] ^= 1 << chance.randrange(8)
        else:
            del data[place:]
        path.write_bytes(data)
        reopened = files()
        found = reopened.find(tokens, (), longer_than=10)
        if found is not None and reopened.intact(found):
            wrong.append(f"{number}: a state with {path.suffix} damaged at {place} was loaded")
        forget_all()
    return wrong


def test_a_longer_state_of_the_same_conversation_replaces_the_shorter(context: Context, tokens: list[int]) -> None:
    filled(context, tokens)
    store = files()
    store.save(context, 0, tokens, ())
    context.add([9, 9, 9], len(tokens), 0, wanted=1)
    context.decode()
    store.save(context, 0, [*tokens, 9, 9, 9], ())
    assert len(list(kv_folder().glob("*.kv"))) == 1
    found = files().find([*tokens, 9, 9, 9, 1], (), longer_than=10)
    assert found is not None
    assert len(found.tokens) == len(tokens) + 3


def test_the_disk_is_not_filled_and_the_oldest_go_first(context: Context, tokens: list[int]) -> None:
    filled(context, tokens)
    size = 0
    for number in range(4):
        # Each state is another conversation: it begins with another token.
        files(most=int(size * 2.5) or 1 << 30).save(context, 0, [number, *tokens[1:]], ())
        sizes = [path.stat().st_size for path in kv_folder().glob("*.kv")]
        size = sizes[0]
    assert len(sizes) == 2
    left = [json.loads(path.read_text())["tokens"][0] for path in kv_folder().glob("*.json")]
    assert sorted(left) == [2, 3]
    files("x", most=10).save(context, 0, tokens, ())
    assert len(list(kv_folder().glob("*.part"))) == 0


def test_a_full_disk_is_no_error(context: Context, tokens: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    filled(context, tokens)

    def full(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Context, "save", full)
    files().save(context, 0, tokens, ())
    assert files().find(tokens, (), longer_than=10) is None


def test_what_is_forgotten_before_anything_was_kept_is_not_written(context: Context, tokens: list[int]) -> None:
    filled(context, tokens)
    store = files()
    assert not kv_folder().exists()
    forget_all()
    store.save(context, 0, tokens, ())
    assert left() == []
    assert store.forgotten()
    assert not store.forgotten()
    store.save(context, 0, tokens, ())
    assert left() != []


def test_forgetting(context: Context, tokens: list[int]) -> None:
    forget_all()
    filled(context, tokens)
    files().save(context, 0, tokens, ())
    forget_all()
    assert left() == []


def test_a_model_that_cannot_go_back_finds_only_what_it_can_use_whole(context: Context, tokens: list[int]) -> None:
    filled(context, tokens)
    files().save(context, 0, tokens, ())
    assert files().find([*tokens[:-2], 1, 2, 3], (), longer_than=10) is not None
    assert files().find([*tokens[:-2], 1, 2, 3], (), longer_than=10, whole=True) is None
    assert files().find([*tokens, 1, 2, 3], (), longer_than=10, whole=True) is not None


def saved_for_later(context: Context, tokens: list[int]) -> list[int]:
    """200 tokens whose state is on disk and no longer in the cache."""
    long = (tokens * 8)[:200]
    filled(context, long)
    files().save(context, 0, long, ())
    context.cut(0, 0)
    return long


def begun(context: Context, slots: Slots, tokens: list[int]) -> Slot:
    """A reply under way behind `tokens`."""
    slot = slots.take(tokens, ())
    filled(context, tokens, slot.sequence)
    slot.tokens = tokens
    return slot


def test_a_full_cache_makes_room_for_a_good_state_and_keeps_its_file(context: Context, tokens: list[int]) -> None:
    long = saved_for_later(context, tokens)
    slots = Slots(context, files(), can_rewind=True)
    for word in (7, 8):
        slots.give_back(begun(context, slots, [word] * 240))
    assert len(slots.take([*long, 5], ()).tokens) == len(long)
    assert len(left()) == 2


def test_a_state_waits_on_disk_while_replies_under_way_fill_the_cache(context: Context, tokens: list[int]) -> None:
    long = saved_for_later(context, tokens)
    slots = Slots(context, files(), can_rewind=True)
    for word in (7, 8):
        begun(context, slots, [word] * 200)
    assert slots.take([*long, 5], ()).tokens == []
    assert len(left()) == 2


def test_what_ended_saves_left_is_removed_and_a_save_under_way_is_not(context: Context, tokens: list[int]) -> None:
    kv_folder().mkdir(parents=True)
    old, new = kv_folder() / "old.part", kv_folder() / "new.part"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (1, 1))
    filled(context, tokens)
    files().save(context, 0, tokens, ())
    assert new.name in left()
    assert old.name not in left()
