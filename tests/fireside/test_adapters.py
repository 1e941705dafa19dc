"""Adapters kept on disk: found, checked for the model in use, imported, removed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.errors import AdapterError, FiresideError
from fireside.models.adapters import (
    check_file,
    find_adapter,
    import_adapter,
    list_adapters,
    list_damaged,
    remove_adapter,
    resolve,
    resolve_all,
    split_scale,
)

BASE = "ab" * 32


def write_gguf(path: Path, **changes: Any) -> Path:
    """A LoRA adapter of rank 2 for one layer, 8 wide; `changes` break it."""
    settings = {
        "type": "adapter", "kind": "lora", "architecture": "llama", "alpha": 4.0, "base": BASE, "b_rank": 2, "b": True,
    } | changes  # fmt: skip
    writer = gguf.GGUFWriter(path, settings["architecture"])
    writer.add_type(settings["type"])
    writer.add_string("adapter.type", settings["kind"])
    if settings["alpha"] is not None:
        writer.add_float32("adapter.lora.alpha", settings["alpha"])
    if settings["base"]:
        writer.add_string("fireside.base.sha256", settings["base"])
    writer.add_tensor("blk.0.attn_q.weight.lora_a", np.zeros((2, 8), dtype=np.float32))
    if settings["b"]:
        writer.add_tensor("blk.0.attn_q.weight.lora_b", np.zeros((8, settings["b_rank"]), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def keep(home: Path, name: str, *, verified: bool | None = True, base: str = BASE, **changes: Any) -> Path:
    """An adapter as training leaves it."""
    folder = home / "adapters" / name
    folder.mkdir(parents=True)
    card = {"base": {"name": "tiny", "sha256": base, "architecture": "llama"}, "verified": verified}
    (folder / "card.json").write_text(json.dumps(card), "utf-8")
    write_gguf(folder / "adapter.gguf", **changes)
    return folder


def test_a_good_adapter_is_resolved_with_its_scale(home):
    folder = keep(home, "kitchen")
    use = resolve("kitchen:0.5", BASE, "llama")
    assert (use.name, use.path, use.scale) == ("kitchen", folder / "adapter.gguf", 0.5)
    assert resolve("kitchen", BASE, "llama").scale == 1.0


def test_an_unknown_name_is_refused_with_the_nearest(home):
    with pytest.raises(AdapterError) as caught:
        resolve("kitchen", BASE, "llama")
    assert caught.value.hint == "list them: fireside adapters list"
    keep(home, "kitchen")
    with pytest.raises(AdapterError, match="no adapter 'kitchne'") as caught:
        resolve("kitchne", BASE, "llama")
    assert caught.value.hint == "did you mean kitchen?"
    with pytest.raises(AdapterError):
        resolve("../adapters/kitchen", BASE, "llama")


@pytest.mark.parametrize("scale", ["", "x", "nan", "inf", "11", "-11"])
def test_a_scale_that_is_no_usable_number_is_refused(scale):
    with pytest.raises(AdapterError, match="not a usable scale"):
        split_scale(f"kitchen:{scale}")


@given(st.floats(-10, 10))
def test_any_number_in_range_is_a_scale(scale):
    assert split_scale(f"kitchen:{scale}") == ("kitchen", scale)


def test_an_adapter_for_another_model_is_refused(home):
    keep(home, "kitchen")
    with pytest.raises(AdapterError, match=r"made for another model \(tiny\)"):
        resolve("kitchen", "cd" * 32, "llama")
    keep(home, "copied", base=BASE).joinpath("adapter.gguf").unlink()
    write_gguf(home / "adapters" / "copied" / "adapter.gguf", base="cd" * 32)
    with pytest.raises(AdapterError, match="another model"):
        resolve("copied", BASE, "llama")
    keep(home, "foreign", base="", architecture="qwen3")
    with pytest.raises(AdapterError, match="another model"):
        resolve("foreign", BASE, "llama")


def test_a_refused_export_is_kept_but_not_offered(home):
    keep(home, "kitchen", verified=False)
    assert not find_adapter("kitchen").offered
    with pytest.raises(AdapterError, match="failed its check") as caught:
        resolve("kitchen", BASE, "llama")
    assert caught.value.hint == "see why: fireside adapters show kitchen"


def test_a_file_cut_anywhere_is_refused_before_llama_cpp_reads_it(home):
    path = keep(home, "kitchen") / "adapter.gguf"
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(AdapterError, match=r"adapter\.gguf"):
            resolve("kitchen", BASE, "llama")
    path.unlink()
    with pytest.raises(AdapterError, match="cannot read"):
        resolve("kitchen", BASE, "llama")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "model"}, "not a LoRA adapter"),
        ({"kind": "control_vector"}, "not a LoRA adapter"),
        ({"alpha": None}, "lacks its alpha"),
        ({"alpha": float("nan")}, "lacks its alpha"),
        ({"b_rank": 3}, "do not fit together"),
        ({"b": False}, "do not fit together"),
    ],
)
def test_files_that_are_no_sound_adapter_are_refused(home, tmp_path, changes, message):
    write_gguf(tmp_path / "foreign.gguf", **changes)
    with pytest.raises(AdapterError, match=message):
        import_adapter(tmp_path / "foreign.gguf", "foreign")
    assert not (home / "adapters" / "foreign").exists()


def test_an_imported_adapter_is_offered_with_a_note(home, tmp_path):
    card = import_adapter(write_gguf(tmp_path / "foreign.gguf", base=None), "foreign")
    assert card.verified is None
    assert card.offered
    assert card.note is not None
    assert "not checked here" in card.note
    assert resolve("foreign", BASE, "llama").path.read_bytes() == (tmp_path / "foreign.gguf").read_bytes()
    with pytest.raises(AdapterError, match="already an adapter"):
        import_adapter(tmp_path / "foreign.gguf", "foreign")
    with pytest.raises(FiresideError, match="not a usable adapter name"):
        import_adapter(tmp_path / "foreign.gguf", "../foreign")
    with pytest.raises(AdapterError, match="no adapter file"):
        import_adapter(tmp_path / "none.gguf", "none")


def test_the_list_passes_over_damage_and_half_done_work(home):
    assert list_adapters() == []
    keep(home, "b")
    keep(home, "a")
    keep(home, ".c.part")
    (keep(home, "d") / "card.json").write_text("[]", "utf-8")
    assert [card.name for card in list_adapters()] == ["a", "b"]
    with pytest.raises(AdapterError, match="card of the adapter 'd' cannot be read"):
        find_adapter("d")


def test_removing_takes_the_whole_folder_even_a_damaged_one(home):
    (keep(home, "kitchen") / "card.json").write_text("[]", "utf-8")
    remove_adapter("kitchen")
    assert list((home / "adapters").iterdir()) == []
    with pytest.raises(AdapterError, match="no adapter"):
        remove_adapter("kitchen")


def test_several_are_resolved_together_each_with_its_scale(home):
    keep(home, "kitchen")
    keep(home, "garden")
    uses = resolve_all("kitchen:0.7 + garden", BASE, "llama")
    assert [(use.name, use.scale) for use in uses] == [("kitchen", 0.7), ("garden", 1.0)]
    with pytest.raises(AdapterError, match="'kitchen' is named twice"):
        resolve_all("kitchen:0.7+kitchen:0.2", BASE, "llama")
    with pytest.raises(AdapterError, match="there is no adapter ''"):
        resolve_all("kitchen+", BASE, "llama")


def test_a_folder_without_a_card_is_damaged_and_a_torn_file_is_found(home):
    folder = keep(home, "kitchen")
    (home / "adapters" / "uncarded").mkdir()
    check_file("kitchen")
    ((name, error),) = list_damaged()
    assert (name, error.hint) == ("uncarded", "remove it: fireside adapters remove uncarded")
    (folder / "adapter.gguf").write_bytes(b"GGUF")
    with pytest.raises(AdapterError):
        check_file("kitchen")
