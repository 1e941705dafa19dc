"""What the next prompt of a chat will be made of, before it is sent: its parts, their tokens, and what is cached."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import replace

from agents.context import fit, room_for
from agents.prompts import with_passages
from agents.reply import SMALL_MODEL
from agents.turn import Turn
from fireside.context_parts import Part, Upcoming
from fireside.models.types import ChatModel, Message, Request, ToolSpec
from rag.types import Passage


async def upcoming(
    turn: Turn,
    model: ChatModel,
    *,
    persona: str = "",
    passages: Sequence[Passage] = (),
    attached: Sequence[str] = (),
) -> Upcoming:
    """The prompt of `turn` as the loop would make it now.

    turn: its last message is what is being written, "" where nothing is yet. persona: whose words the system prompt
    is, "" for none. passages: those that a search of the library found for it. attached: texts that stand in messages
    and come from documents. A small model is shown neither tools nor passages (`agents.choose`, `agents.documents`).
    Raises ModelError, also where the last message alone does not fit.
    """
    info = await model.start()
    small = 0 < await model.parameters() < SMALL_MODEL
    question = turn.messages[-1].content
    kept, left_out = await fit(turn.messages if question else turn.messages[:-1], model, turn.max_tokens)
    specs = () if small else tuple(ToolSpec(tool.name, tool.description, tool.parameters) for tool in turn.tools)
    documents = _documents(passages) if question and not small else ""
    shown = with_passages(kept, documents) if documents else kept
    request = Request(shown, turn.sampling, turn.max_tokens, turn.adapters, tools=specs, keep=turn.keep)
    foreseen = await model.foresee(request)
    within = [text for text in attached if any(text in message.content for message in kept)]
    parts = _messages_as_parts([_without(message, within) for message in kept], bool(question), persona)
    if within:
        parts.insert(len(parts) - bool(question), Part("documents", _counted(within), "\n\n".join(within), 0))
    if documents:
        parts.insert(len(parts) - 1, Part("documents", f"{len(passages)} passages", documents, 0))
    parts = [replace(part, tokens=await model.count_tokens(part.text)) for part in parts]
    without_tools = await model.count_tokens(shown) if specs else foreseen.prompt_tokens
    parts = _filled(parts, without_tools)
    if specs:
        parts.insert(1, Part("tools", f"{len(specs)} tools", _described(specs), foreseen.prompt_tokens - without_tools))
    reply = info.context_length - await room_for(turn.max_tokens, model) if info.context_length else 0
    return Upcoming(tuple(parts), info.context_length, reply, foreseen.cached_tokens, left_out)


def _without(message: Message, texts: Sequence[str]) -> Message:
    """A message without the texts that it holds and that are told as a part of their own."""
    content = message.content
    for text in texts:
        content = content.replace(text, "")
    return replace(message, content=content.strip() if content != message.content else content)


def _counted(texts: Sequence[str]) -> str:
    return "1 attached text" if len(texts) == 1 else f"{len(texts)} attached texts"


def _documents(passages: Sequence[Passage]) -> str:
    """The passages as the model would be shown them, "" for none."""
    from rag.render import prompt_passages

    return prompt_passages(passages, secrets.token_hex(4)) if passages else ""


def _messages_as_parts(kept: Sequence[Message], asks: bool, persona: str) -> list[Part]:
    """System prompt, what was said, and what is being written (`asks`: the last message is); without their tokens."""
    system = [message for message in kept[:1] if message.role == "system"]
    said = kept[len(system) : len(kept) - asks]
    parts = [
        Part("persona" if persona else "system", persona or "system prompt", message.content, 0) for message in system
    ]
    if said:
        text = "\n\n".join(f"{message.role}: {message.content}" for message in said)
        parts.append(Part("history", f"{len(said)} messages", text, 0))
    if asks:
        parts.append(Part("question", "what is being written", kept[-1].content, 0))
    return parts


def _filled(parts: list[Part], total: int) -> list[Part]:
    """`parts` so that they add up to `total`: what the template puts around messages goes to the largest of them."""
    if not parts:
        return parts
    largest = max(range(len(parts)), key=lambda place: parts[place].tokens)
    rest = total - sum(part.tokens for part in parts)
    return [
        replace(part, tokens=max(0, part.tokens + rest)) if place == largest else part
        for place, part in enumerate(parts)
    ]


def _described(specs: Sequence[ToolSpec]) -> str:
    described = [{"name": each.name, "description": each.description, "parameters": each.parameters} for each in specs]
    return json.dumps(described, ensure_ascii=False, indent=1)
