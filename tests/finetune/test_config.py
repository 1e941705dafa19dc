"""The configuration of a run: what a file may say, and what is said about a file that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.config import Lora, RunConfig, Training, load_config, write_toml
from fireside.errors import SettingsError


def written(folder: Path, text: str) -> Path:
    file = folder / "run.toml"
    file.write_text(text, "utf-8")
    return file


def test_two_lines_are_enough_and_paths_are_taken_from_the_files_folder(tmp_path):
    config = load_config(written(tmp_path, 'name = "kitchen"\ndata = "examples.jsonl"\n'))
    assert config.data == tmp_path / "examples.jsonl"
    assert config.training == Training()
    assert config.base == "smollm2-135m"


def test_a_base_or_held_back_file_is_taken_from_the_files_folder_too(tmp_path):
    config = load_config(written(tmp_path, 'name = "k"\ndata = "e"\nheld_back = "h.jsonl"\nbase = "m.gguf"\n'))
    assert config.held_back == str(tmp_path / "h.jsonl")
    assert config.base == str(tmp_path / "m.gguf")


def test_a_template_is_a_name_or_a_file_taken_from_the_files_folder(tmp_path):
    two_lines = 'name = "k"\ndata = "e"\n'
    assert load_config(written(tmp_path, f'{two_lines}template = "chatml"\n')).template == "chatml"
    assert load_config(written(tmp_path, f'{two_lines}template = "my.jinja"\n')).template == str(tmp_path / "my.jinja")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('nam = "k"\ndata = "e"\n', "the key name is missing", "name = "),
        ('name = "k"\ndata = "e"\nepoch = 3\n', "unknown key epoch", "training.epochs"),
        ('name = "k"\ndata = "e"\n[training]\nepoch = 3\n', "unknown key training.epoch", "training.epochs"),
        ('name = "k"\ndata = "e"\nrank = 3\n', "unknown key rank", "lora.rank"),
        ('name = "k"\ndata = "e"\nzzz = 3\n', "unknown key zzz", "known keys"),
        ('name = "k"\ndata = "e"\n[training]\nepochs = 0\n', "training.epochs", "correct"),
        ('name = "k"\ndata = "e"\n[training]\nepochs = "three"\n', "training.epochs", "correct"),
        ('name = "k"\ndata = "e"\n[training]\nlearning_rate = inf\n', "training.learning_rate", "correct"),
        ('name = "k"\ndata = "e"\nheld_back = 0.9\n', "held_back", "correct"),
        ('name = "../k"\ndata = "e"\n', "name", "correct"),
        ('name = "k"\ndata = "e"\ntraining = 3\n', "training", "correct"),
        ('name = "k\ndata = "e"\n', "not valid TOML", "fix"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(tmp_path, text, message, hint):
    with pytest.raises(SettingsError) as caught:
        load_config(written(tmp_path, text))
    assert "run.toml" in caught.value.message
    assert message in caught.value.message
    assert caught.value.hint is not None
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(SettingsError, match="no configuration file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="cannot read"):
        load_config(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_config(tmp_path / "latin.toml")


@given(
    st.builds(
        RunConfig,
        name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
        data=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0~"), min_size=1).map(
            lambda name: Path("/data") / name
        ),
        held_back=st.one_of(st.floats(0.01, 0.5), st.just("/held/back.jsonl")),
        seed=st.integers(0, 2**32 - 1),
        lora=st.builds(
            Lora,
            rank=st.integers(1, 256),
            alpha=st.floats(0.1, 1024),
            target_modules=st.one_of(st.just("all-linear"), st.lists(st.text("qkvo_proj", min_size=1), min_size=1)),
        ),
        training=st.builds(Training, epochs=st.integers(1, 1000), learning_rate=st.floats(1e-7, 1)),
    )
)
def test_a_configuration_survives_its_file(tmp_path_factory, config):
    folder = tmp_path_factory.getbasetemp()
    assert load_config(written(folder, write_toml(config))) == config
