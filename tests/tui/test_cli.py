from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fireside import __version__
from fireside.errors import FiresideError
from tui import cli
from tui.commands import models

HEAVY = {"torch", "transformers", "sentence_transformers", "chromadb", "llama_cpp", "pydantic_settings", "numpy"}


def fireside(*line: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui.cli", *line], capture_output=True, text=True, timeout=60, check=False, **more
    )


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(option: str) -> None:
    script = (
        "import sys\nfrom tui.cli import main\ntry:\n    main([sys.argv[1]])\n"
        "except SystemExit as end:\n    print(end.code, *sorted(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, option], capture_output=True, text=True, check=False)
    code, *loaded = done.stderr.split()
    assert code == "0"
    assert not HEAVY & set(loaded)
    assert ("usage: fireside" if option == "--help" else f"fireside {__version__}") in done.stdout


@pytest.mark.parametrize(
    "line", [["nonsense"], ["models"], ["ask", "--seed", "x", "hi"], ["models", "show"], ["--nope"]]
)
def test_wrong_usage_exits_2(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(line)
    assert caught.value.code == 2
    assert capsys.readouterr().out == ""


def acting(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def act(_: object) -> int:
        raise error

    monkeypatch.setattr(models, "show_list", act)


def test_a_failure_is_an_error_and_a_hint_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    acting(monkeypatch, FiresideError("it broke\nbadly \x1b[31mtoday", "mend it"))
    assert cli.main(["models", "list"]) == 1
    assert capsys.readouterr() == ("", "error: it broke badly today\nhint: mend it\n")


def test_an_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    acting(monkeypatch, KeyboardInterrupt())
    assert cli.main(["models", "list"]) == 130
    assert capsys.readouterr() == ("", "")


def test_an_error_of_the_system_is_one_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    acting(monkeypatch, PermissionError(13, "Permission denied", "/x"))
    monkeypatch.setattr(cli, "_drop_output", lambda: None)
    assert cli.main(["models", "list"]) == 1
    assert capfd.readouterr().err == "error: [Errno 13] Permission denied: '/x'\n"


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "tui.cli", "models", "list"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_output_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tui.cli", "models", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "error: [Errno 28] No space left on device\n"


def test_another_encoding_of_the_output_is_no_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "models"
    folder.mkdir(parents=True)
    (folder / "feuer-ü-🔥.gguf").write_bytes(b"GGUF")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.gguf")).write_bytes(b"GGUF")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    for line in (["models", "list"], ["models", "list", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "tui.cli", *line], capture_output=True, env=environment, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"feuer" in done.stdout
    done_utf8 = fireside("models", "list", "--json")
    assert done_utf8.returncode == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_traceback(closed: str) -> None:
    command = f'"$0" -m tui.cli models list {closed}'
    done = subprocess.run(["sh", "-c", command, sys.executable], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("bundled" in done.stdout) == (" >" not in f" {closed}")


def test_an_interrupt_while_the_commands_load_is_no_traceback() -> None:
    script = (
        "import builtins, signal, sys\nfrom tui.cli import main\nload = builtins.__import__\n"
        "def interrupted(name, *more):\n"
        "    if name == 'argparse': signal.raise_signal(signal.SIGINT)\n"
        "    return load(name, *more)\n"
        "builtins.__import__ = interrupted\nsys.exit(main(['models', 'list']))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
