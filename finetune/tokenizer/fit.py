"""How well a vocabulary fits data: tokens per word by language, and the rows it fits worst."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from finetune.data.conversation import Conversation, texts
from finetune.data.dedup import words
from finetune.data.language import language_of
from fireside.text import for_terminal_line

UNKNOWN = "unknown"
"""The language of rows whose language cannot be told."""

# Of fewer words the share says more about chance than about the vocabulary.
_FEWEST_WORDS = 8
_SHOWN = 80


@dataclass(frozen=True)
class Fit:
    """Sums over rows of one language. words: as `finetune.data.dedup.words` counts them; in scripts without spaces each
    character is one."""

    rows: int = 0
    words: int = 0
    characters: int = 0
    tokens: int = 0

    @property
    def tokens_per_word(self) -> float:
        """Also called fertility; about 1.3 for English in a vocabulary made for it."""
        return self.tokens / self.words if self.words else 0.0

    @property
    def characters_per_token(self) -> float:
        """How much text a token holds."""
        return self.characters / self.tokens if self.tokens else 0.0

    def __add__(self, other: Fit) -> Fit:
        """Both together."""
        return Fit(
            self.rows + other.rows,
            self.words + other.words,
            self.characters + other.characters,
            self.tokens + other.tokens,
        )

    def as_json(self) -> dict[str, Any]:
        """Sums and ratios."""
        return asdict(self) | {
            "tokens_per_word": round(self.tokens_per_word, 4),
            "characters_per_token": round(self.characters_per_token, 4),
        }


@dataclass(frozen=True)
class RowFit:
    """One row. beginning: of its text, safe for a terminal."""

    where: str
    language: str
    fit: Fit
    beginning: str


@dataclass(frozen=True)
class Fits:
    """The whole: languages from the one with the most tokens to the least, and the worst rows, worst first."""

    total: Fit
    languages: dict[str, Fit]
    worst: tuple[RowFit, ...]

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "total": self.total.as_json(),
            "languages": {name: fit.as_json() for name, fit in self.languages.items()},
            "worst": [
                {"row": row.where, "language": row.language, "beginning": row.beginning} | row.fit.as_json()
                for row in self.worst
            ],
        }


def fits(rows: Iterable[Conversation], count: Callable[[str], int], worst: int = 5) -> Fits:
    """How the vocabulary fits the texts of the rows that are not dropped. count: the tokens of a text."""
    languages: dict[str, Fit] = {}
    each: list[RowFit] = []
    for row in rows:
        if row.dropped is not None:
            continue
        said = [text for text in texts(row) if text]
        fit = Fit(1, sum(len(words(t)) for t in said), sum(map(len, said)), sum(map(count, said)))
        language = language_of("\n".join(said)) or UNKNOWN
        languages[language] = languages.get(language, Fit()) + fit
        if fit.words >= _FEWEST_WORDS:
            each.append(RowFit(row.where, language, fit, for_terminal_line(" ".join(said)[: 2 * _SHOWN], _SHOWN)))
    each.sort(key=lambda row: -row.fit.tokens_per_word)
    ordered = dict(sorted(languages.items(), key=lambda item: -item[1].tokens))
    return Fits(sum(languages.values(), Fit()), ordered, tuple(each[:worst]))
