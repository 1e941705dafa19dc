"""What of a folder is hidden, and which folders are not shared at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.sandbox import protected
from agents.sandbox.protected import check_folder, find_protected, is_secret_file
from fireside.errors import ToolError


@pytest.mark.parametrize(
    "name",
    [
        *(".env", ".ENV", ".env.local", "prod.env", "server.PEM", "id_ed25519", ".netrc", ".envrc", ".vault-token"),
        *(".s3cfg", ".my.cnf", ".boto", ".dockercfg", "credentials.toml", "Credentials.json"),
    ],
)
def test_secrets_are_known_by_name(name: str) -> None:
    assert is_secret_file(name)


@pytest.mark.parametrize("name", [".env.example", "id_ed25519.pub", "environment.md", "keys.py", "monkey"])
def test_other_files_are_not_hidden(name: str) -> None:
    assert not is_secret_file(name)


def test_secrets_are_found_at_any_depth_and_behind_links(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/.env").write_text("x")
    (tmp_path / "a/.ssh").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "plain.txt").write_text("x")
    (tmp_path / "server.key").symlink_to("plain.txt")
    (tmp_path / "other.key").symlink_to("/etc/passwd")
    found = find_protected(tmp_path)
    assert found.hidden_files == (str(tmp_path / "a/b/.env"), str(tmp_path / "plain.txt"))
    assert found.hidden_folders == (str(tmp_path / "a/.ssh"),)
    assert found.unchanged == (str(tmp_path / ".git"),)
    assert found.held == (str(tmp_path / "a"), str(tmp_path / "a/b"))


def test_folders_above_what_is_protected_are_held_but_not_those_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/b/.git", "tools/venv/lib", "other/deep"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "tools/venv/lib/cacert.pem").write_text("x")
    monkeypatch.setattr(protected.sys, "prefix", str(tmp_path / "tools/venv"))
    assert find_protected(tmp_path).held == tuple(str(tmp_path / name) for name in ("a", "a/b", "tools"))


def test_version_control_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/.git").symlink_to(tmp_path)
    with pytest.raises(ToolError, match=r"sub/\.git is a link"):
        find_protected(tmp_path)


def test_a_folder_too_large_to_be_looked_through_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcd":
        (tmp_path / name).touch()
    monkeypatch.setattr(protected, "_MOST_ENTRIES", 3)
    with pytest.raises(ToolError, match="too large"):
        find_protected(tmp_path)


def test_a_folder_with_too_much_to_protect_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a/b/c/.git").mkdir(parents=True)
    for most in (0, 2):
        monkeypatch.setattr(protected, "_MOST_PROTECTED", most)
        with pytest.raises(ToolError, match="too many places"):
            find_protected(tmp_path)
    monkeypatch.setattr(protected, "_MOST_PROTECTED", 3)
    assert len(find_protected(tmp_path).held) == 3


def test_firesides_own_code_is_not_changed() -> None:
    root = Path(protected.__file__).resolve().parents[2]
    assert str(root / "agents") in find_protected(root / "agents").unchanged


@pytest.mark.parametrize("folder", ["/", "/etc", "/usr/lib", "/tmp", "/proc/self"])
def test_system_folders_are_refused(folder: str) -> None:
    # A home of its own, so that it is not the reason.
    with pytest.raises(ToolError, match="belongs to the system"):
        check_folder(Path(folder), Path("/nonexistent/home"), Path("/nonexistent/fireside"))


def test_the_home_folder_and_firesides_own_are_refused(tmp_path: Path) -> None:
    home, fireside = tmp_path / "home", tmp_path / "fireside"
    for each in (home / "project", fireside / "runs"):
        each.mkdir(parents=True)
    check_folder(home / "project", home, fireside)
    for refused in (home, tmp_path, fireside, fireside / "runs"):
        with pytest.raises(ToolError):
            check_folder(refused, home, fireside)
    with pytest.raises(ToolError, match="not a folder"):
        check_folder(tmp_path / "missing", home, fireside)
