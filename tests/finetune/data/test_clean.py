"""Cleaning: what each step mends, drops and tags, and what it must leave alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.clean import (
    drop_repetition,
    limit_lengths,
    pair_turns,
    problem,
    repair,
    repaired,
    repetition,
    tag_languages,
    tag_placeholders,
)
from finetune.data.conversation import Conversation, dropped
from finetune.data.language import language_of
from finetune.data.report import apply
from fireside.models.types import Message, ToolCall

ROLES = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}


def chat(*turns: str, **more) -> Conversation:
    """Each turn is its role's first letter, a colon, and the text."""
    messages = tuple(Message(ROLES[turn[0]], turn[2:], tool="x" if turn[0] == "t" else None) for turn in turns)
    return Conversation(messages, 1, "x", **more)


def only(step, row: Conversation) -> Conversation:
    (result,) = step([row])
    return result


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("The Mona Lisa doesnâ€™t have eyebrows.", "The Mona Lisa doesn’t have eyebrows."),
        ("naiÌ\x88ve".replace("Ì\x88", "\u0308"), "naïve"),
        ("e\u0301", "é"),
        ("a\x00b\x1b[31mc\x07\u200bd\u202ee", "abcde"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("  a  \n    indented\t\n\n\n\n\n\nb\n", "a\n    indented\n\n\nb"),
        ("x = “quoted” &amp; ，full width", "x = “quoted” &amp; ，full width"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 👨\u200d👩\u200d👧",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 👨\u200d👩\u200d👧",
        ),
    ],
)
def test_text_is_repaired_and_what_is_meant_stays(text, clean):
    assert repaired(text) == clean


@given(st.text())
def test_repairing_twice_changes_nothing_more(text):
    assert repaired(repaired(text)) == repaired(text)


def test_repair_reaches_every_text_and_leaves_clean_rows_as_they_are():
    row = Conversation(
        (Message("user", "a\x00"), Message("assistant", "", (ToolCall("f", {"q": ["b\x00"]}),))), 1, chosen=()
    )
    mended = only(repair, row)
    assert mended.messages[0].content == "a"
    assert mended.messages[1].calls[0].arguments == {"q": ["b"]}
    same = chat("u:hello", "a:there")
    assert only(repair, same) is same
    assert only(repair, dropped(row, "x")) == dropped(row, "x")


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (["u:a", "a:b", "u:c"], ["u:a", "a:b"]),
        (["a:hello", "u:a", "a:b"], ["u:a", "a:b"]),
        (["s:x", "a:hello", "u:a", "a:b"], ["s:x", "u:a", "a:b"]),
        (["u:a", "u:b", "a:c"], ["u:a\n\nb", "a:c"]),
        (["u:a", "a: ", "u:b", "a:c"], ["u:a\n\nb", "a:c"]),
        (["u:a", "a:b", "t:c", "t:d", "a:e"], ["u:a", "a:b", "t:c", "t:d", "a:e"]),
    ],
)
def test_turns_are_made_to_answer_each_other(turns, expected):
    mended = only(pair_turns, chat(*turns))
    assert mended.messages == chat(*expected).messages
    assert mended.tags == (() if turns == expected else ("turns mended",))
    assert problem(mended) is None


@pytest.mark.parametrize("turns", [["u:a"], ["a:b"], ["s:x", "a:b"], ["u: ", "a:b"], ["u:a", "a: "], ["s:x"]])
def test_one_sided_chats_are_dropped(turns):
    assert str(only(pair_turns, chat(*turns)).dropped).startswith("one-sided (")


def test_indices_of_untrained_replies_follow_their_messages():
    mended = only(pair_turns, chat("a:hi", "u:a", "a:b", "u:c", "a:d", untrained=frozenset({2})))
    assert mended.untrained == {1}
    assert only(pair_turns, chat("u:a", "a:b", untrained=frozenset({1}))).dropped == (
        "one-sided (every reply is marked as not to be trained on)"
    )


@given(st.lists(st.tuples(st.sampled_from("suat"), st.text("xy \n", max_size=3)), max_size=8))
def test_behind_pair_turns_a_row_has_no_problem_or_is_dropped(turns):
    row = Conversation(tuple(Message(ROLES[role], text) for role, text in turns), 1)
    mended = only(pair_turns, row)
    assert mended.dropped is not None or problem(mended) is None
    assert only(pair_turns, mended) == mended


def test_lengths_count_what_is_learnt_and_the_whole():
    row = chat("u:" + "q" * 50, "a:four")
    assert only(lambda rows: limit_lengths(rows, shortest=4, longest=54), row).dropped is None
    assert only(lambda rows: limit_lengths(rows, shortest=5), row).dropped == "too short (4 characters to learn)"
    assert only(lambda rows: limit_lengths(rows, longest=53), row).dropped == "too long (54 characters)"


@pytest.mark.parametrize(
    "text",
    [
        "I am sorry. " * 40,
        "Ooh ooh " * 30 + "Let me think.",
        "\n".join(["The capital of France is Paris."] * 9 + ["And so on.", "The end."]),
    ],
)
def test_loops_are_dropped(text):
    assert repetition(text)
    assert str(only(drop_repetition, chat("u:a", f"a:{text}")).dropped).startswith("repeats itself (")
    # What the person says over and over is not learnt.
    assert only(drop_repetition, chat(f"u:{text}", "a:b")).dropped is None


@pytest.mark.parametrize(
    "text",
    [
        "yes " * 20,
        "He works 8 hours a week. " * 2
        + "So in all he works sixteen hours a week, which is what was asked for here. " * 2,
        "\n".join(
            f"def f{n}(x):\n    if x > {n}:\n        return x - {n}\n    return {'abcdefgh'[n] * 9}\n" for n in range(8)
        ),
        "\n".join(f"| {n} | {n * n} | {n * n * n} |" for n in range(60)),
    ],
)
def test_short_answers_code_and_tables_are_not_loops(text):
    assert repetition(text) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The weather is fine today, and we are going for a long walk in the hills.", "en"),
        ("Das Wetter ist heute schön, und wir gehen lange in den Bergen spazieren.", "de"),
        ("Il fait beau aujourd'hui et nous allons faire une longue promenade.", "fr"),
        ("今天天气很好，我们要去山上散步。", "zh"),
        ("Сегодня хорошая погода, и мы идём гулять в горы.", "ru"),
        ("THE WEATHER IS FINE TODAY, AND WE ARE GOING FOR A LONG WALK IN THE HILLS.", "en"),
        ("12 + 3 = 15", None),
        ("hi", None),
        ("```python\ndef weather(today):\n    return walk(hills)\n```", None),
    ],
)
def test_languages_are_told_or_left_open(text, language):
    assert language_of(text) == language


def test_other_languages_are_dropped_and_translations_kept():
    english, german = "How do I cook a good soup for four people?", "Wie koche ich eine gute Suppe für vier Personen?"
    rows = [
        chat(f"u:{english}", "a:With water."),
        chat(f"u:{german}", f"a:{german}"),
        chat(f"u:{english}", f"a:{german}"),
    ]
    rows.append(chat("u:2+2", "a:4"))
    result, report = apply("languages", lambda rows: tag_languages(rows, keep=["en"]), rows)
    assert [row.dropped for row in result] == [None, "another language (de)", None, None]
    assert report.dropped == {"another language": 1}
    assert report.tagged["language:de"] == 2


def test_blanks_that_were_never_filled_in_are_tagged():
    assert only(tag_placeholders, chat("u:hi", "a:I am {{name}}.")).tags == ("placeholder",)
    assert only(tag_placeholders, chat("u:write {{name}}", "a:f'{x}' and {'a': {}}")).tags == ()


def test_a_report_tells_what_a_step_did_and_rows_dropped_before_are_not_its_doing():
    rows = [chat("u:a\x00", "a:b"), chat("u:a", "a:b"), dropped(chat("u:a", "a:b"), "earlier")]
    result, report = apply("repair", repair, rows)
    assert (report.entered, report.kept, report.changed, report.dropped) == (2, 2, 1, {})
    assert report.sha256_in != report.sha256_out
    again = apply("repair", repair, result)[1]
    assert again.sha256_in == again.sha256_out == report.sha256_out
    _, report = apply("lengths", lambda rows: limit_lengths(rows, shortest=2), result)
    assert (report.kept, report.dropped) == (0, {"too short": 2})
    assert report.examples["too short"][0] == "x row 1: too short (1 characters to learn)"
