"""Which sequence of the KV cache a prompt goes to, so that as little as possible is computed again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fireside.models.gguf.context import AdapterSet, Context
from fireside.models.gguf.states import StateFiles
from fireside.prefix import common_prefix

_WORTH_SHARING = 16  # tokens; sharing fewer is not worth a sequence's bookkeeping
_WORTH_COPYING = 64  # tokens; computing fewer is as quick as copying a whole stream
_WORTH_READING = 32  # tokens; computing fewer is as quick as reading them from disk


@dataclass
class Slot:
    """One sequence: the tokens whose keys and values it holds, and the adapters they were computed with.

    prompt: how many of them were the last prompt's; what follows is its reply.
    keep: it holds a conversation that may be written to disk. saved: how many of its tokens are on disk already.
    """

    sequence: int
    tokens: list[int] = field(default_factory=list)
    adapters: AdapterSet = ()
    prompt: int = 0
    busy: bool = False
    used: int = 0
    keep: bool = False
    saved: int = 0


class Slots:
    """The sequences of one context. A slot is taken for a reply and given back with what it then holds."""

    def __init__(self, context: Context, files: StateFiles | None, *, can_rewind: bool) -> None:
        self._context, self._files, self._can_rewind = context, files, can_rewind
        self._slots = [Slot(sequence) for sequence in range(context.sequences)]
        self._clock = 0

    def take(self, tokens: Sequence[int], adapters: AdapterSet, *, fresh: bool = False) -> Slot:
        """A slot for a prompt, holding as much of its beginning as is known, at least one token short of it.

        Keys and values depend on the adapters, so only slots computed with the same ones help. fresh: begin with an
        empty one.
        """
        wanted = list(tokens[:-1])
        free = [slot for slot in self._slots if not slot.busy]
        oldest = min(free, key=lambda slot: (bool(slot.tokens), slot.used))
        shared = {
            slot.sequence: common_prefix(slot.tokens, wanted)
            for slot in self._slots
            if slot.tokens and slot.adapters == adapters and not fresh
        }
        best = max(self._slots, key=lambda slot: (shared.get(slot.sequence, 0), not slot.busy))
        length = shared.get(best.sequence, 0)
        # A conversation that goes on keeps its slot, and a prompt asked again takes the place of its last reply; a mere
        # common beginning (the system prompt) is copied, and what else the slot holds stays.
        again = length >= max(best.prompt, _WORTH_SHARING) or 2 * length >= len(best.tokens)
        if not best.busy and length and (again or best is oldest):
            taken = best
            self.save(taken)
            self._cut(taken, length)
        else:
            taken = oldest
            self.save(taken)
            self.empty(taken)
            worth = _WORTH_SHARING if self._context.unified else _WORTH_COPYING
            if length >= worth and (self._can_rewind or length == len(best.tokens)):
                self._context.copy(best.sequence, taken.sequence, length)
                taken.tokens = best.tokens[:length]
        if self._files is not None and not fresh and len(wanted) - len(taken.tokens) >= _WORTH_READING:
            self._restore(self._files, taken, wanted, adapters)
        taken.adapters, taken.prompt, taken.busy = adapters, len(wanted), True
        self._touch(taken)
        return taken

    def known(self, tokens: Sequence[int], adapters: AdapterSet) -> int:
        """How many tokens at the beginning of a prompt need not be computed, if `take` were asked for it now."""
        wanted = list(tokens[:-1])
        known = 0
        for slot in self._slots:
            shared = common_prefix(slot.tokens, wanted) if slot.adapters == adapters else 0
            if self._can_rewind or shared == len(slot.tokens):
                known = max(known, shared)
        if self._files is not None:
            found = self._files.find(wanted, adapters, longer_than=known + _WORTH_READING, whole=not self._can_rewind)
            if found is not None:
                known = common_prefix(list(found.tokens), wanted)
        return known

    def give_back(self, slot: Slot) -> None:
        """The reply is over; what the slot holds serves the next one."""
        slot.busy = False
        self._touch(slot)

    def empty(self, slot: Slot) -> None:
        """Forget what `slot` holds."""
        self._context.cut(slot.sequence, 0)  # also where it lists none: a batch that failed may have left some
        slot.tokens, slot.keep, slot.saved = [], False, 0

    def make_room(self) -> bool:
        """Empty the slot that was not in use for longest; False where there is none to empty."""
        idle = [slot for slot in self._slots if slot.tokens and not slot.busy]
        if not idle:
            return False
        slot = min(idle, key=lambda each: each.used)
        self.save(slot)
        self.empty(slot)
        return True

    def save_all(self) -> None:
        """Write the conversations that are not on disk as they are now."""
        for slot in self._slots:
            if not slot.busy:
                self.save(slot)

    def save(self, slot: Slot) -> None:
        """Write the slot's state, if it is a conversation and has grown since."""
        if self._files is not None and self._files.forgotten():
            # Some conversation was deleted, and which slots hold parts of it is not known here.
            for each in self._slots:
                each.keep = False
        if self._files is not None and slot.keep and len(slot.tokens) - slot.saved >= _WORTH_READING:
            self._files.save(self._context, slot.sequence, slot.tokens, slot.adapters)
            slot.saved = len(slot.tokens)

    def _restore(self, files: StateFiles, slot: Slot, wanted: list[int], adapters: AdapterSet) -> None:
        """Put a state from disk into `slot` where it holds clearly more of the prompt."""
        found = files.find(wanted, adapters, longer_than=len(slot.tokens) + _WORTH_READING, whole=not self._can_rewind)
        if found is None or not files.intact(found):
            return
        self.empty(slot)
        while not self._context.load(slot.sequence, found.path, len(found.tokens)):
            if not self.make_room():
                if not any(each.busy for each in self._slots):
                    files.drop(found)  # it does not fit an empty cache either
                return
        files.touch(found)
        slot.tokens = list(found.tokens)
        slot.saved = len(slot.tokens)
        self._cut(slot, common_prefix(slot.tokens, wanted))

    def _cut(self, slot: Slot, length: int) -> None:
        if length < len(slot.tokens):
            slot.tokens = slot.tokens[:length] if self._context.cut(slot.sequence, length) else []
            slot.saved = min(slot.saved, len(slot.tokens))

    def _touch(self, slot: Slot) -> None:
        self._clock += 1
        slot.used = self._clock
