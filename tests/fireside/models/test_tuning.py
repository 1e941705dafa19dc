from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from fireside import paths
from fireside.models import tuning
from fireside.models.gguf.loading import GgufLoading
from fireside.models.tuning import Machine, Measurement, Rates, Tuned, fastest, loading_with, own_settings
from fireside.settings import ModelSettings

TUNED = Tuned(3, 6, 256, "on", "f16", False, -1)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))


@pytest.fixture
def measurement(tmp_path: Path) -> Measurement:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"weights")
    return Measurement("5ha", str(path), TUNED, 100.0, 500.0, "2026-01-02")


def another_machine(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    here = replace(tuning.this_machine(), **changes)  # type: ignore[arg-type]
    monkeypatch.setattr(tuning, "this_machine", lambda: here)


def test_what_was_kept_is_found_again(measurement: Measurement) -> None:
    assert tuning.chosen(Path(measurement.path)) is None
    assert tuning.keep(measurement) == paths.home() / "machine.json"
    assert tuning.chosen(Path(measurement.path)) == measurement
    better = replace(measurement, tuned=replace(TUNED, threads=4))
    tuning.keep(better)
    assert tuning.chosen(Path(measurement.path)) == better
    assert len(json.loads((paths.home() / "machine.json").read_text())["measured"]) == 1


def test_each_model_and_each_machine_has_its_own(
    measurement: Measurement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "b.gguf"
    other.write_bytes(b"other weights")
    tuning.keep(measurement)
    tuning.keep(replace(measurement, sha256="other", path=str(other), decode=7.0))
    found = [tuning.chosen(Path(measurement.path)), tuning.chosen(other)]
    assert [each and each.decode for each in found] == [100.0, 7.0]
    with monkeypatch.context() as patch:
        another_machine(patch, cores=64)
        assert tuning.chosen(other) is None
        tuning.keep(replace(measurement, decode=900.0))
    assert tuning.chosen(Path(measurement.path)) == measurement


@pytest.mark.parametrize("change", [{"cpu": "another"}, {"cores": 1000}, {"llama_cpp": "9.9"}])
def test_another_machine_is_not_the_one_measured(
    measurement: Measurement, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    tuning.keep(measurement)
    another_machine(monkeypatch, **change)
    assert tuning.chosen(Path(measurement.path)) is None


def test_a_file_that_changed_is_another_model(measurement: Measurement) -> None:
    path = Path(measurement.path)
    tuning.keep(measurement)
    os.utime(path, ns=(0, 0))
    assert tuning.chosen(path) is None
    path.unlink()
    assert tuning.chosen(path) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: "not JSON",
        lambda document: "[1]",
        lambda document: json.dumps({"format": 99, "measured": document["measured"]}),
        lambda document: json.dumps({"format": 1, "measured": [3, None, {}]}),
        lambda document: json.dumps({"format": 1, "measured": [{**document["measured"][0], "machine": "x"}]}),
        lambda document: changed(document, threads=0),
        lambda document: changed(document, threads=True),
        lambda document: changed(document, batch="512"),
        lambda document: changed(document, cache_type="q2"),
        lambda document: changed(document, mmap=1),
        lambda document: changed(document, gpu_layers=-2),
        lambda document: changed(document, more=1),
    ],
)
def test_a_damaged_file_counts_as_none_and_is_written_anew(measurement: Measurement, damage: object) -> None:
    file = tuning.keep(measurement)
    file.write_text(damage(json.loads(file.read_text())))  # type: ignore[operator]
    assert tuning.chosen(Path(measurement.path)) is None
    tuning.keep(measurement)
    assert tuning.chosen(Path(measurement.path)) == measurement


def changed(document: dict[str, list[dict[str, object]]], **values: object) -> str:
    (kept,) = document["measured"]
    assert isinstance(kept["tuned"], dict)
    return json.dumps({**document, "measured": [{**kept, "tuned": {**kept["tuned"], **values}}]})


def test_the_file_does_not_grow_without_end(measurement: Measurement, tmp_path: Path) -> None:
    for number in range(70):
        path = tmp_path / f"{number}.gguf"
        path.write_bytes(b"")
        tuning.keep(replace(measurement, sha256=str(number), path=str(path)))
    kept = json.loads((paths.home() / "machine.json").read_text())["measured"]
    assert [kept[0]["sha256"], kept[-1]["sha256"], len(kept)] == ["6", "69", 64]


def test_settings_that_the_person_made_come_first() -> None:
    loading = GgufLoading(Path("a.gguf"), threads=8)
    assert loading_with(loading, None, ()) is loading
    assert Tuned.of(loading_with(loading, TUNED, ())) == TUNED
    assert Tuned.of(loading_with(loading, TUNED, {"threads"})) == replace(TUNED, threads=8, threads_batch=0)
    mine = loading_with(loading, TUNED, {"threads", "threads_batch", "mmap"})
    assert (mine.threads, mine.threads_batch, mine.mmap, mine.batch) == (8, 0, True, 256)


def test_flash_attention_and_the_cache_go_together() -> None:
    quantised = GgufLoading(Path("a.gguf"), cache_type="q8_0")
    found = loading_with(quantised, replace(TUNED, flash_attention="off"), {"cache_type"})
    assert (found.cache_type, found.flash_attention) == ("q8_0", "auto")
    without = GgufLoading(Path("a.gguf"), flash_attention="off")
    found = loading_with(without, replace(TUNED, cache_type="q8_0"), {"flash_attention"})
    assert (found.cache_type, found.flash_attention) == ("f16", "off")


def test_which_settings_are_the_persons_own() -> None:
    assert own_settings(ModelSettings()) == set()
    assert own_settings(ModelSettings(threads=0, kv_type="auto", mmap="auto", batch=0)) == set()
    own = own_settings(ModelSettings(threads=2, kv_type="q8_0", mmap="off", gpu_layers=0))
    assert own == {"threads", "cache_type", "mmap", "gpu_layers"}


def test_where_each_setting_comes_from(measurement: Measurement) -> None:
    assert set(tuning.origins((), None).values()) == {"default"}
    found = tuning.origins({"threads", "mmap"}, measurement)
    assert found["threads"] == found["mmap"] == "set by you"
    assert (found["threads_batch"], found["batch"]) == ("as for writing", "measured on 2026-01-02")


def test_only_what_is_clearly_faster_takes_the_defaults_place() -> None:
    assert fastest("a", {"a": (10, 10, 10), "b": (9.9, 9.8, 9.9)}) == "a"
    assert fastest("a", {"a": (10, 10, 10), "b": (9, 9, 10.1)}) == "a"
    assert fastest("a", {"a": (10, 10, 10), "b": (9, 9, 9.9)}) == "b"
    assert fastest("a", {"a": (10, 12, 11), "b": (9, 11, 10), "c": (8, 10, 9)}) == "c"
    assert fastest("a", {"a": (1,), "b": ()}) == "a"


def test_the_seconds_of_a_turn() -> None:
    assert Rates(decode=(100.0, 50.0), prefill=(500.0, 250.0)).turn_s() == (3.0, 6.0)


def test_the_machine_is_told() -> None:
    machine = tuning.this_machine()
    assert machine.cpu
    assert machine.cores >= 1
    assert machine.llama_cpp[0].isdigit()
    assert str(Machine("Ada", 4, "0.1")) == "Ada, 4 cores, llama-cpp-python 0.1"
