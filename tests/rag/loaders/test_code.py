"""Source code: a block a function, headed by what it lies in, in the file's own text."""

from __future__ import annotations

import pytest
from made_documents import check_spans

from rag.loaders import code
from rag.types import Document

LONG = "x" * 600
PYTHON = f'''"""Ünicode 🙂 before all."""
import os

# Adds.
# Really.
@cached
def add(a, b):
    def inner(): ...
    return a


class Stove(Base):
    """{LONG}"""

    def light(self):
        pass

    @property
    def hot(self): return 1

if os:
    async def late(): ...
'''
TYPESCRIPT = f"""export interface Shape {{ area(): number }}
/** {LONG} */
export class Stove {{
  // Lights it.
  light(): void {{}}
}}
export const burn = async (wood: string) => {{ await wood; }};
"""
RUST = f"""#[derive(Debug)]
struct P;
impl Display for P {{
    // {LONG}
    fn fmt(&self) {{}}
}}
"""
CPP = f"""#ifdef X
namespace n {{ template <typename T> class A {{ A() {{}} /* {LONG} */ void f() {{}} }}; }}
#endif
int *g(int x) {{ return 0; }}
"""
GO = "package main\n\n// Point is.\ntype Point struct { X int }\n\nfunc (p *Point) Move(d int) { p.X += d }\n"
JAVA = f"/** {LONG} */\n@Deprecated\nclass A {{ A() {{}} int f() {{ return 1; }} }}\n"
RUBY = f"module M\n  class A\n    # {LONG}\n    def x; 1; end\n  end\nend\n"


def found(document: Document) -> dict[tuple[str, ...], str]:
    """The first block under each heading path."""
    blocks: dict[tuple[str, ...], str] = {}
    for block in document.blocks:
        blocks.setdefault(block.heading, document.text[block.start : block.end])
    return blocks


@pytest.mark.parametrize(
    ("name", "source", "blocks"),
    [
        (
            "a.py",
            PYTHON,
            {
                (): '"""Ünicode 🙂 before all."""\nimport os',
                ("add",): "# Adds.\n# Really.\n@cached\ndef add(a, b):\n    def inner(): ...\n    return a",
                ("Stove",): f'class Stove(Base):\n    """{LONG}"""',
                ("Stove", "light"): "def light(self):\n        pass",
                ("Stove", "hot"): "@property\n    def hot(self): return 1",
                ("late",): "async def late(): ...",
            },
        ),
        (
            "a.ts",
            TYPESCRIPT,
            {
                ("Shape",): "export interface Shape { area(): number }",
                ("Stove",): f"/** {LONG} */\nexport class Stove {{",
                ("Stove", "light"): "// Lights it.\n  light(): void {}",
                ("burn",): "export const burn = async (wood: string) => { await wood; };",
            },
        ),
        ("a.rs", RUST, {("P",): "#[derive(Debug)]\nstruct P;", ("P", "fmt"): f"// {LONG}\n    fn fmt(&self) {{}}"}),
        (
            "a.cpp",
            CPP,
            {
                (): "#ifdef X",
                ("n",): "namespace n {",
                ("n", "A"): "template <typename T> class A {",
                ("n", "A", "A"): "A() {}",
                ("n", "A", "f"): f"/* {LONG} */ void f() {{}}",
                ("g",): "int *g(int x) { return 0; }",
            },
        ),
        (
            "a.go",
            GO,
            {
                (): "package main",
                ("Point",): "// Point is.\ntype Point struct { X int }",
                ("Move",): "func (p *Point) Move(d int) { p.X += d }",
            },
        ),
        (
            "a.java",
            JAVA,
            {
                ("A",): f"/** {LONG} */\n@Deprecated\nclass A {{",
                ("A", "A"): "A() {}",
                ("A", "f"): "int f() { return 1; }",
            },
        ),
        ("a.rb", RUBY, {("M",): "module M", ("M", "A"): "class A", ("M", "A", "x"): f"# {LONG}\n    def x; 1; end"}),
        ("a.sh", "set -e\n# hi\ngreet() { echo hi; }\n", {(): "set -e", ("greet",): "# hi\ngreet() { echo hi; }"}),
        ("a.c", "/* f */\nstatic int f(void) { return 0; }\n", {("f",): "/* f */\nstatic int f(void) { return 0; }"}),
        ("a.cs", "class A { int F() { return 1; } }", {("A",): "class A { int F() { return 1; } }"}),
        ("a.php", "<?php\nfunction g() {}\n", {(): "<?php", ("g",): "function g() {}"}),
        ("a.jsx", "export function App() { return <p/>; }", {("App",): "export function App() { return <p/>; }"}),
        ("a.kt", "fun f() {}\n\nfun g() {}", {(): "fun f() {}"}),
    ],
)  # fmt: skip
def test_functions_are_blocks_under_what_they_lie_in(
    name: str, source: str, blocks: dict[tuple[str, ...], str]
) -> None:
    document = code.load(name, source.encode())
    assert document.text == source
    assert found(document) == blocks
    check_spans(document)


def test_a_small_class_is_one_block_and_closing_braces_are_none() -> None:
    document = code.load("a.js", b"class A {\n  f() {}\n\n  g() {}\n}\n\n}\n")
    assert [document.text[block.start : block.end] for block in document.blocks] == [
        "class A {\n  f() {}\n\n  g() {}\n}"
    ]
    assert document.blocks[0].heading == ("A",)


def test_lines_are_those_of_the_file() -> None:
    document = code.load("a.py", PYTHON.replace("\n", "\r\n").encode())
    lines = PYTHON.split("\n")
    for block in document.blocks:
        assert block.line is not None
        assert document.text[block.start :].lstrip().startswith(lines[block.line - 1].strip())


def test_code_that_does_not_parse_is_read_all_the_same() -> None:
    document = code.load("a.py", b"def broken(:\n  pass\n\n<<<<<<< HEAD\ndef f(): ...\n")
    assert "broken" in document.text[document.blocks[0].start : document.blocks[0].end]
    check_spans(document)


def test_a_very_large_file_is_read_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.loaders.code._LARGEST", 10)
    assert code.load("a.py", b"def f():\n    pass\n").blocks[0].heading == ()
