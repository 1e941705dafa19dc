"""One value of the settings file changed: the rest stays as the person wrote it, and nothing wrong is written."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.errors import SettingsError
from tui.settings_screen.file import changed, check, origin, read, save, variables

WRITTEN = """# mine
theme = "light"   # easy on the eyes

[model]
# a long memory
context_length = 8192

[keys]
"message.copy" = "f6"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(WRITTEN, "utf-8")
    return path


def test_comments_and_order_stay(file: Path) -> None:
    settings = save(("model", "context_length"), 4096, file)
    assert settings.model.context_length == 4096
    assert file.read_text("utf-8") == WRITTEN.replace("8192", "4096")


def test_a_new_setting_of_the_top_stands_before_the_tables(file: Path) -> None:
    assert save(("plain",), True, file).plain
    text = file.read_text("utf-8")
    assert text.index("plain = true") < text.index("[model]")
    assert all(line in text for line in WRITTEN.splitlines())


def test_a_table_that_was_not_there_is_made(file: Path) -> None:
    assert save(("reply", "temperature"), 0.7, file).reply.temperature == 0.7
    assert "[reply]\ntemperature = 0.7" in file.read_text("utf-8")


def test_a_key_with_a_dot_in_its_name_is_one_key(file: Path) -> None:
    assert save(("keys", "message.edit"), "f7", file).keys == {"message.copy": "f6", "message.edit": "f7"}


def test_the_default_takes_the_setting_out(file: Path) -> None:
    assert save(("theme",), None, file).theme == "dark"
    assert "theme" not in file.read_text("utf-8")
    assert save(("reply", "seed"), None, file).reply.seed is None
    assert "[reply]" not in file.read_text("utf-8")


def test_without_a_file_one_is_made_for_the_person_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "settings.toml"
    assert save(("theme",), "nord", file).theme == "nord"
    assert file.read_text("utf-8") == 'theme = "nord"\n'
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("model", "context_length"), 3, "model.context_length: Input should be greater than or equal to 256"),
        (("theme",), "neon", "theme: Input should be"),
        (("keys", "message.edit"), "ctl+e", "ctl+e (for message.edit) is not a key"),
        (("keys", "message.edit"), "f6", "f6 would mean both"),
    ],
)
def test_a_wrong_value_is_refused_and_the_file_stays(
    file: Path, path: tuple[str, ...], value: object, said: str
) -> None:
    for act in (check, save):
        with pytest.raises(SettingsError) as refused:
            act(path, value, file)
        assert said in refused.value.message
    assert file.read_text("utf-8") == WRITTEN


@pytest.mark.parametrize("broken", ["theme = ", "thme = 'dark'\n", "[model]\ncontext_length = 1\n", "model = 3\n"])
def test_a_broken_file_is_not_written_over(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(broken, "utf-8")
    with pytest.raises(SettingsError):
        read(file)
    with pytest.raises(SettingsError):
        save(("reply", "max_tokens"), 64, file)
    assert file.read_text("utf-8") == broken


def test_bytes_that_are_no_text_are_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(b"theme = '\xff'\n")
    with pytest.raises(SettingsError, match="not valid TOML"):
        save(("theme",), "light", file)


def test_a_link_to_a_file_elsewhere_stays_a_link(tmp_path: Path) -> None:
    kept, link = tmp_path / "dotfiles.toml", tmp_path / "settings.toml"
    kept.write_text(WRITTEN, "utf-8")
    link.symlink_to(kept)
    save(("theme",), "dark", link)
    assert link.is_symlink()
    assert 'theme = "dark"   # easy' in kept.read_text("utf-8")


def test_where_a_value_comes_from(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FIRESIDE_") and name != "FIRESIDE_HOME"]:
        monkeypatch.delenv(name)
    _, values = read(file)
    assert origin(("theme",), values, variables()).kind == "file"
    assert origin(("plain",), values, variables()).kind == "default"
    assert origin(("keys", "message.copy"), values, variables()).kind == "file"
    monkeypatch.setenv("FIRESIDE_MODEL__CONTEXT_LENGTH", "512")
    monkeypatch.setenv("FIRESIDE_REPLY", '{"max_tokens": 9}')
    found = origin(("model", "context_length"), values, variables())
    assert (found.kind, found.variable) == ("environment", "FIRESIDE_MODEL__CONTEXT_LENGTH")
    assert origin(("reply", "max_tokens"), values, variables()).kind == "environment"
    assert origin(("reply", "seed"), values, variables()).kind == "default"
    assert origin(("model", "threads"), values, variables()).kind == "default"


_names = st.sampled_from(["a", "b", "c.d", "e f"])
_values: Any = st.one_of(
    st.booleans(), st.integers(-9, 9), st.text(max_size=8), st.lists(st.integers(0, 9), max_size=3)
)
_table = st.dictionaries(_names, _values, max_size=3)
_tables = st.dictionaries(st.sampled_from(["t", "u"]), _table, max_size=2)


@given(_table, _tables, _names, _values)
def test_a_change_changes_just_that(top: dict[str, Any], tables: dict[str, Any], name: str, value: object) -> None:
    import tomlkit

    text = tomlkit.dumps({**top, **tables})
    for path in ((name,), ("t", name), ("new", name)):
        expected = tomllib.loads(text)
        place = expected if len(path) == 1 else expected.setdefault(path[0], {})
        place[name] = value
        after = changed(text, path, value)
        assert tomllib.loads(after) == expected
        place.pop(name)
        left = tomllib.loads(changed(after, path, None))
        assert left == expected
