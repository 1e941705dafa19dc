"""Copies and near copies are dropped, hard negatives and template rows are kept, leaks are found."""

import random

import pytest

from finetune.data.conversation import Conversation
from finetune.data.dedup import (
    drop_exact_copies,
    drop_leaks,
    drop_near_copies,
    find_leaks,
    near_copies,
    words,
)
from finetune.data.report import apply
from fireside.errors import TrainingError
from fireside.models.types import Message


def chat(asked: str, answered: str, row: int = 1, system: str = "") -> Conversation:
    start = (Message("system", system),) if system else ()
    return Conversation((*start, Message("user", asked), Message("assistant", answered)), row, "chats.jsonl")


def some_words(rng: random.Random, count: int) -> list[str]:
    return [f"w{rng.randrange(3000)}" for _ in range(count)]


def edited(said: list[str], share: float, rng: random.Random) -> list[str]:
    changed = list(said)
    for place in rng.sample(range(len(said)), max(1, round(share * len(said)))):
        changed[place] = f"new{rng.randrange(3000)}"
    return changed


def test_planted_copies_are_found_and_hard_negatives_are_not() -> None:
    rng = random.Random(4)
    originals = [some_words(rng, rng.randint(35, 80)) for _ in range(300)]
    copies = [edited(said, rng.uniform(0.01, 0.1), rng) for said in originals[:60]]
    negatives = [edited(said, 0.4, rng) for said in originals[60:120]]
    found = list(near_copies(" ".join(said) for said in originals + copies + negatives))
    assert [(copy.row, copy.of) for copy in found] == [(300 + number, number) for number in range(60)]


def test_the_index_is_exact() -> None:
    (copy,) = near_copies(["one two three four five six", "one two three four five six seven"])
    assert copy.jaccard == pytest.approx(5 / 6)


def test_the_threshold_decides() -> None:
    said = [f"w{number}" for number in range(40)]
    texts = [" ".join(said), " ".join([*said[:30], *[f"v{number}" for number in range(10)]])]
    assert list(near_copies(texts, 0.6)) == []
    assert len(list(near_copies(texts, 0.59))) == 1


def test_short_questions_of_one_form_are_no_copies() -> None:
    largest = "What is the largest planet in our solar system? The largest planet in our solar system is Jupiter."
    smallest = largest.replace("largest", "smallest").replace("Jupiter", "Mercury")
    assert list(near_copies([largest, smallest])) == []
    assert [copy.of for copy in near_copies([largest, largest.replace("is Jupiter", "is the Jupiter")])] == [0]
    longer = "It has a great red spot, a faint ring, and at least ninety moons, four of which are large. " * 2
    assert [copy.of for copy in near_copies([largest + longer, smallest + longer])] == [0]


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.5])
def test_a_threshold_outside_its_range_is_refused(threshold: float) -> None:
    with pytest.raises(TrainingError, match="similarity"):
        list(near_copies(["a"], threshold))


def test_a_copy_of_a_copy_names_the_row_that_is_kept() -> None:
    rng = random.Random(1)
    first = some_words(rng, 60)
    second = edited(first, 0.05, rng)
    third = edited(second, 0.05, rng)
    assert [copy.of for copy in near_copies(map(" ".join, (first, second, third)))] == [0, 0]


def test_rows_of_one_template_are_not_copies() -> None:
    rng = random.Random(2)
    template = "Below is an instruction that describes a task. Write a response that completes the request."
    rows = [chat(f"{template} {' '.join(some_words(rng, 4))}", " ".join(some_words(rng, 3)), n) for n in range(200)]
    assert not [row for row in drop_near_copies(rows) if row.dropped]


def test_a_row_that_comes_often_is_no_template() -> None:
    rng = random.Random(3)
    often = some_words(rng, 80)
    texts = [" ".join(edited(often, 0.02, rng)) for _ in range(30)] + [
        " ".join(some_words(rng, 80)) for _ in range(100)
    ]
    assert [copy.row for copy in near_copies(texts)] == list(range(1, 30))


def test_the_systems_message_makes_no_rows_alike() -> None:
    system = "You are a careful assistant that answers in a friendly way and never forgets the rules. " * 5
    rows = [chat("What is a fjord?", "A narrow inlet.", 1, system), chat("Who wrote Faust?", "Goethe did.", 2, system)]
    assert not [row for row in drop_near_copies(rows) if row.dropped]


def test_a_sign_of_arithmetic_makes_another_question() -> None:
    assert list(near_copies(["What is 12 + 7? 19", "What is 12 - 7? 5"])) == []


def test_scripts_without_spaces_are_compared_by_character() -> None:
    text = "今日は天気がとても良いので、公園まで散歩に行って、友達と一緒にお弁当を食べました。"
    assert [
        copy.of
        for copy in near_copies(
            [text, text.replace("公園", "海辺"), "昨日の会議は三時間も続き、結論は出ませんでした。"]
        )
    ] == [0]
    assert words("ｆｕｌｌ Width ไทย") == ["full", "width", "ไ", "ท", "ย"]


def test_texts_without_words_and_one_huge_text() -> None:
    rng = random.Random(5)
    huge = " ".join(some_words(rng, 200_000))
    assert len(huge) > 1_000_000
    assert [(copy.row, copy.of) for copy in near_copies(["", "?!", "", huge, huge + " end"])] == [(4, 3)]


def test_labels_that_differ_make_no_copies() -> None:
    messages = (Message("user", "Tell me a joke about cats"), Message("assistant", "A cat walks into a bar."))
    rows = [Conversation(messages, 1, desirable=True), Conversation(messages, 2, desirable=False)]
    assert not [row for row in drop_near_copies(drop_exact_copies(rows)) if row.dropped]


def test_exact_copies_are_told_without_case_spacing_and_forms_of_accents() -> None:
    rows = [
        chat("Où est le café?", "Là-bas.", 1),
        chat("où est  le\ncafe\u0301?", "LÀ-BAS.", 2),
        chat("Où est le thé?", "Là-bas.", 3),
    ]
    result, report = apply("exact", drop_exact_copies, rows)
    assert [row.dropped for row in result] == [None, "a copy (of chats.jsonl row 1)", None]
    assert report.dropped == {"a copy": 1}


def test_rows_dropped_before_stay_as_they_are() -> None:
    gone = Conversation((Message("user", "a b c d"), Message("assistant", "e f")), 1, dropped="empty")
    rows = [gone, chat("a b c d", "e f", 2)]
    for step in (drop_exact_copies, drop_near_copies, lambda each: drop_leaks(each, ["a b c d"])):
        result = list(step(rows))
        assert result[0] is gone
    assert list(drop_near_copies(rows))[1].dropped is None


def test_the_report_shows_examples_of_near_copies() -> None:
    rows = [chat("Please tell me how long a day on Mars is", "A bit more than 24 hours.", 1)]
    rows.append(chat("Please tell me how long one day on Mars is", "A bit more than 24 hours.", 2))
    _, report = apply("near", drop_near_copies, rows)
    assert report.dropped == {"nearly a copy": 1}
    assert "chats.jsonl row 1" in report.examples["nearly a copy"][0]
    assert "one day on Mars" in report.examples["nearly a copy"][0]


ITEM = "The quick brown fox jumps over the lazy dog while seven grey geese watch from a distant hill"


def test_thirteen_words_of_an_item_are_a_leak_and_twelve_are_not() -> None:
    said = ITEM.split()
    rows = [["I read: " + " ".join(said[2:15]).upper() + "!"], ["I read: " + " ".join(said[2:14])]]
    (leak,) = find_leaks(rows, ["another item", ITEM])
    assert (leak.row, leak.item, leak.words) == (0, 1, " ".join(said[2:15]).lower())


def test_a_short_item_leaks_where_it_is_a_whole_message() -> None:
    rows = [["What is 2 + 2?", "4"], ["She asked what is 2 + 2 and left", "."]]
    assert [leak.row for leak in find_leaks(rows, ["what is 2 + 2"])] == [0]


def test_a_templates_wording_is_no_leak() -> None:
    template = "Below is an instruction that describes a task, write a response that completes it well and truly now"
    rows = [[f"{template} {number} apples"] for number in range(30)]
    assert list(find_leaks(rows, [f"{template} and {ITEM}"])) == []


def test_leaking_rows_are_dropped_with_the_words() -> None:
    rows = [chat("Tell me", ITEM, 1), chat("Hello", "Hi", 2, system=ITEM)]
    first, second = drop_leaks(rows, [ITEM])
    assert first.dropped is not None
    assert first.dropped.startswith("holds an evaluation item (item 1: 'the quick brown fox")
    assert second.dropped is None
