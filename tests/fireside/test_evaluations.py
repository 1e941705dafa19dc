"""Results that are kept: whole files, names, damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from fireside import paths
from fireside.errors import FiresideError
from fireside.evaluations import Evaluation, check_name, evaluation_names, forget, keep, read


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))


RESULT = Evaluation("rag", "cabin", "m", {"cabin": {"recall": 0.5}}, [{"id": "1"}], "2026-11-25T01:30:05+00:00")


def test_a_result_is_read_as_it_was_kept() -> None:
    assert evaluation_names() == []
    assert keep(RESULT, "first") == "first"
    found = read("first")
    assert (found.suite, found.data, found.model, found.at) == ("rag", "cabin", "m", RESULT.at)
    assert (found.scores, list(found.items), found.name) == ({"cabin": {"recall": 0.5}}, [{"id": "1"}], "first")
    assert [path.name for path in paths.evaluations_folder().iterdir()] == ["first.json"]


def test_a_name_is_found_by_suite_and_time_and_never_taken_twice() -> None:
    assert keep(RESULT) == "rag-2026-11-25-013005"
    assert keep(RESULT) == "rag-2026-11-25-013005-2"
    with pytest.raises(FiresideError, match="already an evaluation"):
        keep(RESULT, "rag-2026-11-25-013005")
    with pytest.raises(FiresideError, match="not a usable evaluation name"):
        check_name("../elsewhere")
    check_name(None)
    check_name("")


def test_one_that_is_damaged_or_gone_is_told() -> None:
    keep(RESULT, "first")
    for broken in ("{", "[]", '{"suite": "rag"}', '{"scores": {"a": {"b": "c"}}}', "[" * 100_000):
        (paths.evaluations_folder() / "broken.json").write_text(broken)
        with pytest.raises(FiresideError, match="is damaged"):
            read("broken")
    with pytest.raises(FiresideError, match="no evaluation 'fist'") as caught:
        read("fist")
    assert caught.value.hint == "did you mean first?"
    forget("first")
    forget("first")
    assert evaluation_names() == ["broken"]
