import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.errors import FiresideError
from fireside.stories import manuscript as ms
from fireside.stories.manuscript import Manuscript
from fireside.stories.outline import EMPTY, Outline, add, ancestor, change, children, delete, move, walk
from fireside.stories.outline_text import merged, parse, render
from fireside.stories.placing import arranged, place_for, stretches, written

PLAN = """# The Rock

Mara is alone.

## The boat

- A boat comes.
- Ilse climbs out,
  wet and angry.

## The kitchen

1. Tea.

# The Storm

- The lamp goes out.
"""


def titles(outline: Outline) -> list[str]:
    return [f"{node.kind[0]}:{node.title}" for node in walk(outline)]


def test_markdown_gives_chapters_scenes_and_beats() -> None:
    outline = parse(PLAN)
    assert titles(outline) == [
        "c:The Rock",
        "s:The boat",
        "b:A boat comes.",
        "b:Ilse climbs out, wet and angry.",
        "s:The kitchen",
        "b:Tea.",
        "c:The Storm",
        "s:",
        "b:The lamp goes out.",
    ]
    assert outline.nodes[1].summary == "Mara is alone."
    assert titles(parse(render(outline))) == titles(outline)


def test_plain_lines_are_beats() -> None:
    assert titles(parse("A boat comes.\n\nIlse climbs out.\x1b[31m\n")) == [
        "c:", "s:", "b:A boat comes.", "b:Ilse climbs out."
    ]  # fmt: skip
    with pytest.raises(FiresideError, match="no beat"):
        parse(" \n\n")


def test_nodes_are_added_moved_renamed_and_deleted() -> None:
    outline, first = add(EMPTY, "chapter", "One")
    outline, second = add(outline, "chapter", "Two", position=0)
    outline, scene = add(outline, "scene", "Boat", parent=first)
    outline, beat = add(outline, "beat", "It comes.", parent=scene)
    assert titles(outline) == ["c:Two", "c:One", "s:Boat", "b:It comes."]
    outline = move(outline, scene, second)
    assert titles(outline) == ["c:Two", "s:Boat", "b:It comes.", "c:One"]
    outline = change(outline, scene, title="Ship")
    assert ancestor(outline, beat, "scene") == outline.nodes[scene]
    assert ancestor(outline, beat, "chapter") == outline.nodes[second]
    with pytest.raises(ValueError, match="stands in a chapter"):
        move(outline, scene, beat)
    outline = delete(outline, second)
    assert titles(outline) == ["c:One"]
    assert children(outline, None)[0].position == 0
    assert add(outline, "scene", "New", parent=first)[1] == 5


def test_a_changed_file_keeps_what_is_there_and_takes_the_new_order() -> None:
    before = parse(PLAN)
    after = merged(
        before, parse(PLAN.replace("- A boat comes.", "- Fog.\n- A boat comes.").replace("1. Tea.", "- Rum."))
    )
    assert titles(after) == [
        "c:The Rock",
        "s:The boat",
        "b:Fog.",
        "b:A boat comes.",
        "b:Ilse climbs out, wet and angry.",
        "s:The kitchen",
        "b:Rum.",
        "b:Tea.",
        "c:The Storm",
        "s:",
        "b:The lamp goes out.",
    ]
    assert all(after.nodes[each.id].title == each.title for each in before.nodes.values())
    assert merged(before, parse(PLAN)) == before


def prose(outline: Outline, *beats: str) -> Manuscript:
    """The beats of these titles, written in this order, each as its title in capitals."""
    manuscript = Manuscript()
    for title in beats:
        node = next(node for node in outline.nodes.values() if node.title == title)
        words = ("\n\n" if ms.text(manuscript) else "") + title.upper()
        manuscript = ms.append(manuscript, "model", words, node.parent, node.id)
    return manuscript


def test_prose_of_an_earlier_beat_goes_in_front_of_that_of_a_later_one() -> None:
    outline = parse(PLAN)
    manuscript = prose(outline, "A boat comes.", "Tea.")
    ids = {node.title: node.id for node in outline.nodes.values()}
    assert place_for(outline, manuscript, ids["Ilse climbs out, wet and angry."]) == len("A BOAT COMES.")
    assert place_for(outline, manuscript, ids["The boat"]) == len("A BOAT COMES.")
    assert place_for(outline, manuscript, ids["The Storm"]) == len(ms.text(manuscript))
    assert place_for(outline, ms.append(Manuscript(), "prompt", "Once."), ids["Tea."]) == len("Once.")
    # What the person wrote on behind a beat stays with it.
    more = ms.append(prose(outline, "A boat comes."), "person", " More.", ids["The boat"])
    assert place_for(outline, more, ids["Ilse climbs out, wet and angry."]) == len("A BOAT COMES. More.")


def test_stretches_tell_where_chapters_and_scenes_begin() -> None:
    outline = parse(PLAN)
    manuscript = prose(outline, "A boat comes.", "Tea.", "The lamp goes out.")
    read = ms.text(manuscript)
    assert [(each.node.title, read[each.start : each.end]) for each in stretches(outline, manuscript, "scene")] == [
        ("The boat", "A BOAT COMES.\n\n"),
        ("The kitchen", "TEA.\n\n"),
        ("", "THE LAMP GOES OUT."),
    ]
    assert [each.node.title for each in stretches(outline, manuscript, "chapter")] == ["The Rock", "The Storm"]
    assert list(written(outline, manuscript).values())[0] == "A BOAT COMES."  # noqa: RUF015


def test_prose_follows_its_scene_to_another_place() -> None:
    outline = parse(PLAN)
    manuscript = prose(outline, "A boat comes.", "Ilse climbs out, wet and angry.", "Tea.", "The lamp goes out.")
    assert arranged(outline, manuscript) is manuscript
    kitchen = next(node for node in outline.nodes.values() if node.title == "The kitchen")
    moved = arranged(move(outline, kitchen.id, kitchen.parent, 0), manuscript)
    assert ms.text(moved) == "TEA.\n\nA BOAT COMES.\n\nILSE CLIMBS OUT, WET AND ANGRY.\n\nTHE LAMP GOES OUT."
    assert ms.text(ms.undo(moved)) == ms.text(manuscript)


@given(st.text(alphabet="#- 1.ab\n\t*", max_size=120))
def test_any_text_is_an_outline_or_refused_and_survives_being_written_down(text: str) -> None:
    try:
        outline = parse(text)
    except FiresideError:
        return
    again = parse(render(outline))
    beats = [node.title for node in walk(outline) if node.kind == "beat"]
    assert len([node for node in walk(again) if node.kind == "beat"]) >= len([each for each in beats if each])
    assert merged(outline, outline) == outline
