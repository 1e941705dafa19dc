import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fireside.encoder import Encoder, bundled_encoder
from rag.chunk import chunks_of, context_of
from rag.loaders import markdown
from rag.types import Block, Document

LIMIT = 40


def loaded(text: str) -> Document:
    return markdown.load("notes.md", text.encode("utf-8", "surrogatepass"))


def test_neighbouring_paragraphs_share_a_chunk_and_headings_part_them(encoder: Encoder) -> None:
    document = loaded("# A\n\none two\n\nthree four\n\n## B\n\nfive\n")
    chunks = chunks_of(document, encoder, LIMIT)
    assert [(chunk.heading, chunk.text) for chunk in chunks] == [
        (("A",), "one two\n\nthree four"),
        (("A", "B"), "five"),
    ]


def test_a_long_paragraph_is_cut_between_sentences(encoder: Encoder) -> None:
    sentence = "The stove in the old cabin takes dry birch wood only."
    document = loaded(" ".join([sentence] * 9))
    chunks = chunks_of(document, encoder, LIMIT)
    assert len(chunks) > 1
    assert all(chunk.text.startswith("The stove") and chunk.text.endswith("only.") for chunk in chunks)


def test_pages_are_not_mixed(encoder: Encoder) -> None:
    document = Document("a.pdf", "a", "one\n\ntwo", (Block(0, 3, page=1), Block(5, 8, page=2)))
    assert [(chunk.page, chunk.text) for chunk in chunks_of(document, encoder, LIMIT)] == [(1, "one"), (2, "two")]


def test_a_heading_with_nothing_under_it_is_found_as_a_chunk(encoder: Encoder) -> None:
    document = loaded("# Title\n\n## Empty\n\n## Full\n\nbody\n\n## Last\n")
    assert [chunk.text for chunk in chunks_of(document, encoder, LIMIT)] == ["## Empty", "body", "## Last"]


def test_context_names_title_and_headings_once() -> None:
    assert context_of("Guide", ("Guide", "Fire")) == "Guide > Fire"
    assert context_of("notes", ()) == "notes"


BODIES = st.one_of(
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs", "Cc"]), max_size=300),
    st.text(st.sampled_from("abc. \n#|-中한é`=>1\r"), max_size=600),
    st.integers(1, 500).map(lambda count: "x" * count),
)


# The fixture holds no state that chunking could change.
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(BODIES, max_size=5).map("\n\n".join))
def test_spans_are_exact_within_the_limit_and_cover_every_body(encoder: Encoder, text: str) -> None:
    check(loaded(text), encoder)


def check(document: Document, encoder: Encoder) -> None:
    covered = [False] * len(document.text)
    for chunk in chunks_of(document, encoder, LIMIT):
        assert document.text[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip() == chunk.text != ""
        (tokens,) = encoder.count_tokens([chunk.text])
        assert tokens <= LIMIT or len(chunk.text) == 1
        assert not any(covered[chunk.start : chunk.end])
        covered[chunk.start : chunk.end] = [True] * len(chunk.text)
    for block in document.blocks:
        if not block.level:
            body = document.text[block.start : block.end]
            assert all(covered[block.start + at] or character.isspace() for at, character in enumerate(body))


@pytest.mark.engine
@settings(deadline=None, max_examples=50)
@given(text=st.lists(BODIES, max_size=4).map("\n\n".join))
def test_the_same_with_the_real_tokenizer(text: str) -> None:
    check(loaded(text), bundled_encoder())


@pytest.mark.engine
@pytest.mark.parametrize("unit", ["x", "한", "中", "ไ", "a.", "é-"])
def test_a_megabyte_without_a_space_is_cut_in_linear_time(unit: str) -> None:
    encoder = bundled_encoder()
    encoder.count_tokens(["loaded"])

    def seconds(characters: int) -> float:
        document = loaded(unit * (characters // len(unit)))
        began = time.process_time()
        chunks = chunks_of(document, encoder, 200)
        took = time.process_time() - began
        assert max(encoder.count_tokens([chunk.text for chunk in chunks])) <= 200
        return took

    # Eight times the text takes about eight times as long; a quadratic algorithm would take 64 times.
    assert seconds(1_000_000) < 25 * max(seconds(125_000), 0.05)
