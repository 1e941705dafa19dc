"""A base that has no chat template: the preview says of chats what the run would, and shows plain text."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_base import write_tiny_base

from finetune.vocabulary import open_vocabulary
from tui.cli import main


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base without a template."""

    def bare(found):
        vocabulary = open_vocabulary(found)
        vocabulary.chat_template = ""
        return vocabulary

    monkeypatch.setattr("finetune.vocabulary.open_vocabulary", bare)
    return write_tiny_base(tmp_path / "tiny.gguf")


def test_the_preview_says_that_the_base_has_no_chat_template(tmp_path, base, capsys):
    (tmp_path / "chats.jsonl").write_text('{"prompt": "Who?", "completion": "Marlow."}\n', "utf-8")
    asked = ["data", "preview", str(tmp_path / "chats.jsonl"), "--base", str(base)]
    assert main(asked) == 1
    told = capsys.readouterr().err
    assert "the base model has no chat template" in told
    assert "chatml" in told
    assert main([*asked, "--template", "chatml"]) == 0
    (tmp_path / "text.jsonl").write_text('{"text": "Marlow cooks."}\n', "utf-8")
    assert main(["data", "preview", str(tmp_path / "text.jsonl"), "--base", str(base)]) == 0
