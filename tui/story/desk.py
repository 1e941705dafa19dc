"""An open story with the words being typed into it: what is shown, and when it is saved. No screen in it."""

from __future__ import annotations

from fireside.prefix import common_prefix
from fireside.stories import manuscript as ms
from fireside.stories.manuscript import Manuscript
from fireside.stories.store import Story
from tui.story.written import Typing, Written, written


class Desk:
    """The story and the edit that keys are making in it.

    Keys are kept back until `save_now`, so that deleting a sentence is one edit and not a hundred; what was saved grows
    on in place until `settle`, so that a paragraph is one step of undo.
    """

    def __init__(self, story: Story) -> None:
        self.story = story
        self._typing: Typing | None = None
        self._unsaved = False
        self._settled = written(ms.path(story.manuscript))
        self.shown: Written = self._settled

    def type(self, start: int, end: int, words: str) -> None:
        """Put `words` in place of the characters from `start` to `end` of what is shown. Raises StorageError."""
        typing = self._typing
        if typing is None or not typing.takes(start, end):
            self.settle()
            typing = Typing(self.story.manuscript, start, end, words)
        else:
            typing = typing.with_change(self.shown.text, start, end, words)
        self._typing, self._unsaved = typing, True
        self.shown = typing.shown(self._settled)

    def save_now(self) -> None:
        """Save what was typed. Raises StorageError; then the words stay shown, and are saved by the next try."""
        if self._typing is None or not self._unsaved:
            return
        changed, typing = self._typing.applied(self.story.manuscript)
        self.story.save(changed)
        self._typing, self._unsaved = typing, False

    def settle(self) -> None:
        """Save what was typed; the next key begins a new step of undo. Raises StorageError."""
        self.save_now()
        if self._typing is not None:
            self._typing = None
            self.read()

    def read(self) -> None:
        """Show the story as it is saved."""
        self._settled = self.shown = written(ms.path(self.story.manuscript))

    def change(self, manuscript: Manuscript) -> tuple[int, int]:
        """Save another state of the manuscript and show it; the stretch of the new text that differs from the old.

        Raises StorageError.
        """
        old = self.shown.text
        self.story.save(manuscript)
        self._typing = None
        self.read()
        return difference(old, self.shown.text)


def difference(old: str, new: str) -> tuple[int, int]:
    """The stretch of `new` that differs from `old`, in characters."""
    start = common_prefix(old, new)
    most = min(len(old), len(new)) - start
    same = common_prefix(old[len(old) - most :][::-1], new[len(new) - most :][::-1]) if most else 0
    return start, len(new) - same
