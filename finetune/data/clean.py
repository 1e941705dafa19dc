"""The cleaning steps: Unicode repair, white space, turns that answer each other, lengths, repetition, language."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from finetune.data.conversation import Conversation, all_messages, dropped, tagged, texts, with_texts
from fireside.models.types import Message
from fireside.text import for_terminal

# Zero-width space, word joiner and soft hyphen only cut words into odd tokens. The joiners (U+200C, U+200D) stay:
# Persian, Indic scripts and emoji are written with them.
_INVISIBLE = re.compile("[\u200b\u2060\u00ad]")
_LINE_ENDS = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{4,}")
_PLACEHOLDER = re.compile(r"\{\{\s*[\w.]+\s*\}\}|\[(?:YOUR|INSERT)[ _][A-Z ]+\]")

# Rae et al. 2021 (Gopher, arXiv:2112.11446), table A1: the largest share of a text's characters that may lie in its
# most frequent n-gram (n: share). Their rules are for web pages. Short answers rightly repeat a phrase a few times
# ("hours a week"): of 7,473 worked problems these shares alone dropped 303, and with _COUNT 8.
_MOST_FREQUENT = {2: 0.20, 3: 0.18, 4: 0.16}
_WORDS = 50
_COUNT = 8
# Half of the lines: code and worked problems have more copies in them than web pages.
_COPIED_LINES = 0.5
_LINES = 10
_MOST_ROUNDS = 8


def repair(rows: Iterable[Conversation]) -> Iterator[Conversation]:
    """Text that was decoded wrongly is put right (ftfy), NFC, no control and invisible characters, white space.

    Quotation marks, full-width characters and HTML stay as they are: they are meant.
    """
    for row in rows:
        yield row if row.dropped is not None else with_texts(row, repaired)


def repaired(text: str) -> str:
    """One text as `repair` leaves it; repaired again, it stays as it is."""
    for _ in range(_MOST_ROUNDS):
        before = text
        if not text.isascii():
            text = _ftfy(text)
        text = _INVISIBLE.sub("", for_terminal(text))
        text = _BLANK_LINES.sub("\n\n\n", _LINE_ENDS.sub("", text)).strip()
        if text == before:
            break  # what was garbled twice may look like text garbled once
    return text


def pair_turns(rows: Iterable[Conversation]) -> Iterator[Conversation]:
    """Turns that answer each other: no empty message, none twice from one side, none of the assistant's before the
    first question, none behind the last reply. A chat without a question or a reply is dropped.
    """
    for row in rows:
        yield row if row.dropped is not None else _paired(row)


def problem(row: Conversation) -> str | None:
    """Why a row cannot be trained on as it is, in a few words, or None. `pair_turns` mends or drops such rows."""
    if row.kind == "text":
        return None if row.text.strip() else "its text is empty"
    for number, message in enumerate(all_messages(row), start=1):
        if not message.content.strip() and not message.calls and message.role != "tool":
            return f"message {number} is empty"
    if row.kind != "preference" and not any(message.role == "assistant" for message in row.messages):
        return "no assistant message to learn from"
    if not any(message.role == "user" for message in row.messages):
        return "there is no question before the assistant's reply"
    first = next(message for message in row.messages if message.role != "system")
    if first.role == "assistant":
        return "the assistant speaks first, so there is no prompt"
    if row.kind != "preference" and row.messages[-1].role != "assistant":
        return "the last message is not the assistant's"
    if len(row.untrained) >= sum(message.role == "assistant" for message in row.messages) > 0:
        return "every reply is marked as not to be trained on"
    return None


def limit_lengths(rows: Iterable[Conversation], shortest: int = 1, longest: int = 200_000) -> Iterator[Conversation]:
    """Drops rows of which what is learnt is shorter than `shortest` characters, and conversations longer than
    `longest`. A long text is only split when it is rendered."""
    for row in rows:
        if row.dropped is None:
            whole = sum(map(len, texts(row)))
            learnt = sum(len(text) for text in learnt_texts(row)) + sum(len(m.calls) for m in all_messages(row))
            if whole > longest and row.kind != "text":
                row = dropped(row, f"too long ({whole} characters)")
            elif learnt < shortest:
                row = dropped(row, f"too short ({learnt} characters to learn)")
        yield row


def drop_repetition(rows: Iterable[Conversation]) -> Iterator[Conversation]:
    """Drops rows of which a text to be learnt says the same over and over: a model learns loops from those."""
    for row in rows:
        if row.dropped is None:
            reason = next(filter(None, map(repetition, learnt_texts(row))), None)
            row = dropped(row, f"repeats itself ({reason})") if reason else row
        yield row


def repetition(text: str) -> str | None:
    """What a text repeats too much, or None."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) >= _LINES:
        copies = len(lines) - len(set(lines))
        # Short lines such as "}" are copies in any code.
        characters = sum(map(len, lines))
        copied = characters - sum(map(len, set(lines)))
        if copies > _COPIED_LINES * len(lines) and copied > _COPIED_LINES * characters:
            return f"{copies} of {len(lines)} lines are copies"
    # The bars of a table are no words.
    words = [word for word in text.split() if len(word) > 1 or word.isalnum()]
    if len(words) < _WORDS:
        return None
    characters = sum(map(len, words))
    for size, share in _MOST_FREQUENT.items():
        gram, count = Counter(zip(*(words[start:] for start in range(size)), strict=False)).most_common(1)[0]
        if count >= _COUNT and count * sum(map(len, gram)) > share * characters:
            return f"{' '.join(gram)[:60]!r} {count} times"
    return None


def tag_languages(rows: Iterable[Conversation], keep: Collection[str] = ()) -> Iterator[Conversation]:
    """Tags each row with the languages of its questions and its answers ("language:de"), where they can be told.

    keep: ISO 639-1 codes; a row is dropped where neither side is in one of them. None keeps all. A row whose language
    cannot be told is kept, and so is a question in one language that is answered in another: translations are.
    """
    from finetune.data.language import language_of

    for row in rows:
        if row.dropped is None:
            sides = ("\n".join(learnt_texts(row)), "\n".join(m.content for m in row.messages if m.role == "user"))
            languages = [language for side in sides if side and (language := language_of(side))]
            row = tagged(row, *(f"language:{language}" for language in languages))
            if keep and languages and not set(languages) & set(keep):
                row = dropped(row, f"another language ({', '.join(dict.fromkeys(languages))})")
        yield row


def tag_placeholders(rows: Iterable[Conversation]) -> Iterator[Conversation]:
    """Tags rows in which a blank was never filled in, such as {{name}}: a model would learn to write it."""
    for row in rows:
        if row.dropped is None and any(_PLACEHOLDER.search(text) for text in learnt_texts(row)):
            row = tagged(row, "placeholder")
        yield row


def learnt_texts(row: Conversation) -> Iterator[str]:
    """The texts of a row that are trained on; of a preference pair, the better answer."""
    if row.text:
        yield row.text
    for index, message in enumerate(row.messages):
        if message.role == "assistant" and index not in row.untrained and row.kind != "preference":
            yield message.content
    for message in row.chosen:
        yield message.content


def _ftfy(text: str) -> str:
    from ftfy import TextFixerConfig, fix_text

    return fix_text(text, TextFixerConfig(unescape_html=False, uncurl_quotes=False, fix_character_width=False))


def _paired(row: Conversation) -> Conversation:
    if row.kind == "text":
        return row if row.text.strip() else dropped(row, "empty")
    messages: list[Message] = []
    untrained: set[int] = set()
    for index, message in enumerate(row.messages):
        if not message.content.strip() and not message.calls and message.role != "tool":
            continue
        if message.role == "assistant" and all(earlier.role == "system" for earlier in messages):
            continue
        previous = messages[-1] if messages else None
        # Two results are two answers, and calls belong to the message they stand in.
        if (
            previous is not None
            and previous.role == message.role != "tool"
            and not previous.calls
            and not message.calls
        ):
            messages[-1] = replace(previous, content=f"{previous.content}\n\n{message.content}")
        else:
            messages.append(message)
        if index in row.untrained:
            untrained.add(len(messages) - 1)
    while messages and row.kind != "preference" and messages[-1].role != "assistant":
        messages.pop()
    mended = replace(row, messages=tuple(messages), untrained=frozenset(untrained))
    mended = row if mended.messages == row.messages else tagged(mended, "turns mended")
    if not messages and row.kind != "preference":
        return dropped(row, "one-sided (no question with a reply)")
    reason = problem(mended)
    return dropped(row, f"one-sided ({reason})") if reason else mended
