"""Text in any encoding: decoded to what was written, or refused as binary; paragraphs are exact."""

from __future__ import annotations

import time

import pytest
from made_documents import outline

from fireside.errors import DocumentError
from rag.loaders import plain, rst
from rag.loaders.charset import decoded, is_text

WESTERN = "Café au lait – 3 €\r\n\r\nzwei"
RUSSIAN = "Печь топят только берёзовыми дровами, а насос сливают до первых морозов."
GREEK = "Η γρήγορη αλεπού πηδάει πάνω από το τεμπέλικο σκυλί."
POLISH = "Zażółć gęślą jaźń. W piecu pali się tylko brzozowym drewnem, a łódź mieści cztery osoby."
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"
CHINESE = "炉子只烧桦木。霜冻之前要把水泵里的水放掉，船上可以坐四个人。"
KOREAN = "난로에는 자작나무만 땐다. 서리가 내리기 전에 펌프의 물을 뺀다."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((WESTERN, name) for name in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252")),
        ("naïve façade", "cp1252"),
        (POLISH, "cp1250"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (GREEK, "cp1253"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso2022_jp"),
        (CHINESE, "gb18030"),
        (KOREAN, "euc_kr"),
    ],
)
def test_text_in_any_usual_encoding(text: str, encoding: str) -> None:
    assert decoded("a.txt", text.encode(encoding)) == text


def test_bytes_that_are_in_no_encoding_are_read_somehow() -> None:
    assert len(decoded("a.txt", b"Caf\xe9 " + bytes(range(0x80, 0x100)))) > 5


def test_one_damaged_byte_does_not_turn_utf8_into_another_encoding() -> None:
    data = (GREEK * 3).encode() + b"\xff" + b" end"
    assert decoded("a.txt", data) == GREEK * 3 + "\ufffd end"


@pytest.mark.parametrize("data", [b"\x7fELF\x00\x01\x02\x03" * 40, bytes(range(1, 32)) * 20, b"text\x00text"])
def test_binary_content_is_refused(data: bytes) -> None:
    assert not is_text(data)
    with pytest.raises(DocumentError, match="content is binary"):
        decoded("a.txt", data)


def test_more_text_than_is_indexed_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.loaders.limits.MAX_CHARACTERS", 10)
    with pytest.raises(DocumentError, match="at most 10 are indexed"):
        plain.load("a.txt", b"eleven char")


def test_paragraphs_lie_between_empty_lines() -> None:
    document = plain.load("notes/a.txt", b"one\n  two\r\n \t \r\nthree\r\r\rfour")
    assert outline(document) == [(0, "one\n  two"), (0, "three"), (0, "four")]
    assert [block.line for block in document.blocks] == [1, 4, 7]
    assert document.title == "a"


def test_a_long_empty_line_takes_time_in_proportion() -> None:
    began = time.process_time()
    plain.load("a.txt", b" " * 1_000_000 + b"x")
    assert time.process_time() - began < 2


def test_restructuredtext_sections_are_headings() -> None:
    source = (
        "=====\nCabin\n=====\n\nIntro\nlines.\n\nFire\n----\n\nBirch only.\n\n----\n\nStove\n~~~~~\nIron.\n\n"
        "Water\n-----\n\n- not a\n- title\n\n+---+\n| a |\n+---+\n"
    )
    document = rst.load("x.rst", source.encode())
    assert document.text == source
    assert outline(document) == [
        (1, "=====\nCabin\n====="),
        (0, "Intro\nlines."),
        (2, "Fire\n----"),
        (0, "Birch only."),
        (3, "Stove\n~~~~~"),
        (0, "Iron."),
        (2, "Water\n-----"),
        (0, "- not a\n- title"),
        (0, "+---+\n| a |\n+---+"),
    ]
    assert document.title == "Cabin"
    assert document.blocks[5].heading == ("Cabin", "Fire", "Stove")
    assert document.blocks[5].line == 17
