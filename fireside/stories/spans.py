"""Changes of a stretch of what is read, in characters: who wrote what stays right, and the old reading is kept."""

from __future__ import annotations

from dataclasses import replace

from fireside.prefix import common_prefix
from fireside.stories.manuscript import Author, Manuscript, Piece, go_to, path, piece_at, with_path
from fireside.stories.manuscript import text as text_of

_NEW = 0  # the id of a piece that is not in the manuscript yet


def replace_span(
    manuscript: Manuscript,
    start: int,
    end: int,
    text: str,
    author: Author,
    scene: int | None = None,
    beat: int | None = None,
) -> Manuscript:
    """`text` in place of the characters from `start` to `end` of what is read, as one step.

    Pieces are divided at both ends, so that authors stay with their words. The old stretch stays as the alternative of
    the new one, with the same text after it. start == end inserts; an empty `text` takes the stretch out. scene, beat:
    whose prose it is; where neither is given, that of the stretch replaced, or of what the insertion stands behind.
    Raises ValueError for a span outside of what is read.
    """
    length = len(text_of(manuscript))
    if not 0 <= start <= end <= length:
        raise ValueError(f"the span {start}-{end} is not inside the {length} characters that are read")
    before, rest = _divided(path(manuscript), start)
    old, after = _divided(rest, end - start)
    if scene is None and beat is None and (near := (old or before[-1:] or after[:1])):
        scene, beat = near[0].scene, near[0].beat
    new = [Piece(_NEW, None, author, text, scene, beat)] if text else []
    parent, split = _known_part(before)
    if split or (old and old[0].id == _NEW) or (after and after[0].id == _NEW):
        # The old reading, divided at the same places, so that old and new stretch are each other's alternatives.
        divided = with_path(manuscript, parent, [*split, *old, *after])
        parent = path(divided)[len(before) - 1].id if before else None
        manuscript = replace(divided, steps=manuscript.steps, position=manuscript.position)
    if not new and not after:
        return go_to(manuscript, parent)
    return with_path(manuscript, parent, [*new, *after])


def inserted(
    manuscript: Manuscript, at: int, text: str, author: Author, scene: int | None = None, beat: int | None = None
) -> Manuscript:
    """`text` as a piece of its own at `at` (characters) of what is read; what follows stays behind it."""
    return replace_span(manuscript, at, at, text, author, scene, beat)


def edited_to(manuscript: Manuscript, text: str) -> Manuscript:
    """What is read becomes `text`, as after an editor: only the stretch that differs is changed.

    Words put in between are the person's; words in place of the model's are `edited`. Unchanged where nothing differs.
    """
    old = text_of(manuscript)
    if old == text:
        return manuscript
    start = common_prefix(old, text)
    same_end = common_prefix(old[start:][::-1], text[start:][::-1])
    end, new = len(old) - same_end, text[start : len(text) - same_end]
    piece = piece_at(manuscript, start) if end > start else None
    author: Author = "edited" if piece and piece.author in ("model", "edited") else "person"
    return replace_span(manuscript, start, end, new, author if old else "prompt")


def _divided(pieces: list[Piece], at: int) -> tuple[list[Piece], list[Piece]]:
    """The pieces before and from `at` (characters) on; one that lies on both sides becomes two new ones."""
    for index, piece in enumerate(pieces):
        if at <= 0:
            return pieces[:index], pieces[index:]
        if at < len(piece.text):
            parts = replace(piece, id=_NEW, text=piece.text[:at]), replace(piece, id=_NEW, text=piece.text[at:])
            return [*pieces[:index], parts[0]], [parts[1], *pieces[index + 1 :]]
        at -= len(piece.text)
    return pieces, []


def _known_part(before: list[Piece]) -> tuple[int | None, list[Piece]]:
    """The last piece of `before` that is in the manuscript, and the new ones behind it."""
    known = [piece for piece in before if piece.id != _NEW]
    return (known[-1].id if known else None), before[len(known) :]
