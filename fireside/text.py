"""Makes untrusted text safe, once, at the door: for the terminal, and for a model's prompt.

Untrusted is everything the person did not type into Fireside's own code: model output, documents, tool
results, file names, pasted text, chat titles. Textual passes ESC and C1 bytes on to the terminal, so a
document could otherwise move the cursor, write the clipboard (OSC 52) or hide text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Whole escape sequences go first, so that their parameters do not stay behind as visible litter.
# CSI, then the string controls (OSC, DCS, SOS, PM, APC) up to BEL, ST or the end, then two-byte escapes:
# ECMA-48, sections 5.3 to 5.6 and 8.3.
_ESCAPE_SEQUENCES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)?"
    "|\x1b[ -/]*[0-~]"
)
_UNFINISHED = re.compile(
    "(?:(?:\x1b\\[|\x9b)[0-?]*[ -/]*"
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n\r\u2028\u2029]*\x1b?|\x1b[ -/]*|\r)\\Z"
)
_LONGEST_SEQUENCE = 4096
# What is left of C0 (but tab and newline), DEL and C1; bidirectional controls (UAX #9, "Trojan Source");
# tag characters and other invisible carriers of hidden text; line and paragraph separators.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\ufff9-\ufffb\ufeff\U000e0000-\U000e007f\ud800-\udfff]"
)
# Printable to Unicode, and yet nothing to see: variation selectors, fillers, joiners of graphemes.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_BREAKS = re.compile("\r\n?|\u2028|\u2029")


def for_terminal(text: str) -> str:
    """`text` without anything a terminal would act on or that hides what it says.

    Newlines (CR, CRLF and Unicode separators become LF) and tabs stay; everything printable stays.
    """
    text = _BREAKS.sub("\n", text)
    return _UNSAFE.sub("", _ESCAPE_SEQUENCES.sub("", text))


def visible(text: str) -> str:
    """`text` with everything that could not be seen written as an escape, newlines and tabs left: for what a person has
    to judge, where leaving something out would hide it."""
    return "".join(
        each if each in "\n\t" or (each.isprintable() and not _UNSEEN.match(each)) else _escaped(each) for each in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def for_terminal_line(text: str, limit: int = 200) -> str:
    """`for_terminal` on one line: breaks and tabs become spaces, and at most `limit` characters are kept."""
    line = " ".join(for_terminal(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


class TerminalStream:
    """`for_terminal` for text that arrives in pieces: an escape sequence cut between two pieces is still removed.

    Feed pieces to `push`, and call `close` at the end; each returns the text that is safe to show by then.
    """

    def __init__(self) -> None:
        self._held = ""

    def push(self, piece: str) -> str:
        """Take a piece; return what can be shown. The beginning of a sequence, or a CR, at the end is held back."""
        text = self._held + piece
        unfinished = _UNFINISHED.search(text)
        # A string control that never ends must not hold a whole reply back.
        if unfinished is None or len(text) - unfinished.start() > _LONGEST_SEQUENCE:
            self._held = ""
            return for_terminal(text)
        self._held = unfinished.group()
        return for_terminal(text[: unfinished.start()])

    def close(self) -> str:
        """The rest, once no more pieces come."""
        rest, self._held = self._held, ""
        return for_terminal(rest)


def for_prompt(text: str, special_tokens: Iterable[str]) -> str:
    """`text` in which none of the model's special tokens can be recognised.

    A word joiner (U+2060) goes behind the first character of each occurrence, of overlapping ones too: it reads the
    same to a person, and the tokenizer sees plain characters. Without this, a document could end the person's turn and
    speak as the system.
    """
    tokens = [re.escape(token) for token in special_tokens if token]
    if not tokens:
        return text
    return re.sub(f"(?=(?:{'|'.join(tokens)}))(.)", "\\1\u2060", text, flags=re.DOTALL)
