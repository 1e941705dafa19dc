"""The screen of evaluations: tables, two runs side by side, what failed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from one_screen import OneScreen
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from screen_text import shown, shows
from syrupy.assertion import SnapshotAssertion

from fireside import paths
from fireside.evaluations import Evaluation, keep
from tui.evals.screen import EvalsScreen
from tui.evals.tables import comparison, failed_table, failure
from tui.theme import DARK, LIGHT

COLOURS = {**DARK.variables, "foreground": "#ffffff", "error": "#ff0000", "success": "#00ff00"}
AT = "2026-11-25T01:30:05+00:00"


def item(number: int, **more: Any) -> dict[str, Any]:
    found = {"corpus": "cabin", "id": str(number), "question": f"Who keeps [b]key[/b] {number}?", "answerable": True}
    return {**found, "refused": False, "scores": {"recall": 1.0}, **more}


BEFORE = Evaluation(
    "rag", "data/cabin", "", {"cabin": {"questions": 3, "recall": 0.667, "refused_answerable": 0, "search_p50_ms": 9}},
    [item(1), item(2, scores={"recall": 0.0}), item(3, refused=True)], AT, "before",
)  # fmt: skip
AFTER = Evaluation(
    "rag", "data/cabin", "", {"cabin": {"questions": 3, "recall": 1.0, "refused_answerable": 0, "search_p50_ms": 20}},
    [item(1), item(2), item(3, refused=True)], AT, "after",
)  # fmt: skip
TOOLS = Evaluation(
    "tools", "simple.json", "smollm2-135m+kitchen:1", {"simple": {"items": 2, "correct": 0.5}},
    [
        {"id": "simple_1", "question": [{"role": "user", "content": "Add 2 and 3"}], "problem": ""},
        {"id": "simple_2", "question": [{"role": "user", "content": "Add \x1b[2J"}], "problem": "b is 4, not 3"},
    ], AT, "calls",
)  # fmt: skip


@pytest.fixture
def kept() -> None:
    """Three results, and a file that is none."""
    paths.ensure_folder(paths.evaluations_folder())
    for number, each in enumerate((TOOLS, BEFORE, AFTER)):
        keep(each, each.name)
        os.utime(paths.evaluations_folder() / f"{each.name}.json", (1000 + number, 1000 + number))
    torn = paths.evaluations_folder() / "torn.json"
    torn.write_text("{")
    os.utime(torn, (10, 10))


async def test_results_are_listed_the_newest_first_with_their_tables(kept: None) -> None:
    async with OneScreen(EvalsScreen()).run_test(size=(110, 30)) as pilot:
        await shows(pilot, "after", "before", "calls", "! torn: damaged", "search alone", "recall", "1.000", "20")
        await pilot.press("j", "j")
        await shows(pilot, "smollm2-135m+kitchen:1", "simple.json", "correct", "0.500")
        await pilot.press("j")
        await shows(pilot, "the evaluation 'torn' is damaged")


async def test_two_side_by_side_show_what_is_better_and_what_is_worse(kept: None) -> None:
    async with OneScreen(EvalsScreen()).run_test(size=(120, 32)) as pilot:
        await shows(pilot, "after")
        await pilot.press("j", "space")
        await shows(pilot, "move to another result to compare it with before")
        await pilot.press("k")
        await shows(pilot, "B - A", "▲ +0.333", "▼ +11", "=", "items that went another way", "▲ cabin 2")
        assert "cabin 3" not in shown(pilot.app)
        await pilot.press("j", "space", "k")
        await shows(pilot, "data/cabin")


async def test_what_failed_is_told_with_its_reason(kept: None) -> None:
    async with OneScreen(EvalsScreen()).run_test(size=(120, 32)) as pilot:
        await shows(pilot, "after")
        await pilot.press("j", "f")
        await shows(pilot, "2 of 3 items failed", "Who keeps [b]key[/b] 2?", "✗ nothing of what answers it was found")
        await pilot.press("j")
        await shows(pilot, "1 of 2 items failed", "✗ b is 4, not 3")
        assert "\x1b" not in shown(pilot.app)
        await pilot.press("f", "enter", "j")
        await shows(pilot, "0.500")


async def test_one_is_deleted_once_the_person_has_said_so(kept: None) -> None:
    async with OneScreen(EvalsScreen()).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "after")
        await pilot.press("d")
        await shows(pilot, "Delete the result after?")
        await pilot.press("y")
        await shows(pilot, "after is deleted")
    assert not (paths.evaluations_folder() / "after.json").exists()


async def test_without_any_it_says_how_to_make_one() -> None:
    async with OneScreen(EvalsScreen()).run_test(size=(60, 20)) as pilot:
        await shows(pilot, "No results are kept yet.")
        await pilot.press("space", "f", "d", "enter")


@pytest.mark.parametrize(
    ("suite", "found", "why"),
    [
        ("rag", item(1), ""),
        ("rag", item(1, answerable=False, refused=True), ""),
        ("rag", item(1, answerable=False), "it was not refused"),
        ("rag", item(1, scores={"ndcg@10": 0.0, "mrr": 0.0}), "nothing of what answers it"),
        ("rag", item(1, answer={"citations": [{"correct": False}]}), "a citation is not"),
        ("rag", {"scores": 3, "answer": "?"}, ""),
        ("tools", {"problem": "no call"}, "no call"),
        ("tools", {}, ""),
    ],
)
def test_what_counts_as_failed(suite: str, found: dict[str, Any], why: str) -> None:
    said = failure(suite, found)
    assert (why in said) if why else not said


def test_results_of_other_suites_have_nothing_in_common_and_are_shown_all_the_same() -> None:
    text = comparison(BEFORE, TOOLS, COLOURS).plain
    assert "–" in text
    assert "went another way" not in text
    assert "0 of 0 items failed" in failed_table(Evaluation("rag", "", "", {}), COLOURS).plain


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
async def test_it_looks_as_it_did(kept: None, theme: Any, snapshot: SnapshotAssertion) -> None:
    async with OneScreen(EvalsScreen(), theme).run_test(size=(100, 26)) as pilot:
        await shows(pilot, "after")
        await pilot.press("j", "space", "k")
        await shows(pilot, "▲ cabin 2")
        assert pilot.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)


async def test_it_stands_on_a_narrow_terminal(kept: None, snapshot: SnapshotAssertion) -> None:
    async with OneScreen(EvalsScreen()).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "after")
        for size in ((60, 20), (30, 8), (60, 20)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await shows(pilot, "search alone")
        assert pilot.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)


async def test_slash_evals_opens_it(chat_with: Callable[..., Any], kept: None) -> None:
    async with chat_with() as chat:
        await chat.write("/evals")
        await chat.shows("Evaluations")
        await chat.shows("before")
        await chat.pilot.press("escape")
        await chat.until(lambda: chat.app.screen is chat.screen)
