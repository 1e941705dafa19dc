import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fireside.encoder import Encoder, bundled_encoder
from rag import ingest
from rag.chunk import chunks_of, context_of
from rag.library import Library
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


def test_an_overlap_repeats_whole_sentences_of_the_chunk_before_and_of_no_other_section(encoder: Encoder) -> None:
    sentences = " ".join(f"Owl number {number} nests in the old barn." for number in range(20))
    document = loaded(f"# A\n\n{sentences}\n\n# B\n\n{sentences}\n")
    (most,) = encoder.count_tokens(["Owl number 7 nests in the old barn."])
    plain, chunks = chunks_of(document, encoder, LIMIT), chunks_of(document, encoder, LIMIT, most)
    assert len(chunks) >= len(plain)
    for before, chunk in pairwise(chunks):
        shared = document.text[chunk.start : before.end]
        if before.heading != chunk.heading:
            assert chunk.text.startswith("Owl number 0 ")
        else:
            assert shared.startswith("Owl number")
            assert encoder.count_tokens([shared])[0] <= most
        assert encoder.count_tokens([chunk.text])[0] <= LIMIT
        assert document.text[chunk.start : chunk.end] == chunk.text


def test_an_overlap_is_less_than_half_of_a_chunk(encoder: Encoder) -> None:
    document = loaded(" ".join(["The stove in the old cabin takes dry birch wood only."] * 9))
    chunks = chunks_of(document, encoder, LIMIT, 10 * LIMIT)
    assert max(encoder.count_tokens([chunk.text for chunk in chunks])) <= LIMIT
    assert all(before.start < chunk.start for before, chunk in pairwise(chunks))


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


@pytest.mark.usefixtures("read_here")
def test_another_size_or_overlap_cuts_anew_and_embeds_only_what_is_new(
    library: Library, folder: Path, encoder: Encoder
) -> None:
    owls = " ".join(f"Owl number {number} nests in the old barn." for number in range(20))
    (folder / "owls.md").write_text(f"{owls}\n")
    encoded: list[str] = encoder.encoded  # type: ignore[attr-defined]  # the fixture's encoder counts

    def run(chunk_tokens: int, overlap: int) -> tuple[int, int]:
        encoded.clear()
        return ingest.sync(library, [folder], chunk_tokens, overlap=overlap).indexed, len(encoded)

    indexed, first = run(60, 0)
    assert (indexed, run(60, 0)) == (4, (0, 0))
    indexed, new = run(60, 25)
    assert indexed == 4
    assert 0 < new < first + len(library.chunks("owls.md"))
    assert not any("boat holds" in text for text in encoded)
    assert any(a.end > b.start for a, b in pairwise(library.chunks("owls.md")))
    assert run(60, 25) == (0, 0)
    # The chunks that are as they were before are embedded no second time.
    assert run(80, 25)[0] == 4
    assert not any("boat holds" in text for text in encoded)
