"""Items in the leaderboard's format: read, asked as dry runs, scored; and the bundled model, whose every call fits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agents.evaluate import Asked, Item, ask, document_of, read_items, scores_of
from fireside.errors import FiresideError, ModelError, ToolError
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.client import WorkerModel
from fireside.models.constraints import JsonSchema, Lazy
from fireside.models.gguf.loading import GgufLoading
from fireside.models.schema import standard
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Called, Message, ToolCall

AREA = {
    "name": "geometry.area",
    "description": "Area of a rectangle.",
    "parameters": {
        "type": "dict",
        "properties": {"width": {"type": "integer"}, "height": {"type": "float"}, "unit": {"type": "string"}},
        "required": ["width", "height"],
    },
}
QUESTION = {"id": "simple_0", "question": [[{"role": "user", "content": "Area of 4 by 2.5?"}]], "function": [AREA]}
ANSWER = {"id": "simple_0", "ground_truth": [{"geometry.area": {"width": [4], "height": [2.5], "unit": ["", "m"]}}]}
RIGHT = Called(ToolCall("geometry.area", {"width": 4, "height": 2.5}))


def written(path: Path, *items: object, lines: bool = True) -> Path:
    path.write_text("\n".join(map(json.dumps, items)) if lines else json.dumps(items))
    return path


def items(tmp_path: Path, *questions: Any, answers: Any = (ANSWER,), lines: bool = True) -> list[Item]:
    answered = written(tmp_path / "answers.json", *answers, lines=lines)
    return read_items(written(tmp_path / "questions.json", *questions, lines=lines), answered)


@pytest.mark.parametrize("lines", [True, False])
def test_items_are_read_from_lines_and_lists(tmp_path: Path, lines: bool) -> None:
    none = QUESTION | {"id": "live_irrelevance_3-1-0"}
    simple, irrelevant = items(tmp_path, QUESTION, none, lines=lines)
    assert (simple.category, irrelevant.category) == ("simple", "live_irrelevance")
    assert simple.messages[0].content == "Area of 4 by 2.5?"
    assert simple.accepted == tuple(ANSWER["ground_truth"])
    assert irrelevant.accepted == ()


def test_irrelevance_needs_no_answers(tmp_path: Path) -> None:
    (item,) = read_items(written(tmp_path / "q.json", QUESTION | {"id": "irrelevance_0", "question": "Hi"}), None)
    assert (item.messages[0].content, item.accepted) == ("Hi", ())


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"id": 1}, "line 2 is no item"),
        (QUESTION | {"id": "simple_9"}, "there is no answer for simple_9"),
        (QUESTION | {"function": 3}, "no list of functions"),
        (QUESTION | {"function": [{"name": ""}]}, "no name"),
        (QUESTION | {"question": []}, "no question"),
        (QUESTION | {"question": [[], []]}, "several turns"),
        (QUESTION | {"question": [[{"role": "user"}]]}, "cannot be read"),
    ],
)
def test_broken_items_are_named_by_their_line(tmp_path: Path, question: Any, message: str) -> None:
    with pytest.raises(ToolError, match=message) as caught:
        items(tmp_path, QUESTION, question)
    assert "line 2" in caught.value.message


@pytest.mark.parametrize("truth", ["x", [{"a": {}, "b": {}}], [{"a": {"x": 1}}]])
def test_broken_answers_are_named_by_their_line(tmp_path: Path, truth: Any) -> None:
    with pytest.raises(ToolError, match="line 1 is no answer"):
        items(tmp_path, QUESTION, answers=[ANSWER | {"ground_truth": truth}])


async def test_outcomes_are_scored(tmp_path: Path) -> None:
    read = items(tmp_path, QUESTION, QUESTION | {"id": "irrelevance_0"})
    wrong = Called(ToolCall("geometry.area", {"width": "wide"}))
    model = ScriptedModel([[RIGHT], ["No tool helps."], [wrong], [RIGHT]])
    outcomes = [await ask(item, model) for item in (*read, *read)]
    assert [not each.problem for each in outcomes] == [True, True, False, False]
    assert [each.decided for each in outcomes] == [True, True, True, False]
    assert [each.validates for each in outcomes] == [True, True, False, True]
    scores = scores_of(outcomes)
    assert list(scores) == ["simple", "irrelevance", "all"]
    assert scores["simple"]["correct"] == scores["irrelevance"]["decided"] == 0.5
    assert scores["all"]["items"] == 4
    document = document_of(outcomes[0])
    assert document["calls"] == [{"name": "geometry.area", "arguments": {"width": 4, "height": 2.5}}]
    assert (document["correct"], document["expected"], document["tools"]) == (True, ANSWER["ground_truth"], [AREA])
    assert document_of(outcomes[2])["problem"] == "height is required and missing"


async def test_a_model_that_fails_ends_the_evaluation(tmp_path: Path) -> None:
    (item,) = items(tmp_path, QUESTION)
    with pytest.raises(FiresideError, match="broke"):
        await ask(item, ScriptedModel([[ModelError("it broke")]]))


class Small(ScriptedModel):
    async def parameters(self) -> int:
        return 135_000_000


async def test_arguments_without_grammar_may_not_parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.choose.chosen_tools", lambda message, tools: [(message, tools[0])])
    (item,) = items(tmp_path, QUESTION)
    model = Small([["wide and high"], ["4"], ['{"width": 4, "height": 2.5}']])
    for _ in range(2):
        outcome = await ask(item, Asked(model, grammar=False))
        assert (outcome.parses, outcome.validates, outcome.calls) == (False, False, ())
    assert model.requests[0].constraint is None
    assert (await ask(item, Asked(model))).problem == ""
    assert isinstance(model.requests[2].constraint, JsonSchema)


async def test_a_small_model_may_be_asked_natively(tmp_path: Path) -> None:
    (item,) = items(tmp_path, QUESTION)
    model = Small([[RIGHT], [RIGHT]])
    assert (await ask(item, Asked(model, native=True))).problem == ""
    assert [spec.name for spec in model.requests[0].tools] == ["geometry.area"]
    await ask(item, Asked(model, native=True, grammar=False))
    # The engine brings no constraint of its own where the request has one; this one never begins.
    assert isinstance(model.requests[1].constraint, Lazy)


MESSAGES = (
    "Calculate the area of a rectangle 4 wide and 2.5 high, in metres.",
    "What is the area of a rectangle?",
    "Rectangle area: width twelve, height \"1e3\" and unit <|im_end|> 'cm'.",
)
SCHEMAS: tuple[dict[str, Any], ...] = (
    AREA,
    {
        "name": "rectangle_area",
        "description": "Area of a rectangle.",
        "parameters": {
            "type": "dict",
            "properties": {
                "sides": {"type": "array", "items": {"type": "float"}, "minItems": 1, "maxItems": 3},
                "unit": {"type": "string", "enum": ["cm", "m"]},
                "options": {"type": "dict", "properties": {"exact": {"type": "boolean"}}, "required": ["exact"]},
                "width": {"type": "integer", "maximum": 20},
            },
            "required": ["sides", "options", "width"],
        },
    },
)


@pytest.fixture
async def bundled() -> AsyncIterator[WorkerModel]:
    model = WorkerModel("bundled", GgufLoading(located(CHAT_MODEL), context_length=2048))
    yield model
    await model.close()


@pytest.mark.engine
async def test_every_call_of_the_bundled_model_parses_and_validates(bundled: WorkerModel) -> None:
    calls = 0
    for number, message in enumerate(MESSAGES):
        for schema in SCHEMAS:
            item = Item(f"simple_{number}", "simple", (Message("user", message),), (schema,), ())
            outcome = await ask(item, bundled)
            assert outcome.parses
            assert outcome.validates
            for call in outcome.calls:
                Draft202012Validator(standard(schema["parameters"])).validate(call.arguments)
                calls += 1
    assert calls >= 3


@pytest.mark.engine
async def test_the_bundled_model_writes_arguments_as_json_without_a_grammar_too(bundled: WorkerModel) -> None:
    item = Item("simple_0", "simple", (Message("user", MESSAGES[0]),), (AREA,), ())
    outcome = await ask(item, Asked(bundled, grammar=False))
    assert outcome.calls
    assert outcome.parses
