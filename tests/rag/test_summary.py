"""A whole document in a few sentences: its own, or a model's that it supports."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.encoder import Encoder
from rag.loaders.markdown import load
from rag.summary import LABEL, SENTENCES, Summary, document_meant, extract, written
from rag.types import Document

WINTER = "In winter the pump is drained and the stove burns birch wood all day."
SUMMER = "In summer the boat takes four people to the island and back."


@pytest.fixture
def document() -> Document:
    birds = ["owl", "crow", "tern", "gull", "swan", "duck", "rail", "coot", "snipe", "heron", "finch", "wren"]
    trees = ["oak", "birch", "pine", "ash", "elm", "rowan", "alder", "aspen", "yew", "lime", "larch", "beech"]
    said = dict(enumerate([WINTER, SUMMER]))
    sections = [
        f"## Part {number}\n\n{said.get(number, '')} "
        + " ".join(
            f"Shelf {number}-{place} holds books on the {bird} and the {tree}, bought in {1900 + 12 * number + place}."
            for place, (bird, tree) in enumerate(zip(birds, trees[number:] + trees[:number], strict=True))
        )
        for number in range(6)
    ]
    return load("/d/cabin.md", ("# Cabin\n\n" + "\n\n".join(sections)).encode())


def check(summary: Summary, document: Document) -> None:
    assert summary.citations
    for marker, citation in enumerate(summary.citations, start=1):
        assert citation.marker == marker
        assert document.text[citation.start : citation.end] == citation.quote
        assert f"[{marker}]" in summary.text


@pytest.mark.parametrize("count", [1, 3, SENTENCES])
def test_an_extract_is_the_documents_own_sentences_in_its_order(
    document: Document, encoder: Encoder, count: int
) -> None:
    made = extract(document, encoder, count)
    check(made, document)
    assert made.extract
    assert made.text.startswith(LABEL)
    assert len(made.citations) == count
    places = [citation.start for citation in made.citations]
    assert places == sorted(places)
    assert len({citation.heading for citation in made.citations}) >= min(count, 3)


def test_the_same_sentence_is_not_taken_twice(encoder: Encoder) -> None:
    repeated = load("/d/twice.md", f"{WINTER}\n\n{WINTER}\n\n{SUMMER}\n".encode())
    assert sorted(citation.quote for citation in extract(repeated, encoder).citations) == [SUMMER, WINTER]


def test_nothing_to_say_is_no_sentence(encoder: Encoder) -> None:
    assert extract(load("/d/bare.md", b"# Only\n\n## Headings\n"), encoder) == Summary("", (), True)


def model(answer: Callable[[str, str], str]) -> tuple[list[tuple[str, str]], Callable[[str, str], object]]:
    asked: list[tuple[str, str]] = []

    async def write(task: str, text: str) -> str:
        asked.append((task, text))
        return answer(task, text)

    return asked, write


async def test_a_models_words_are_kept_where_a_part_says_so(document: Document, encoder: Encoder) -> None:
    def answer(task: str, text: str) -> str:
        if task.startswith("Make one"):
            return f"{WINTER} {SUMMER} Elves built the cabin of solid gold."
        return (WINTER if WINTER in text else SUMMER) + " The king of Sweden owns every shelf [1]."

    asked, write = model(answer)
    made = await written(document, encoder, write)  # type: ignore[arg-type]
    check(made, document)
    assert not made.extract
    assert made.text == f"{WINTER} [1] {SUMMER} [2]"
    assert "The king of Sweden owns every shelf." in made.unsupported
    assert "Elves built the cabin of solid gold." in made.unsupported
    *parts, (_, notes) = asked
    assert "".join(text for _, text in parts).count(WINTER) == 1
    assert "Sweden" not in notes


async def test_where_no_word_of_it_is_supported_the_documents_sentences_stand(
    document: Document, encoder: Encoder
) -> None:
    _, write = model(lambda task, text: "Penguins sing opera loudly at night.")
    made = await written(document, encoder, write)  # type: ignore[arg-type]
    check(made, document)
    assert made.extract
    assert made.unsupported


PATHS = ["/d/rules.md", "/d/my rules.md", "/d/boat.txt", "/e/boat.txt"]


@pytest.mark.parametrize(
    ("question", "paths", "meant"),
    [
        ("Summarise rules.md", PATHS, "/d/rules.md"),
        ("please give me a short summary of My Rules.md", PATHS, "/d/my rules.md"),
        ("summarize this file", PATHS[:1], "/d/rules.md"),
        ("Write a summary of the whole document.", PATHS[:1], "/d/rules.md"),
        ("summarise this file", PATHS, None),
        ("summarise boat.txt", PATHS, None),
        ("Summarise what rules.md says about the pump", PATHS, None),
        ("summarise the pump rules", PATHS[:1], None),
        ("What is in rules.md?", PATHS, None),
        ("summarise", [], None),
    ],
)
def test_which_document_is_meant(question: str, paths: Sequence[str], meant: str | None) -> None:
    assert document_meant(question, paths) == meant


@given(st.text(max_size=40), st.lists(st.text(max_size=10), max_size=4))
def test_any_question_means_a_document_of_the_library_or_none(question: str, paths: list[str]) -> None:
    assert document_meant(f"summarise {question}", paths) in [None, *paths]
