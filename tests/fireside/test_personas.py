"""Personas as files: what is saved comes back, what is wrong is told with the nearest that is right."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside import paths
from fireside.errors import FiresideError, SettingsError
from fireside.personas import Persona, delete_persona, load_persona, persona_names, save_persona
from fireside.settings import SamplingSettings

PIRATE = Persona(
    name="pirate",
    system='You are a "pirate".\nSay \\n and \x7f.\n',
    model="smollm2-135m",
    adapter="sea:0.5",
    tools=("files", "web"),
    max_tokens=99,
    sampling=SamplingSettings(temperature=0.7, logit_bias={5: float("-inf")}, banned_phrases=("ahoy", "a\nb"), seed=0),
)


def written(text: str, name: str = "pirate") -> None:
    folder = paths.ensure_folder(paths.personas_folder())
    (folder / f"{name}.toml").write_text(text, "utf-8")


def test_a_saved_persona_comes_back_and_reads_well() -> None:
    file = save_persona(PIRATE)
    assert load_persona("pirate") == PIRATE
    text = file.read_text("utf-8")
    assert 'system = """\nYou are a \\"pirate\\".\n' in text
    assert "[sampling]\ntemperature = 0.7" in text
    assert "library" not in text
    assert PIRATE.parameters == {
        "temperature": 0.7, "logit_bias": {"5": float("-inf")}, "banned_phrases": ["ahoy", "a\nb"], "seed": 0,
        "max_tokens": 99,
    }  # fmt: skip


@given(system=st.text(max_size=80), model=st.text(max_size=10), temperature=st.floats(0, 5))
@settings(max_examples=60)
def test_any_text_survives_its_file(system: str, model: str, temperature: float) -> None:
    persona = Persona(name="x", system=system, model=model, sampling=SamplingSettings(temperature=temperature))
    save_persona(persona)
    assert load_persona("x") == persona


def test_an_empty_file_is_a_persona_that_changes_nothing() -> None:
    written("")
    assert load_persona("pirate") == Persona(name="pirate")
    assert load_persona("pirate").parameters == {}


def test_they_are_listed_and_deleted_by_name() -> None:
    assert persona_names() == []
    written("", "b")
    written("", "A")
    written("", "-odd name")
    assert persona_names() == ["A", "b"]
    delete_persona("A")
    delete_persona("A")
    assert persona_names() == ["b"]
    with pytest.raises(SettingsError) as missing:
        load_persona("bb")
    assert missing.value.hint == "did you mean b?"
    with pytest.raises(FiresideError, match="usable persona name"):
        load_persona("../b")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('sistem = "x"', "unknown key sistem", "did you mean system?"),
        ("[sampling]\ntemprature = 1", "unknown key sampling.temprature", "did you mean sampling.temperature?"),
        ("temperature = 1", "unknown key temperature", "did you mean sampling.temperature?"),
        ("max_tokens = 0", "max_tokens", "correct the value"),
        ('tools = ["guns"]', "tools", "correct the value"),
        ('name = "x"', "unknown key name", "rename the file"),
        ("system = ", "not valid TOML", "fix that line"),
    ],
)
def test_a_wrong_file_is_told_with_what_is_right(text: str, message: str, hint: str) -> None:
    written(text)
    with pytest.raises(SettingsError, match=r"pirate\.toml") as wrong:
        load_persona("pirate")
    assert message in wrong.value.message
    assert hint in (wrong.value.hint or "")
