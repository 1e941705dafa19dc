from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from fireside import paths
from fireside.errors import SettingsError
from fireside.models.named_templates import NAMED
from fireside.models.remote.server import RemoteServer
from fireside.models.sampling import NEUTRAL, Sampling
from fireside.settings import ModelSettings, RemoteSettings, ReplySettings, SamplingSettings, load


@pytest.fixture
def file() -> Path:
    path = paths.settings_file()
    path.parent.mkdir(parents=True)
    return path


def refused(file: Path | None = None) -> tuple[str, str]:
    with pytest.raises(SettingsError) as caught:
        load(file)
    return caught.value.message, caught.value.hint or ""


def test_without_a_file_the_defaults_hold() -> None:
    settings = load()
    assert settings.model.name == "smollm2-135m"
    assert settings.tools.folder is None
    assert settings.theme == "dark"


def test_the_file_is_read_and_the_environment_is_stronger(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('theme = "light"\n[model]\nthreads = 3\ncontext_length = 2048\n')
    monkeypatch.setenv("FIRESIDE_MODEL__THREADS", "5")
    monkeypatch.setenv("FIRESIDE_TOOLS__ALLOWED", '["now"]')
    settings = load()
    assert (settings.theme, settings.model.threads, settings.model.context_length) == ("light", 5, 2048)
    assert settings.tools.allowed == ("now",)


def test_a_byte_order_mark_is_no_error(file: Path) -> None:
    file.write_bytes(b'\xef\xbb\xbftheme = "light"\n')
    assert load().theme == "light"


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("[model]\nthread = 2\n", "model.thread", "did you mean model.threads?"),
        ('them = "dark"\n', "them", "did you mean theme?"),
        ("[tools]\nzzzzzz = 1\n", "tools.zzzzzz", "known keys: tools.allowed"),
        ('[remotes.lab]\nurl = "x"\nmodle = "y"\n', "remotes.lab.modle", "did you mean remotes.lab.model?"),
        ('[remotes.lab]\nurl = "x"\nkey = "secret"\n', "remotes.lab.key", "did you mean keys?"),
    ],
)
def test_an_unknown_key_names_file_key_and_nearest_match(file: Path, text: str, key: str, hint: str) -> None:
    file.write_text(text)
    message, said = refused()
    assert message == f"{file}: unknown key {key}"
    assert said.startswith(hint)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[model]\nthreads = "many"\n', "model.threads"),
        ("[reply]\ntop_p = 0\n", "reply.top_p"),
        ("model = 3\n", "model"),
        ("[tools]\nallowed = [1]\n", "tools.allowed.0"),
        ('theme = "pink"\n', "theme"),
        ("[reply]\nmirostat = 3\n", "reply.mirostat"),
        ('[model]\nkv_type = "q5"\n', "model.kv_type"),
        ('[remotes.lab]\nurl = "http://x"\nretries = -1\n', "remotes.lab.retries"),
        ('[remotes."a/b"]\nurl = "http://x"\n', "remotes.a/b"),
        ("[remotes]\nlab = 3\n", "remotes.lab"),
    ],
)
def test_a_bad_value_names_file_and_key(file: Path, text: str, key: str) -> None:
    file.write_text(text)
    message, hint = refused()
    assert message.startswith(f"{file}: {key}: ")
    assert hint


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("FIRESIDE_MODEL__THREADS", "many", "the environment (FIRESIDE_MODEL__THREADS): model.threads: "),
        ("FIRESIDE_MODEL__THREAD", "2", "the environment (FIRESIDE_MODEL__THREAD): unknown key model.thread"),
        ("FIRESIDE_THEM", "light", "the environment: unknown key FIRESIDE_THEM"),
        ("FIRESIDE_MODLE__NAME", "x", "the environment: unknown key FIRESIDE_MODLE__NAME"),
        ("FIRESIDE_TOOLS__ALLOWED", "now", "the environment: "),
        ("FIRESIDE_MODEL", "x", "the environment: "),
    ],
)
def test_a_bad_variable_is_named_even_where_the_file_is_right(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    file.write_text("[model]\nthreads = 2\n")
    monkeypatch.setenv(name, value)
    message, hint = refused()
    assert message.startswith(said)
    assert hint


def test_a_misspelt_variable_is_told_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_THEM", "light")
    assert refused()[1] == "did you mean FIRESIDE_THEME?"


def test_broken_toml(file: Path) -> None:
    file.write_text("[model\n")
    assert refused()[0].startswith(f"{file} is not valid TOML: ")
    file.write_bytes(b"\xff\xfe")
    assert refused()[0].startswith(f"{file} is not valid TOML: ")


def test_a_file_that_cannot_be_read(file: Path, tmp_path: Path) -> None:
    file.mkdir()
    assert refused()[0] == f"cannot read {file}: Is a directory"
    assert "there is no settings file" in refused(tmp_path / "missing.toml")[0]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().model.threads = 3


def test_a_server_without_an_address(file: Path) -> None:
    file.write_text('[remotes.lab]\nmodel = "x"\n')
    assert refused() == (
        f"{file}: the key remotes.lab.url is missing",
        'add a line such as remotes.lab.url = "..."',
    )


def test_servers_have_names(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[remotes.lab]\nurl = "http://lab:8000/v1"\nkey_variable = "LAB_KEY"\n')
    monkeypatch.setenv("FIRESIDE_REMOTES__HOME__URL", "http://localhost:1234")
    remotes = load().remotes
    assert (remotes["lab"].url, remotes["lab"].key_variable) == ("http://lab:8000/v1", "LAB_KEY")
    assert remotes["home"].url == "http://localhost:1234"


def test_every_named_template_can_be_set() -> None:
    named = get_args(ModelSettings.model_fields["template"].annotation)
    assert set(named) == {"", *NAMED}


def test_a_server_s_settings_are_those_the_engine_takes() -> None:
    server = RemoteServer(**RemoteSettings(url="http://localhost").model_dump())
    assert server == RemoteServer("http://localhost")
    assert set(RemoteSettings.model_fields) == {each.name for each in fields(RemoteServer)}


def test_sampling_that_is_not_set_is_left_to_the_model() -> None:
    assert load().reply.sampling() == Sampling()
    assert load().reply.sampling(7) == Sampling(seed=7)


def test_every_sampling_setting_can_be_set(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(SamplingSettings.model_fields) == {each.name for each in fields(Sampling)}
    file.write_text(
        "[reply]\ntemperature = 0\ndry_multiplier = 0.8\nmirostat = 2\n"
        'seed = 3\nbanned_phrases = ["as an AI"]\nlogit_bias = { 50 = -inf, 7 = 1.5 }\n'
    )
    monkeypatch.setenv("FIRESIDE_REPLY__TOP_P", "0.5")
    assert load().reply.sampling() == Sampling(
        temperature=0.0,
        top_p=0.5,
        dry_multiplier=0.8,
        mirostat=2,
        seed=3,
        banned_phrases=("as an AI",),
        logit_bias={50: -math.inf, 7: 1.5},
    )
    assert load().reply.sampling(9).seed == 9


def test_neutral_sampling_can_be_set() -> None:
    """What changes nothing is a value that a person may want."""
    own = {each.name: getattr(NEUTRAL, each.name) for each in fields(NEUTRAL)}
    assert ReplySettings(**own).sampling() == NEUTRAL
