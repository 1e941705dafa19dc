"""Changes of an outline as a person makes them: moves, levels, and the whole of it as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fireside.stories.outline import EMPTY, INSIDE, Outline, add, children, walk
from fireside.stories.outline_edit import down, into, out, rewritten, up
from fireside.stories.outline_text import parse, read_back, render

PLAN = parse("# One\n\nFirst.\n\n## A\n\n- a1\n- a2\n\n## B\n\n- b1\n\n# Two\n\n## C\n\n- c1\n")
KINDS = st.lists(
    st.tuples(
        st.sampled_from(["chapter", "scene", "beat"]), st.sampled_from(["tea", "fog", "the sea at night", "…", ""])
    ),
    max_size=12,
)


def told(outline: Outline) -> str:
    """Kinds by their first letters, and titles, in reading order."""
    return " ".join(f"{node.kind[0]}:{node.title}" for node in walk(outline))


def named(outline: Outline, title: str) -> int:
    return next(node.id for node in walk(outline) if node.title == title)


def holds(outline: Outline) -> bool:
    """Whether every node stands where its kind may, and places have no gaps."""
    for node in outline.nodes.values():
        holder = outline.nodes[node.parent].kind if node.parent is not None else None
        if holder != INSIDE[node.kind] or node.id >= outline.next_id:
            return False
    parents = {node.parent for node in outline.nodes.values()}
    return all([each.position for each in children(outline, p)] == [*range(len(children(outline, p)))] for p in parents)


def made(rows: list[tuple[str, str]]) -> Outline:
    """An outline of these kinds and titles; what a node would need is made."""
    marks = {"chapter": "#", "scene": "##", "beat": "-"}
    return read_back("".join(f"{marks[kind]} {title or 'x'}\n" for kind, title in rows))


def test_up_and_down_go_on_in_the_neighbour() -> None:
    assert told(up(PLAN, named(PLAN, "a2"))) == "c:One s:A b:a2 b:a1 s:B b:b1 c:Two s:C b:c1"
    assert told(up(PLAN, named(PLAN, "b1"))) == "c:One s:A b:a1 b:a2 b:b1 s:B c:Two s:C b:c1"
    assert told(down(PLAN, named(PLAN, "B"))) == "c:One s:A b:a1 b:a2 c:Two s:B b:b1 s:C b:c1"
    assert up(PLAN, named(PLAN, "One")) == PLAN
    assert down(PLAN, named(PLAN, "c1")) == PLAN


def test_out_and_in_change_the_level_and_keep_the_order() -> None:
    higher = out(PLAN, named(PLAN, "a2"))
    assert told(higher) == "c:One s:A b:a1 s:a2 s:B b:b1 c:Two s:C b:c1"
    assert into(higher, named(higher, "a2")) == PLAN
    assert told(out(PLAN, named(PLAN, "B"))) == "c:One s:A b:a1 b:a2 c:B s: b:b1 c:Two s:C b:c1"
    assert told(into(PLAN, named(PLAN, "Two"))) == "c:One s:A b:a1 b:a2 s:B b:b1 s:Two s:C b:c1"
    assert told(into(PLAN, named(PLAN, "B"))) == "c:One s:A b:a1 b:a2 b:B b:b1 c:Two s:C b:c1"
    for title, change in (("One", out), ("One", into), ("A", into), ("a2", into)):
        assert change(PLAN, named(PLAN, title)) == PLAN


def test_a_text_that_was_edited_keeps_what_is_the_same() -> None:
    text = render(PLAN).replace("- a1\n", "").replace("- c1", "- new\n- c1\n- a1").replace("# Two", "# Three")
    changed = rewritten(PLAN, read_back(text))
    assert told(changed) == "c:One s:A b:a2 s:B b:b1 c:Three s:C b:new b:c1 b:a1"
    for title in ("a1", "a2", "b1", "c1", "C"):
        assert named(changed, title) == named(PLAN, title)
    assert named(changed, "Three") == named(PLAN, "Two")
    assert named(changed, "new") == PLAN.next_id


def test_a_beat_worded_anew_is_itself_and_another_one_is_not() -> None:
    plan = parse("## A\n- The lamp goes out in the night.\n- Tea.\n")
    same = rewritten(plan, parse("## A\n- The lamp went out in the night.\n- Rum for everybody.\n"))
    assert named(same, "The lamp went out in the night.") == named(plan, "The lamp goes out in the night.")
    assert named(same, "Rum for everybody.") == plan.next_id


def test_summaries_without_any_beat_stay_summaries() -> None:
    outline, chapter = add(EMPTY, "chapter", "One", "What happens.")
    assert read_back(render(outline)) == outline
    emptied = rewritten(outline, read_back("# One\n"))
    assert emptied.nodes[chapter].summary == ""
    assert read_back(" \n") == EMPTY


@given(KINDS)
def test_written_down_and_read_back_nothing_changes(rows: list[tuple[str, str]]) -> None:
    outline = rewritten(EMPTY, made(rows))
    assert holds(outline)
    again = rewritten(outline, read_back(render(outline)))
    assert told(again) == told(outline)
    assert {node.id for node in walk(again)} == {node.id for node in walk(outline)}


@given(KINDS, st.integers(0, 11), st.lists(st.sampled_from([up, down, out, into]), max_size=6))
def test_no_move_breaks_an_outline_or_loses_a_node(
    rows: list[tuple[str, str]], which: int, moves: list[object]
) -> None:
    outline = made(rows)
    nodes = list(walk(outline))
    if not nodes:
        return
    node_id = nodes[which % len(nodes)].id
    for move in moves:
        assert callable(move)
        moved = move(outline, node_id)
        assert holds(moved)
        assert outline.nodes.keys() <= moved.nodes.keys()
        outline = moved
