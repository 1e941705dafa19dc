from __future__ import annotations

import signal
from typing import Any

import pytest

from fireside.models.scripted import ScriptedModel
from tui import cli


@pytest.mark.parametrize(
    "line",
    [
        ["--port", "70000"],
        ["--port", "-1"],
        ["--parallel", "0"],
        ["--parallel", "x"],
        ["--timeout", "0"],
        ["--token", "x"],
    ],
)
def test_wrong_usage_exits_2(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["serve", *line])
    assert caught.value.code == 2


def opened(monkeypatch: pytest.MonkeyPatch, model: Any) -> list[Any]:
    asked: list[Any] = []
    monkeypatch.setattr("tui.models.open_model", lambda *given, **more: asked.append((*given[1:], more)) or model)
    return asked


def test_another_host_without_a_token_is_refused_before_the_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ScriptedModel([])
    opened(monkeypatch, model)
    assert cli.main(["serve", "--host", "0.0.0.0", "--port", "0"]) == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert "needs a token" in error
    assert "FIRESIDE_SERVE_TOKEN" in hint
    assert model.started == 0


def test_it_tells_its_url_once_and_ends_in_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIRESIDE_SERVE_TOKEN", "correct-horse-battery")
    asked = opened(monkeypatch, ScriptedModel([]))
    # The signal waits until the server listens: it comes where the URL is told.
    monkeypatch.setattr("tui.commands.serve.note", lambda text: (print(text), signal.raise_signal(signal.SIGTERM)))
    assert cli.main(["serve", "--port", "0", "--parallel", "3", "--model", "m"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("serving scripted at http://127.0.0.1:")
    assert "battery" not in out + err
    assert asked == [("m", {"parallel": 3})]


def test_json_is_one_line_on_stdout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from tui.commands import serve

    opened(monkeypatch, ScriptedModel([]))
    emit = serve.emit
    monkeypatch.setattr(
        "tui.commands.serve.emit", lambda document: (emit(document), signal.raise_signal(signal.SIGINT))
    )
    assert cli.main(["serve", "--port", "0", "--json"]) == 130
    out, err = capsys.readouterr()
    assert out.startswith('{"url": "http://127.0.0.1:')
    assert (out.count("\n"), err) == (1, "")
