"""Rules of what to leave out: git's own answers, for patterns people write and for random ones."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from fireside.errors import DocumentError
from rag.ignore import parse, rules_in

# What a random pattern is made of, between slashes, and the names it meets.
ELEMENTS = (
    r"a b c ab . - * * ? \* \a \ \\ ! # [ab] [!a] [a-c] [^b] []a] [a [c-a] [a-] [a/b] [\]] [!]a] [[:alpha:]] [[:x:]] "
    r"\ "
)
NAMES = ("a", "b", "c", "ab", "abc", "*", "a\tb", "!", "#a", "-", "]", "[a", "a.b", "\\", "a ", "a b")


def ignored(root: Path, path: str) -> bool:
    """Whether the rules at and below `root` leave `path` out, by itself or with a folder above it."""
    folder, rules = root, rules_in(root)
    *folders, name = path.split("/")
    for each in folders:
        if rules.ignores(each, True):
            return True
        folder = folder / each
        rules = rules_in(folder, rules)
    return rules.ignores(name, (folder / name).is_dir())


@pytest.mark.parametrize(
    ("rules", "left_out", "kept"),
    [
        ("*.log\n!keep.log\n", ["a.log", "deep/a.log"], ["keep.log", "deep/keep.log", "a.md"]),
        ("/top.md\n", ["top.md"], ["deep/top.md"]),
        ("deep/one.md\n", ["deep/one.md"], ["other/deep/one.md"]),
        ("build/\n", ["build/a.md", "deep/build/a.md"], ["build", "build.md"]),
        ("**/drafts/*.md\n", ["drafts/a.md", "x/y/drafts/a.md"], ["drafts/x/a.md"]),
        ("x/**/z.md\n", ["x/z.md", "x/a/b/z.md"], ["z.md", "y/z.md"]),
        ("notes/**\n", ["notes/a.md", "notes/b/c.md"], ["notes.md", "x/notes/a.md"]),
        ("# comment\n\n\\#one.md\n\\!two.md\n", ["#one.md", "!two.md"], ["comment", "one.md"]),
        ("spaced.md   \nkept\\ \n", ["spaced.md", "kept "], ["kept", "spaced.md   "]),
        ("one.md\r\ntwo.md\r\n", ["one.md", "two.md"], ["one.md\r"]),
        ("\ufeffone.md\n", ["one.md"], []),
        ("*\n!*/\n!*.md\n", ["a.txt", "deep/a.txt"], ["a.md", "deep/a.md"]),
        ("drafts\n!drafts/kept.md\n", ["drafts/kept.md"], []),  # nothing comes back from a folder left out
        ("caf?.md\n", ["café.md"], ["caféé.md"]),
        ("/\n!\n[\n\\\n", [], ["a.md", "[", "\\"]),
    ],
)
def test_patterns_mean_what_they_mean_to_git(tmp_path: Path, rules: str, left_out: list[str], kept: list[str]) -> None:
    (tmp_path / ".gitignore").write_bytes(rules.encode())
    assert [path for path in [*left_out, *kept] if ignored(tmp_path, path)] == left_out


def test_a_deeper_file_goes_before_one_above_and_firesideignore_before_gitignore(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".gitignore").write_text("*.md\n*.txt\n")
    (tmp_path / ".firesideignore").write_text("!b.txt\n")
    (tmp_path / "deep" / ".gitignore").write_text("!a.md\n/b.txt\n")
    paths = ["a.md", "a.txt", "b.txt", "deep/a.md", "deep/a.txt", "deep/b.txt", "deep/c/a.md", "deep/c/b.txt"]
    assert [path for path in paths if ignored(tmp_path, path)] == ["a.md", "a.txt", "deep/a.txt", "deep/b.txt"]


def test_rules_that_cannot_be_read_are_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"x" * 1_000_001)
    with pytest.raises(DocumentError, match="these are no rules"):
        rules_in(tmp_path)
    (tmp_path / ".gitignore").unlink()
    (tmp_path / ".gitignore").symlink_to(tmp_path / ".gitignore")
    with pytest.raises(DocumentError, match="cannot read"):
        rules_in(tmp_path)


def test_a_folder_called_gitignore_is_no_rule(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").mkdir()
    assert not rules_in(tmp_path).ignores("a.md", False)


@pytest.mark.parametrize("pattern", ["*a" * 60 + "b", "**/a/" * 60 + "b", "*" * 5000 + "b", "[" * 5000])
def test_no_pattern_takes_long(pattern: str) -> None:
    (*rules,) = parse(pattern)
    began = time.perf_counter()
    assert not any(rule.fits(["a"] * 200 + ["a" * 255], False) for rule in rules)
    assert time.perf_counter() - began < 1


def check_against_git(seed: int, count: int, work: Path) -> list[str]:
    """Random rules and paths on which git and we differ."""
    drawn = random.Random(seed)
    root = work / "rules"
    (root / "a" / "b" / "c").mkdir(parents=True)
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    environment |= {"GIT_DIR": str(root / ".git"), "GIT_WORK_TREE": str(root)}
    subprocess.run(["git", "init", "-q", str(root)], env=environment, check=True)
    found = []
    for _ in range(count):
        for folder, most in ((root, 4), (root / "a", 2)):
            lines = [_pattern(drawn) for _ in range(drawn.randint(1, most))]
            (folder / ".gitignore").write_bytes("\n".join(lines).encode())
        paths = ["/".join(drawn.choices(NAMES, k=drawn.randint(1, 4))) for _ in range(30)]
        for path, answer in _git_says(root, paths, environment).items():
            if ignored(root, path) != answer:
                rules = [(folder / ".gitignore").read_text() for folder in (root, root / "a")]
                found.append(f"{path!r} under {rules}: git says {answer}")
    return found


def _pattern(drawn: random.Random) -> str:
    elements = ELEMENTS.split(" ")
    parts = [
        "**" if drawn.random() < 0.25 else "".join(drawn.choices(elements, k=drawn.randint(1, 3)))
        for _ in range(drawn.choice([1, 1, 2, 3, 4]))
    ]
    before, after = drawn.choice(["", "", "!", "/", "#"]), drawn.choice(["", "", "/", " ", "\r"])
    return before + "/".join(parts) + after


def _git_says(root: Path, paths: list[str], environment: dict[str, str]) -> dict[str, bool]:
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin", "--verbose", "--non-matching"],
        input="".join(f"{path}\0" for path in paths),
        capture_output=True,
        text=True,
        env=environment,
        cwd=root,
    )
    assert done.returncode in (0, 1), done.stderr
    fields = done.stdout.split("\0")
    answers = zip(fields[0::4], fields[2::4], fields[3::4], strict=False)
    return {path: bool(source) and not pattern.startswith("!") for source, pattern, path in answers}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_random_rules_leave_out_what_git_leaves_out(tmp_path: Path) -> None:
    assert check_against_git(seed=1, count=60, work=tmp_path) == []
