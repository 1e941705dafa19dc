"""Markdown keeps the file's own text; its headings, items and code are exact spans of it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_documents import outline

from rag.loaders import markdown


def test_markdown_headings_paragraphs_items_and_code() -> None:
    source = (
        "Intro\r\n\r\n# The *Cabin* [rules](x.html) ##\r\nline one\r\nline two\r\n\r\n- birch\r\n- pine\r\n\r\n"
        "Water\r\n-----\r\n```\r\n# no heading\r\n\r\ncode\r\n```\r\n***\r\nend"
    )
    document = markdown.load("a/cabin.md", source.encode())
    assert document.text == source
    assert outline(document) == [
        (0, "Intro"),
        (1, "# The *Cabin* [rules](x.html) ##"),
        (0, "line one\r\nline two"),
        (0, "- birch"),
        (0, "- pine"),
        (2, "Water\r\n-----"),
        (0, "```\r\n# no heading\r\n\r\ncode\r\n```"),
        (0, "end"),
    ]
    assert document.title == "The Cabin rules"
    assert document.blocks[-1].heading == ("The Cabin rules", "Water")
    assert [block.line for block in document.blocks] == [1, 3, 4, 7, 8, 10, 12, 18]


def test_markdown_front_matter_gives_the_title_and_is_no_heading() -> None:
    document = markdown.load("x.md", b'---\ntitle: "Boats"\ntags: a\n---\n\ntext\n')
    assert document.title == "Boats"
    assert outline(document) == [(0, 'title: "Boats"\ntags: a'), (0, "text")]


def test_a_deeper_heading_closes_when_a_higher_one_begins() -> None:
    document = markdown.load("x.md", b"# A\n## B\n### C\nc\n## D\nd\n# E\ne\n")
    assert [block.heading for block in document.blocks if not block.level] == [("A", "B", "C"), ("A", "D"), ("E",)]


@pytest.mark.parametrize(
    ("line", "name"), [("# C#", "C#"), ("# C #", "C"), ("#\tC ##  ", "C"), ("# # ", ""), ("### ###", "")]
)
def test_closing_hashes_are_no_part_of_a_heading(line: str, name: str) -> None:
    assert markdown.load("x.md", line.encode()).blocks[0].heading == (name,)


@given(st.text(st.sampled_from("#-=`~* |a>1.\n\r\t["), max_size=120))
def test_markdown_blocks_are_ordered_and_hold_all_but_rules(text: str) -> None:
    document = markdown.load("x.md", text.encode())
    assert document.text == text
    end = 0
    for block in document.blocks:
        assert end <= block.start < block.end
        # Between blocks there is only white space and rules (***, ---, ___).
        assert not document.text[end : block.start].strip("*-_ \t\r\n")
        end = block.end


@pytest.mark.parametrize(
    "line", [" " * 300_000, "# " + " " * 300_000 + "x", "# x" + " #" * 150_000, "*" * 300_000], ids=range(4)
)
def test_a_long_line_takes_time_in_proportion(line: str) -> None:
    began = time.process_time()
    markdown.load("x.md", line.encode())
    assert time.process_time() - began < 2
