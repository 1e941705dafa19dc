"""Personal data in rows, masked or the row dropped, and toxic language, tagged.

A masked value becomes its kind and a number, "[EMAIL_1]": the same value the same number throughout a row, so that a
conversation still makes sense, and nothing links it to another row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from finetune.data.conversation import Conversation, dropped, tagged, texts, with_texts
from finetune.data.safe_numbers import find_cards, find_emails, find_ibans, find_ips
from finetune.data.safe_phone import find_phones
from finetune.data.safe_secrets import find_secrets
from finetune.data.safe_toxic import find_toxic

PersonalKind = Literal["secret", "email", "iban", "card", "ip", "phone"]

ALL_KINDS: tuple[PersonalKind, ...] = get_args(PersonalKind)

_FINDERS: dict[PersonalKind, Callable[[str], Iterator[tuple[int, int]]]] = {
    "secret": find_secrets,
    "email": find_emails,
    "iban": find_ibans,
    "card": find_cards,
    "ip": find_ips,
    "phone": find_phones,
}
_PLACEHOLDER = re.compile(r"\[(SECRET|EMAIL|IBAN|CARD|IP|PHONE)_(\d{1,9})\]", re.ASCII)
_PASSES = 8


@dataclass(frozen=True)
class Found:
    """Personal data in a text: its kind and span, in characters."""

    kind: PersonalKind
    start: int
    end: int


def mask_personal(rows: Iterable[Conversation], kinds: Sequence[PersonalKind] = ALL_KINDS) -> Iterator[Conversation]:
    """The rows with personal data masked, and tagged with what it was ("personal:email")."""
    for row in rows:
        if row.dropped is not None:
            yield row
            continue
        seen = Placeholders.after(texts(row))
        masked = with_texts(row, partial(mask, placeholders=seen, kinds=kinds))
        yield tagged(masked, *(f"personal:{kind}" for kind in kinds if kind in seen.kinds))


def drop_personal(rows: Iterable[Conversation], kinds: Sequence[PersonalKind] = ALL_KINDS) -> Iterator[Conversation]:
    """The rows, those with personal data dropped."""
    for row in rows:
        present = {found.kind for text in texts(row) for found in find_personal(text, kinds)} if not row.dropped else ()
        named = [kind for kind in kinds if kind in present]
        if named:
            row = dropped(tagged(row, *(f"personal:{kind}" for kind in named)), f"personal data ({', '.join(named)})")
        yield row


def tag_toxic(rows: Iterable[Conversation]) -> Iterator[Conversation]:
    """The rows, those with toxic language tagged with what it is ("toxic:threat"): a person decides about them."""
    for row in rows:
        if row.dropped is None:
            row = tagged(row, *(f"toxic:{found.kind}" for text in texts(row) for found in find_toxic(text)))
        yield row


def find_personal(text: str, kinds: Sequence[PersonalKind] = ALL_KINDS) -> tuple[Found, ...]:
    """The personal data in a text, in order, none overlapping; what is masked already is not found again."""
    taken = bytearray(len(text))
    for match in _PLACEHOLDER.finditer(text):
        taken[match.start() : match.end()] = b"\1" * len(match[0])
    found = []
    for kind in ALL_KINDS:
        if kind in kinds:
            for start, end in _FINDERS[kind](text):
                if not any(taken[start:end]):
                    taken[start:end] = b"\1" * (end - start)
                    found.append(Found(kind, start, end))
    return tuple(sorted(found, key=lambda each: each.start))


class Placeholders:
    """Which value of a row has which placeholder."""

    def __init__(self) -> None:
        self.kinds: set[PersonalKind] = set()
        self._numbers: dict[tuple[PersonalKind, str], int] = {}
        self._used: dict[str, int] = {}

    @staticmethod
    def after(already: Iterable[str]) -> Placeholders:
        """Placeholders whose numbers follow those that stand in these texts."""
        new = Placeholders()
        for text in already:
            for match in _PLACEHOLDER.finditer(text):
                kind = match[1].lower()
                new._used[kind] = max(new._used.get(kind, 0), int(match[2]))
        return new

    def of(self, kind: PersonalKind, value: str) -> str:
        """The placeholder of a value; spacing, punctuation and case do not make another, but in a secret."""
        self.kinds.add(kind)
        key = (kind, value if kind == "secret" else re.sub(r"[\s()/\-]", "", value).casefold())
        if key not in self._numbers:
            self._used[kind] = self._numbers[key] = self._used.get(kind, 0) + 1
        return f"[{kind.upper()}_{self._numbers[key]}]"


def mask(text: str, placeholders: Placeholders, kinds: Sequence[PersonalKind] = ALL_KINDS) -> str:
    """The text with placeholders for personal data; one that has none comes back as it is.

    It is looked at again until nothing is found, since a masked value changes what stands before the next.
    """
    for _ in range(_PASSES):
        found = find_personal(text, kinds)
        if not found:
            break
        parts, at = [], 0
        for each in found:
            parts += [text[at : each.start], placeholders.of(each.kind, text[each.start : each.end])]
            at = each.end
        text = "".join([*parts, text[at:]])
    return text
