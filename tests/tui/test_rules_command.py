"""`fireside tools rules`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.approval import Rule
from agents.remembered import rules_for
from tui import cli


def rules(capsys: pytest.CaptureFixture[str], *line: str, status: int = 0) -> Any:
    assert cli.main(["tools", "rules", *line]) == status
    out, err = capsys.readouterr()
    return (json.loads(out) if "--json" in line else out) if status == 0 else err


def test_a_rule_is_made_listed_replaced_and_forgotten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert rules(capsys, "list", "--json") == []
    made = rules(capsys, "allow", "shell", "argv=git status*", "--folder", str(tmp_path), "--json")
    assert made["folder"] == str(tmp_path.resolve())
    assert rules_for(tmp_path) == (Rule("shell", "allow", {"argv": "git status*"}),)
    rules(capsys, "deny", "fetch_page")
    assert rules_for(None) == (Rule("fetch_page", "deny"),)
    listed = rules(capsys, "list")
    assert "allow shell argv=git status*" in listed
    assert f"in {tmp_path.resolve()}" in listed
    assert "in chats without a folder" in listed
    assert rules(capsys, "deny", "shell", "argv=git status*", "--folder", str(tmp_path), "--json")["decision"] == "deny"
    assert [rule.decision for rule in rules_for(tmp_path)] == ["deny"]
    (number,) = [each["number"] for each in rules(capsys, "list", "--json") if each["folder"]]
    rules(capsys, "forget", str(number))
    assert rules_for(tmp_path) == ()


def test_what_cannot_be_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "there is no rule 7" in rules(capsys, "forget", "7", status=1)
    assert "is no pattern for an argument" in rules(capsys, "allow", "shell", "git", status=1)
    assert "is not a folder" in rules(capsys, "allow", "shell", "--folder", str(tmp_path / "no"), status=1)
