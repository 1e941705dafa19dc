"""Plans a story with a model: chapters from the synopsis, scenes of a chapter, beats of a scene, one node again.

The form is held by a grammar, so that a small model gives a usable outline too: a title and one sentence each. Tried on
SmolLM2-135M-Instruct: asked for a numbered list, it wrote headings of other books ("Scene 2 (Mara's Lamp)"); asked for
titles with a sentence below, it kept to the people and the order of the synopsis.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from fireside.errors import FiresideError
from fireside.models.constraints import Gbnf
from fireside.models.sampling import Sampling
from fireside.models.types import ChatModel, Delta, Message, Request
from fireside.stories.asking import styled
from fireside.stories.outline import Kind, Node, Outline, add, ancestor, change, children
from fireside.stories.store import Story

SAMPLING = Sampling(temperature=0.6, top_k=60, top_p=0.95, min_p=0.05, repeat_penalty=1.1)
"""Between an answer's and prose's. Without DRY: an outline has to say again what the synopsis says, and a small model
that is kept from it invents other people."""

COUNTS: dict[Kind, int] = {"chapter": 3, "scene": 3, "beat": 4}
"""How many nodes are proposed where nothing else is said."""

_MOST = 40
_ITEM_TOKENS = 80
_SYSTEM = "You are a novelist who plans a story."
# Headings that say nothing; the engine goes back and takes other words.
_NO_TITLES = (
    "chapter", "scene", "act ", "part ", "section", "summary", "outline", "sentence", "title", "beginning",
    "introduction", "conclusion", "this is", "here is", "novel",
)  # fmt: skip
_NO_BEATS = ("scene", "chapter", "sentence", "paragraph", "novel", "the story", "this story", "a story")
# One sentence of plain telling: no dialogue, no lists, no labels.
_RULES = r"""title ::= first (" " word){1,4}
first ::= [A-ZÀ-Þ] [a-zß-ÿ'’-]{1,15}
word ::= [A-Za-zÀ-ÿ] [a-zß-ÿ'’-]{0,15}
sentence ::= [A-ZÀ-Þ] [^\n\r.:;"“”()#*_]{30,160} "."
"""


@dataclass(frozen=True)
class Proposed:
    """A node as the model proposes it: of a beat, `title` is the sentence that says what happens."""

    title: str
    summary: str = ""


async def propose(
    story: Story, model: ChatModel, kind: Kind, parent: int | None = None, count: int | None = None
) -> AsyncGenerator[Proposed, None]:
    """The chapters of the synopsis, the scenes of a chapter or the beats of a scene; each as it is written.

    parent: the chapter or scene. count: how many, 1 to 40. Nothing is saved: see `put`. Raises FiresideError (nothing
    to plan from), KeyError, ModelError.
    """
    number = min(_MOST, max(1, count or COUNTS[kind]))
    asked = _asked(story, kind, parent, number)
    async with aclosing(_items(story, model, asked, kind, number)) as items:
        async for item in items:
            yield item


async def propose_again(story: Story, model: ChatModel, node_id: int) -> Proposed | None:
    """Another title and summary for one node; None where the model wrote nothing. Raises as `propose`."""
    node = story.outline.nodes[node_id]
    siblings = children(story.outline, node.parent)
    others = "\n".join(_line(each) for each in siblings if each.id != node_id)
    asked = _asked(story, node.kind, node.parent, 1)
    if others:
        asked += f" It stands beside these, and is none of them:\n{others}"
    async with aclosing(_items(story, model, asked, node.kind, 1)) as items:
        return await anext(items, None)


def put(outline: Outline, kind: Kind, parent: int | None, proposed: list[Proposed]) -> Outline:
    """The proposals as nodes behind those that stand in `parent` already."""
    for each in proposed:
        outline, _ = add(outline, kind, each.title, each.summary, parent)
    return outline


def renewed(outline: Outline, node_id: int, proposed: Proposed) -> Outline:
    """The proposal in place of a node's title and summary; what stands in it stays."""
    return change(outline, node_id, title=proposed.title, summary=proposed.summary)


def _asked(story: Story, kind: Kind, parent: int | None, number: int) -> str:
    info, outline = story.info, story.outline
    about = info.synopsis.strip() or info.memory.strip()
    chapter, scene = ancestor(outline, parent, "chapter"), ancestor(outline, parent, "scene")
    if not about and not (chapter and chapter.summary):
        raise FiresideError("there is nothing to plan from", "write the story's synopsis first")
    parts = [f"Here is the synopsis of a novel:\n\n{about}" if about else ""]
    if info.synopsis.strip() and info.memory.strip():
        parts.append(info.memory.strip())
    if chapter is not None:
        parts.append(_listed("The chapters before:", outline, chapter))
        parts.append(f"Here is a chapter of it: {_line(chapter)}")
    if scene is not None:
        parts.append(_listed("The scenes before:", outline, scene))
        parts.append(f"Here is a scene of this chapter: {_line(scene)}")
    what = "a title for each, and one sentence on what happens in it."
    asked = {
        "chapter": f"Write the outline of this novel in {number} chapters: {what}",
        "scene": f"Write the outline of this chapter in {number} scenes: {what}",
        "beat": f"Write what happens in this scene, step by step, in {number} sentences in the present tense.",
    }
    return "\n\n".join([*(part for part in parts if part), asked[kind]])


def _listed(heading: str, outline: Outline, node: Node) -> str:
    """What stands before a node in the same place, "" where nothing does."""
    before = [_line(each) for each in children(outline, node.parent) if each.position < node.position]
    return "\n".join([heading, *before]) if before else ""


async def _items(story: Story, model: ChatModel, asked: str, kind: Kind, number: int) -> AsyncGenerator[Proposed, None]:
    info = await model.start()
    item = 'item ::= "- " sentence "\\n"' if kind == "beat" else 'item ::= "## " title "\\n" sentence "\\n\\n"'
    grammar = f"root ::= item{{{number}}}\n{item}\n{_RULES}"
    # A title that is there already is written again gladly.
    titles = tuple(node.title for node in story.outline.nodes.values() if node.kind != "beat" and len(node.title) > 3)
    banned = _NO_BEATS if kind == "beat" else (*_NO_TITLES, *titles[:_MOST])
    sampling = replace(SAMPLING, banned_phrases=banned)
    request = Request(
        (Message("system", _SYSTEM), Message("user", asked)),
        sampling,
        number * _ITEM_TOKENS,
        adapters=styled(story.info, info),
        constraint=Gbnf(grammar),
    )
    written, told = "", 0
    async with aclosing(model.generate(request)) as events:
        async for event in events:
            if not isinstance(event, Delta):
                continue
            written += event.text
            done = _read(written)
            # The last one may still grow.
            for each in done[told:-1]:
                yield each
            told = max(told, len(done) - 1)
    for each in _read(written)[told:]:
        yield each


def _read(written: str) -> list[Proposed]:
    """The items of a reply; a model on a server that knows no grammar may write lists otherwise."""
    found: list[Proposed] = []
    for line in (each.strip() for each in written.splitlines()):
        if line.startswith("#"):
            found.append(Proposed(line.lstrip("# ").strip("*: ")))
        elif line.startswith(("- ", "* ")):
            found.append(Proposed(line[2:].strip()))
        elif line and found and not found[-1].summary:
            found[-1] = replace(found[-1], summary=line)
    return [each for each in found if each.title]


def _line(node: Node) -> str:
    return f"{node.title}: {node.summary}" if node.title and node.summary else node.title or node.summary
