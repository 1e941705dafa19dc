"""Decisions about tools that outlive the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.approval import Rule
from agents.remembered import everything, forget, remember, rules_for
from fireside.errors import StorageError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_rule_holds_in_its_folder_alone(tmp_path: Path) -> None:
    assert rules_for(tmp_path) == ()
    one, two = Rule("write_file", "allow", {"path": "a/*"}), Rule("shell", "deny")
    remember(one, tmp_path)
    remember(two, None)
    assert rules_for(tmp_path) == (one,)
    assert rules_for(tmp_path / "below") == rules_for(tmp_path.parent) == ()
    assert rules_for(None) == (two,)
    (tmp_path / "link").symlink_to(tmp_path)
    assert rules_for(tmp_path / "link") == (one,)


def test_a_later_decision_about_the_same_calls_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    remember(Rule("shell", "allow", {"argv": "ls*", "a": "b"}), tmp_path)
    remember(Rule("shell", "deny", {"a": "b", "argv": "ls*"}), tmp_path)
    remember(Rule("shell", "allow"), tmp_path)
    assert [rule.decision for rule in rules_for(tmp_path)] == ["deny", "allow"]
    first, _ = everything()
    assert forget(first.id)
    assert not forget(first.id)
    assert rules_for(tmp_path) == (Rule("shell", "allow"),)


def test_a_damaged_file_is_one_error_and_nothing_is_allowed(home: Path) -> None:
    home.mkdir()
    (home / "approvals.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError):
        rules_for(None)
