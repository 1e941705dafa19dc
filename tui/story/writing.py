"""How much the model writes, and lets it write so much: the aim may be changed while it writes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import get_args

from fireside.models.types import AdapterUse, ChatModel, Delta, Finished
from fireside.stories.prose import ends_sentence, word_count
from fireside.stories.store import Story
from fireside.stories.write import Until, continue_story

LENGTHS = (20, 40, 80, 150, 250, 400, 800)
"""Words to choose from."""

_STOPS: tuple[Until, ...] = get_args(Until)
_TOKENS_A_WORD = 1.5
_SENTENCE_TOKENS = 20  # room for the last sentence to end in


@dataclass(frozen=True)
class Aim:
    """words: about how many to write. until: where to stop; the words count for `length` alone."""

    words: int = 80
    until: Until = "length"

    @property
    def max_tokens(self) -> int:
        """Tokens that hold so many words."""
        return int(self.words * _TOKENS_A_WORD) + _SENTENCE_TOKENS

    def by(self, step: int) -> Aim:
        """The next or previous of `LENGTHS`; stopping at the length again where something else was chosen."""
        if self.until != "length":
            return replace(self, until="length")
        place = LENGTHS.index(self.words) + step
        return replace(self, words=LENGTHS[min(max(0, place), len(LENGTHS) - 1)])

    def next_stop(self) -> Aim:
        """The next place to stop at."""
        return replace(self, until=_STOPS[(_STOPS.index(self.until) + 1) % len(_STOPS)])


async def write_on(
    story: Story, model: ChatModel, aim: Callable[[], Aim], *, retry: bool, adapters: tuple[AdapterUse, ...]
) -> AsyncGenerator[Delta | Finished, None]:
    """`continue_story` towards `aim`, which is asked again and again: fewer words end it at the next sentence, more
    let it go on when it is done. Yields and raises as that does.
    """
    first = aim()
    if first.until != "length":
        most = None if first.until == "scene" else first.max_tokens
        events = continue_story(story, model, retry=retry, max_tokens=most, until=first.until, adapters=adapters)
        async with aclosing(events):
            async for event in events:
                yield event
        return
    written, planned = 0, first
    while True:
        part = replace(planned, words=planned.words - written)
        events = continue_story(story, model, retry=retry, max_tokens=part.max_tokens, adapters=adapters)
        came = ""
        ended = False
        async with aclosing(events):
            async for event in events:
                yield event
                if isinstance(event, Finished):
                    ended = event.reason != "length"
                    break
                came += event.text if isinstance(event, Delta) else ""
                if written + word_count(came) >= aim().words and _at_rest(came):
                    return
        written += word_count(came)
        # Only an aim that was raised meanwhile asks for more: a little less than wanted is enough.
        if ended or aim().words <= planned.words or written >= aim().words:
            return
        planned, retry = aim(), False


def _at_rest(words: str) -> bool:
    """Whether a sentence ends here, and whoever speaks in it has finished."""
    line = words.rpartition("\n")[2]
    return ends_sentence(words) and line.count('"') % 2 == 0 and line.count("“") <= line.count("”")
