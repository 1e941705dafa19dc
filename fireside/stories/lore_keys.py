"""Where a lore entry's key is in a text: plain words, or a regular expression between slashes, which cannot hang."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

REGEX_REACH = 20_000
"""Characters at the end of a text that regular expressions are looked for in."""

LONGEST_REGEX = 1_000

# RE2 takes time proportional to program size times text: these bound one call to seconds, whoever wrote the keys.
_REGEX_MEMORY = 1 << 16  # bytes; a pattern that needs more is refused
_REGEX_WORK = 400_000_000  # program instructions times characters, all keys together: about 4 s at worst

# The same form as in the programs that lorebooks come from; an unescaped slash in the middle is let pass.
_REGEX = re.compile(r"/(.+)/([a-z]*)", re.DOTALL)
_FLAGS = frozenset("dgimsuvy")
# What JavaScript writes otherwise than RE2.
_JAVASCRIPT = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|(.))|\[\^\]", re.DOTALL)
_SURROGATES = re.compile("[\ud800-\udfff]")


class Scanned:
    """A text made ready once for looking for many keys in it. `length` in characters."""

    def __init__(self, text: str) -> None:
        # A lone surrogate is no character: RE2 cannot be given one.
        self._text = _SURROGATES.sub("\ufffd", text)
        self.length = len(text)
        self._folded = self._text.casefold()
        self._regex_work = _REGEX_WORK
        self._origins: list[int] | None = None
        if len(self._folded) != len(self._text):
            self._origins = [index for index, each in enumerate(self._text) for _ in each.casefold()]
            self._origins.append(len(self._text))

    def find(self, key: str, start: int = 0, *, case: bool = False, whole_words: bool = True) -> tuple[int, int] | None:
        """The first place (start, end) of `key` at or after `start`, in characters; None where it is not.

        case: capital and small letters differ. whole_words: no letter or digit goes on before or behind it, but in
        scripts that set no spaces. A regular expression has its own flags, and looks at the last `REGEX_REACH`
        characters only; one that cannot be used is nowhere (`regex_problem` says why).
        """
        if is_regex(key):
            return self._find_regex(key, max(start, self.length - REGEX_REACH))
        if case or self._origins is None:
            wanted, within = (key, self._text) if case else (key.casefold(), self._folded)
            return _find_words(wanted, within, start, whole_words)
        found = _find_words(key.casefold(), self._folded, self._origins.index(start), whole_words)
        return None if found is None else (self._origins[found[0]], self._origins[found[1] - 1] + 1)

    def _find_regex(self, key: str, start: int) -> tuple[int, int] | None:
        pattern = _compiled(key)
        if isinstance(pattern, str):
            return None
        work = pattern.programsize * (self.length - start)
        if work > self._regex_work:
            return None
        self._regex_work -= work
        found = pattern.search(self._text[start:])
        if found is None or found.end() == found.start():
            return None
        return start + found.start(), start + found.end()


def is_regex(key: str) -> bool:
    """Whether `key` is written as a regular expression: `/pattern/flags`."""
    found = _REGEX.fullmatch(key)
    return found is not None and _FLAGS.issuperset(found[2])


def regex_problem(key: str) -> str:
    """Why the regular expression `key` cannot be used, in a few words; empty where it can."""
    pattern = _compiled(key)
    return pattern if isinstance(pattern, str) else ""


@lru_cache(maxsize=4096)
def _compiled(key: str) -> Any:
    """The compiled expression, or a str that says why it is none."""
    import re2  # linear in the text for every pattern; no lookaround and no backreferences therefore

    found = _REGEX.fullmatch(key)
    if found is None:
        return "it is not written as /pattern/flags"
    if len(key) > LONGEST_REGEX:
        return f"it is longer than {LONGEST_REGEX} characters"
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _REGEX_MEMORY
    options.case_sensitive = "i" not in found[2]
    options.dot_nl = "s" in found[2]
    pattern = _JAVASCRIPT.sub(_in_re2, _SURROGATES.sub("\ufffd", found[1]))
    try:
        return re2.compile(f"(?m){pattern}" if "m" in found[2] else pattern, options=options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        said = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        if said.startswith(("invalid perl operator: (?=", "invalid perl operator: (?!", "invalid perl operator: (?<")):
            return "it looks ahead or behind, which is not supported"
        if re.match(r"invalid escape sequence: \\[0-9k]", said):
            return "it refers back to a group, which is not supported"
        return said


def _in_re2(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    if code:
        return rf"\x{{{code}}}" if int(code, 16) not in range(0xD800, 0xE000) else "\ufffd"
    return found[0] if found[3] else r"[\s\S]"


def _find_words(key: str, text: str, start: int, whole_words: bool) -> tuple[int, int] | None:
    if not key:
        return None
    place = text.find(key, start)
    while place >= 0:
        end = place + len(key)
        if not whole_words or not (
            (place > 0 and _one_word(key[0], text[place - 1])) or (end < len(text) and _one_word(key[-1], text[end]))
        ):
            return place, end
        place = text.find(key, place + 1)
    return None


def _one_word(inside: str, outside: str) -> bool:
    """Whether the two, side by side, are part of one word. Scripts of wide characters set no spaces between words."""
    return _of_word(inside) and _of_word(outside) and unicodedata.east_asian_width(inside) not in "WF"


def _of_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")
