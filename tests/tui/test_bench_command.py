from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fireside import paths
from fireside.models import measuring, tuning
from fireside.models.gguf.loading import GgufLoading
from fireside.models.measuring import Trial
from fireside.models.tuning import Rates, Tuned
from tui import cli
from tui.models import gguf_loading

RATES = Rates((100.0, 90.0, 110.0), (400.0, 500.0, 600.0), memory=321.4)
TUNED = Tuned(1, 2, 256, "on", "f16", True, 0)
TRIALS = [
    Trial("threads", {1: RATES, 2: RATES, 4: "out of memory"}, {"threads": 1, "threads_batch": 2}, "1 for writing"),
    Trial("cache_type", {}, {}, "needs flash attention"),
    Trial("mmap", {True: Rates(load_s=(1.0,)), False: Rates(load_s=(2.0,))}, {"mmap": True}, "loads as fast"),
]


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> list[GgufLoading]:
    """Figures that do not depend on the machine; what was measured."""
    loadings: list[GgufLoading] = []

    async def one(loading: GgufLoading) -> Rates:
        loadings.append(loading)
        return RATES

    async def all_of_them(path: Path, context_length: int, progress: Any) -> Any:
        loadings.append(GgufLoading(path, context_length))
        progress(1, 1)
        return TUNED, RATES, TRIALS

    monkeypatch.setattr(measuring, "measured", one)
    monkeypatch.setattr(measuring, "tune", all_of_them)
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    return loadings


def test_what_is_in_use_and_why(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_MODEL__BATCH", "128")
    assert cli.main(["bench", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["decode_tokens_per_s"], found["prefill_tokens_per_s"], found["memory_mb"]) == (100, 500, 321)
    settings = {each["name"]: (each["value"], each["from"]) for each in found["settings"]}
    assert settings["batch"] == (128, "set by you")
    assert settings["kv_type"] == ("f16", "default")
    assert cli.main(["bench"]) == 0
    out, err = capsys.readouterr()
    assert "writing  100 tokens/s" in out
    assert "fireside bench --tune" in err


def test_tuning_is_shown_kept_and_used(capsys: pytest.CaptureFixture[str], measured: list[GgufLoading]) -> None:
    assert cli.main(["bench", "--tune"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[1].split() == ["threads", "*", "1", "100/s", "500/s", "321", "MB"]
    assert lines[2].split()[:2] == ["*", "2"]
    assert lines[3].split() == ["4", "out", "of", "memory"]
    assert "kv_type           needs flash attention" in lines
    assert "busy" not in err
    (kept,) = json.loads((paths.home() / "machine.json").read_text())["measured"]
    assert kept["tuned"]["threads_batch"] == 2
    known = tuning.chosen(measured[0].path)
    assert known is not None
    assert known.tuned == TUNED


def test_tuning_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_MODEL__KV_TYPE", "q8_0")
    monkeypatch.setattr("os.getloadavg", lambda: (64.0, 0.0, 0.0))
    assert cli.main(["bench", "--tune", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["chosen"]["batch"] == 256
    assert found["set_by_you"] == ["kv_type"]
    assert found["trials"][0]["candidates"][2] == {"value": 4, "failed": "out of memory"}
    assert found["trials"][2]["candidates"][0]["load_s"] == 1.0
    assert "this machine is busy (load 64.0" in err


def test_the_chat_runs_with_what_was_measured_unless_the_person_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, measured: list[GgufLoading]
) -> None:
    from fireside.settings import load

    assert cli.main(["bench", "--tune", "--json"]) == 0
    path = measured[0].path
    assert Tuned.of(gguf_loading(load(), path)) == TUNED
    monkeypatch.setenv("FIRESIDE_MODEL__THREADS", "2")
    monkeypatch.setenv("FIRESIDE_MODEL__BATCH", "1024")
    loading = gguf_loading(load(), path)
    assert (loading.threads, loading.threads_batch, loading.batch, loading.flash_attention) == (2, 0, 1024, "on")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("remote:den", "error: remote:den runs on a server\nhint: "),
        ("nothing", "error: there is no model called 'nothing'\nhint: "),
    ],
)
def test_models_that_cannot_be_measured(capsys: pytest.CaptureFixture[str], name: str, said: str) -> None:
    assert cli.main(["bench", "--model", name]) == 1
    assert capsys.readouterr().err.startswith(said)
