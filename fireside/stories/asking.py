"""What every request for prose of a story has in common: what the model is shown, its sampling, its style, its bans."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fireside.errors import FiresideError
from fireside.models.sampling import Sampling
from fireside.models.types import AdapterUse, ChatModel, Message, ModelInfo, Request
from fireside.stories import context, lore, summary
from fireside.stories.context import StoryContext, Told
from fireside.stories.info import StoryInfo
from fireside.stories.presets import preset
from fireside.stories.store import Story

PRESET = "lively"
"""Livelier than for answers: at the chat's temperature of 0.2 a small model repeats its own sentences within a page."""

SMALL_PRESET = "steady"
"""For a small model: at a temperature of 0.8 SmolLM2-135M loses who is who within a paragraph, at 0.5 it mostly does
not, and does what it is asked in more of the cases."""

SMALL_MODEL = 1_000_000_000
"""Weights below which a model is small."""

_MARGIN_TOKENS = 16  # the counts of parts, added up, can differ from the whole's by a few tokens
_LEAST_BUDGET = 64
_UNTOLD_CONTEXT = 4096  # tokens; for a model on a server that does not tell
_LORE_SHARE = 4  # lore takes at most a quarter of what the prompt may have
_SUMMARY_SHARE = 8


@dataclass(frozen=True)
class Asked:
    """A request, and what it shows the model."""

    request: Request
    shown: StoryContext


async def ask(
    story: Story,
    model: ChatModel,
    before: str,
    max_tokens: int,
    *,
    sampling: Sampling | None = None,
    adapters: tuple[AdapterUse, ...] = (),
    stop: tuple[str, ...] = (),
    task: str = "",
    begun: str = "",
) -> Asked:
    """The request for going on behind `before`, the story up to that place; nothing is written.

    sampling: None takes the story's preset, else what suits the model. adapters: none given, the story's style is used.
    stop: as in `Request`. task: what to write next, told behind the whole of `before`; the reply then begins with
    `begun`. Raises FiresideError (no room), AdapterError, ModelError.
    """
    info = await model.start()
    adapters = adapters or styled(story.info, info)
    sampling = sampling_of(story.info, info, sampling)
    budget = budget_for(info, max_tokens)
    if begun:
        budget -= await model.count_tokens(begun)
    shown = await _shown(story.info, model, before, task, budget)
    request = Request(
        shown.messages,
        sampling,
        max_tokens,
        adapters=adapters,
        reply_prefix=shown.reply_prefix + begun,
        stop=stop,
        keep=True,
    )
    return Asked(request, shown)


async def bring_up_to_date(story: Story, model: ChatModel, asked: Asked) -> bool:
    """Bring the summary up to what `asked` leaves out; whether it changed, so that it has to be asked anew.

    Raises ModelError, StorageError.
    """
    budget = budget_for(await model.start(), asked.request.max_tokens)
    return await summary.sum_up(story, model, asked.shown.left_out, budget, budget // _SUMMARY_SHARE)


def budget_for(info: ModelInfo, max_tokens: int) -> int:
    """Tokens that a prompt may have beside a reply of `max_tokens`. Raises FiresideError where there are none."""
    context_length = info.context_length or _UNTOLD_CONTEXT
    budget = context_length - max_tokens - _MARGIN_TOKENS
    if budget < _LEAST_BUDGET:
        raise FiresideError(
            f"a piece of {max_tokens} tokens does not fit into the model's context of {context_length}",
            "write fewer tokens at a time",
        )
    return budget


def plain_request(story: Story, info: ModelInfo, messages: tuple[Message, ...], max_tokens: int) -> Request:
    """A request in the story's style, with its sampling and bans, about something else than its end."""
    return Request(messages, sampling_of(story.info, info), max_tokens, adapters=styled(story.info, info))


def sampling_of(info: StoryInfo, model: ModelInfo, sampling: Sampling | None = None) -> Sampling:
    """The sampling of a story: what is given, else its preset's, else what suits the model; with the story's bans.

    Raises FiresideError for a preset that is not there.
    """
    if sampling is None:
        sampling = preset(info.preset).sampling if info.preset else _suiting(model)
    return replace(sampling, banned_phrases=(*sampling.banned_phrases, *info.bans)) if info.bans else sampling


def _suiting(model: ModelInfo) -> Sampling:
    """For a small model DRY too: it writes its own sentences again, and a repetition of names is let pass."""
    if not is_small(model):
        return preset(PRESET).sampling
    return replace(preset(SMALL_PRESET).sampling, dry_multiplier=0.8, dry_allowed_length=4, penalty_window=-1)


def is_small(model: ModelInfo) -> bool:
    """Whether a model is known to be small."""
    return 0 < model.parameters < SMALL_MODEL


def styled(info: StoryInfo, model: ModelInfo) -> tuple[AdapterUse, ...]:
    """The adapter that is the story's style. Raises AdapterError where it is missing or for another model."""
    if not info.style:
        return ()
    from fireside.models.adapters import resolve

    return (resolve(info.style, model.sha256, model.architecture),)


async def called_up(info: StoryInfo, model: ChatModel, before: str, budget: int, task: str = "") -> lore.Lore:
    """The lore that is shown for going on behind `before`, in a prompt of `budget` tokens. Raises ModelError."""
    return await lore.triggered(info.lore, f"{before}\n\n{task}", budget // _LORE_SHARE, model.count_tokens)


async def _shown(info: StoryInfo, model: ChatModel, before: str, task: str, budget: int) -> StoryContext:
    called = await called_up(info, model, before, budget, task)
    told = Told(
        memory=info.memory,
        constant="\n\n".join(each.text for each in called.constant),
        summary=info.summary,
        summary_until=info.summary_until,
        triggered="\n\n".join(each.text for each in called.triggered),
        note=info.note,
        depth=info.note_depth,
        strength=info.note_strength,
        task=task,
    )
    return await context.build(before, told, budget, model.count_tokens)
