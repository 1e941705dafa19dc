"""What can be set, as the schema says it."""

from __future__ import annotations

import math

import pytest

from fireside.settings import Settings
from tui.action_table import ACTIONS
from tui.settings_screen.effect import effect
from tui.settings_screen.fields import fields, typed, value_of, written

SETTINGS = Settings(
    remotes={"house": {"url": "http://127.0.0.1:8000/v1"}},  # type: ignore[dict-item]  # pydantic makes the table
    keys={"message.copy": "f6"},
)
FIELDS = {field.name: field for field in fields(SETTINGS)}


def test_every_setting_has_a_meaning_and_says_when_it_counts() -> None:
    for field in FIELDS.values():
        assert field.about, field.name
        assert effect(field.path)


def test_the_tables_and_their_settings_are_all_there() -> None:
    assert {"theme", "model.context_length", "reply.banned_phrases", "tools.folder", "remotes.house.url"} <= set(FIELDS)
    assert {f"keys.{action.name}" for action in ACTIONS} <= set(FIELDS)
    assert [not field.group for field in FIELDS.values()] == sorted(
        (not field.group for field in FIELDS.values()), reverse=True
    )


@pytest.mark.parametrize(
    ("name", "kind", "limits", "optional"),
    [
        ("model.context_length", "whole", "at least 256, at most 1048576", False),
        ("reply.temperature", "number", "at least 0, at most 5", True),
        ("reply.top_p", "number", "more than 0, at most 1", True),
        ("reply.seed", "whole", "at least 0", True),
        ("model.speculate", "switch", "", False),
        ("model.kv_type", "choice", "", False),
        ("reply.mirostat", "choice", "", True),
        ("tools.offered", "list", "", False),
        ("tools.folder", "text", "", True),
        ("reply.logit_bias", "table", "", False),
    ],
)
def test_kinds_and_limits(name: str, kind: str, limits: str, optional: bool) -> None:
    field = FIELDS[name]
    assert (field.kind, field.limits, field.optional) == (kind, limits, optional)


def test_values_are_those_that_are_set() -> None:
    assert value_of(SETTINGS, FIELDS["remotes.house.url"]) == "http://127.0.0.1:8000/v1"
    assert value_of(SETTINGS, FIELDS["keys.message.copy"]) == "f6"
    assert value_of(SETTINGS, FIELDS["keys.message.edit"]) == "e"
    assert FIELDS["tools.offered"].choices == ("files", "documents", "memory", "programs", "web", "own")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("model.context_length", "8192", 8192),
        ("model.context_length", "many", "many"),
        ("reply.temperature", "0.7", 0.7),
        ("reply.temperature", " ", None),
        ("model.speculate", "off", False),
        ("model.speculate", "perhaps", "perhaps"),
        ("model.kv_type", "q8_0", "q8_0"),
        ("reply.mirostat", "2", 2),
        ("tools.offered", "files, web", ["files", "web"]),
        ("tools.offered", "", []),
        ("reply.logit_bias", "12=-1.5, 7=-inf", {"12": -1.5, "7": -math.inf}),
        ("model.draft", "", ""),
    ],
)
def test_what_a_typed_text_means(name: str, text: str, value: object) -> None:
    assert typed(FIELDS[name], text) == value


def test_a_value_that_is_shown_and_typed_again_stays_what_it_is() -> None:
    for field in FIELDS.values():
        value = value_of(SETTINGS, field)
        again = typed(field, written(value))
        assert written(again) == written(value), field.name
        if field.kind not in ("text", "list") and value is not None:
            assert again == value, field.name
