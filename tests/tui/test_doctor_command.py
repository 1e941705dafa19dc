from __future__ import annotations

import json

import pytest

from agents.sandbox.available import Mechanism, Reason
from fireside import paths
from tui import cli
from tui.commands import doctor

CHECKS = ["Python", "data folder", "settings", "full-text search", "chat model", "encoder", "sandbox"]


@pytest.mark.engine
def test_a_sound_installation(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_MODEL__THREADS", "1")
    assert cli.main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert [finding["check"] for finding in findings] == CHECKS
    assert all(finding["ok"] for finding in findings)
    assert "tokens/s" in findings[4]["found"]


def test_a_broken_one_prints_each_fix(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_encoder", lambda: doctor.Finding("encoder", True, "fine"))
    paths.ensure_folder(paths.home())
    paths.settings_file().write_text("[model]\nthread = 1\n")
    assert cli.main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert (
        f"FAIL  settings: {paths.settings_file()}: unknown key model.thread\n      fix: did you mean model.threads?"
        in out
    )
    assert "ok    Python: " in out


def test_a_data_folder_that_cannot_be_used_and_a_full_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = type("Usage", (), {"free": 5_000_000})()
    monkeypatch.setattr("tui.commands.doctor.shutil.disk_usage", lambda _: full)
    found = doctor._home()
    assert (found.ok, found.fix) == (False, "free at least 1 GB")
    paths.settings_file().write_text("")
    monkeypatch.setenv("FIRESIDE_HOME", str(paths.settings_file() / "x"))
    found = doctor._home()
    assert not found.ok
    assert found.fix


def test_a_missing_sandbox_is_told_and_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.sandbox.available.mechanism", lambda folder: Mechanism(None))
    assert (doctor._sandbox().ok, doctor._sandbox().found) == (True, "Landlock")
    monkeypatch.setattr("agents.sandbox.available.mechanism", lambda folder: Reason("there is no bwrap", "install it"))
    found = doctor._sandbox()
    assert found.ok
    assert found.found == "none, so shell and python are off: there is no bwrap (install it)"
