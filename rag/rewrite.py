"""Makes a follow-up question searchable: what it leaves to the conversation ("Why did he leave?") is put into words.

Whether a question needs that is told from its words, without a model. What is added are the content words of the
question before it; a model that can be trusted to write words it anew, and what it writes is checked.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag.words import STOPWORDS, content_stems, content_words

Write = Callable[[str, str], Awaitable[str]]
"""Writes what is asked for (first) about a text (second) with a chat model."""

LOOKED_BACK = 6
"""Exchanges of the conversation, the last ones, that a question may lean on."""

_TASK = (
    "The text is a conversation. Write its last question anew, as one complete question that can be understood without "
    "the conversation: put the names it means in place of words such as he, it or that. Use words of the conversation. "
    "Do not answer it. Write the question alone, on one line."
)
_LONGEST = 300
# The beginning of an answer tells what it was about.
_ANSWER_SHOWN = 400
# Chosen on dialogues over XQuAD, seen to hold on FairytaleQA (`benchmarks/followups.py`).
_LEADS_AWAY = 0.5
# Of follow-ups that lean, 94 % and 92 % are nearer to the threshold than this; of questions about something else that
# would, after one that is answered, 7 % and 14 % (the same benchmark).
_SHORT_OF = 1.0
# More words than these say less of what a question was about.
_MOST_CARRIED = 12


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_OPENING = re.compile(
    r"\s*(?:(?:and|but|or|so|also|then|what about|how about|what of|what else|who else|where else|tell me more|go on"
    r"|anything else)\b|more\W*$|(?:how|why) (?:so|not|come)\b)",
    re.IGNORECASE,
)
_PERSONAL = _set("he him she her hers it they them theirs")
_POSSESSIVE = _set("his her its their himself herself itself themselves")
_DEMONSTRATIVE = _set("this these those")
_DOCUMENTS = _set("document documents file files text texts page pages book books library report reports")
_BEFORE_NOUN = _set("the a an my our your any each every all some no both many few several which")
_BE = _set("is are was were be")
_AUXILIARY = _set("do does did can could will would has have had shall should may might must")
# A pronoun cannot mean a noun of its own clause (principle B of binding: Chomsky 1981); these begin a new one.
_CLAUSE = _set(
    "when while after before because if as since until although though that which who whom whose where and but or so "
    "than once"
)
_PREPOSITIONS = _set("in of at to for about from by on with during after before under")
_EXPLETIVE = re.compile(
    r"\bit (?:takes?|costs?|means?|possible|true|necessary|important|hard|easy|legal|said|known|believed|thought)\b"
    r"[^?]*\b(?:to|that|for)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\w+(?:['’.&-]\w+)*")


@dataclass(frozen=True)
class Exchange:
    """A question of the person and the reply to it."""

    question: str
    answer: str


def needs_context(question: str) -> bool:
    """Whether a question cannot be searched for alone: it opens as a continuation ("And in 2020?"), has no word of
    its own to look for ("Why?"), or points at something it does not name ("When did it open?")."""
    if _OPENING.match(question) or not has_own_words(question):
        return True
    words = _NAMED.findall(_EXPLETIVE.sub("", question))
    return any(_points_back(words, place) for place in range(len(words)))


def has_own_words(question: str) -> bool:
    """Whether the question says anything that a passage could hold: "Why?" and "And then?" do not."""
    return any(not word.isdigit() for word in content_words(question))


def carried(question: str, earlier: Sequence[Exchange]) -> str:
    """The question with the content words of the one before it in front, where that has any it lacks.

    A question before that was a follow-up itself counts with what it leant on.
    """
    topic = ""
    for exchange in earlier[-LOOKED_BACK:]:
        topic = _joined(topic, exchange.question) if topic and needs_context(exchange.question) else exchange.question
    return _joined(topic, question)


async def written(question: str, earlier: Sequence[Exchange], write: Write) -> str:
    """The question as a model words it anew in one short reply, or as `carried` does where that reply is of no use.

    It is of use where it is one line of at most 300 characters, keeps a content word of the question, and has no
    content word that the conversation has not.
    """
    exchanges = earlier[-LOOKED_BACK:]
    lines = [
        line for each in exchanges for line in (f"Question: {each.question}", f"Answer: {_beginning(each.answer)}")
    ]
    text = "\n".join([*lines, f"Last question: {question}"])
    reply = (await write(_TASK, text)).strip().removeprefix("Question:").strip().strip('"')
    known = set(content_stems(text))
    said, own = set(content_stems(reply)), set(content_stems(question))
    if not said or said - known or len(reply) > _LONGEST or "\n" in reply or (own and not own & said):
        return carried(question, earlier)
    return reply


def leans(rewritten: float, alone: float, crossed: float | None, threshold: float) -> bool:
    """Whether what the rewritten question finds is to answer, and not what the question finds alone.

    By the log-odds that passages answer a question (`relevance.answering`), which they do from `threshold` on.
    rewritten, alone: of either question and what it finds. crossed: of the question alone and what the rewritten one
    finds; None where it has no word of its own. The words that were added find what they are about, whatever is asked:
    what answers has to have something of the question itself. Where they lead away from what it says, the subject has
    changed.
    """
    if crossed is not None and crossed < threshold - _SHORT_OF:
        return False
    return rewritten >= threshold and (alone < threshold or crossed is None or alone <= crossed + _LEADS_AWAY)


def _points_back(words: Sequence[str], place: int) -> bool:
    """Whether the word there stands for something that the question has not named before it."""
    lower = [word.lower() for word in words]
    word, before, after = lower[place], lower[:place], lower[place + 1 :]
    if word in _DEMONSTRATIVE:
        # "those who", "those of": what is meant comes behind.
        return not after or after[0] not in (_DOCUMENTS if word != "those" else STOPWORDS)
    if word == "that":
        return not after or (bool(before) and before[-1] in _PREPOSITIONS | _BE and after[0] not in STOPWORDS)
    if word == "there":
        return not after and not _BE.intersection(before[-1:])
    if word in _POSSESSIVE and (word != "her" or (after and after[0] not in STOPWORDS)):
        return not _has_subject(words[:place])
    if word in _PERSONAL:
        # The clause the pronoun stands in begins at the last of these words.
        begin = max((at for at, each in enumerate(before) if each in _CLAUSE and at > 0), default=0)
        return not _names_something(words[:begin])
    return False


def _names_something(words: Sequence[str]) -> bool:
    """Whether these words name what a pronoun behind them may mean: a proper name, or a noun with its article."""
    if any(word[0].isupper() and word.lower() not in STOPWORDS for word in words[1:]):
        return True
    return any(first.lower() in _BEFORE_NOUN and second.lower() not in STOPWORDS for first, second in pairwise(words))


def _has_subject(words: Sequence[str]) -> bool:
    """Whether these words hold what "its" behind them may go back to: a name, or a noun that does something."""
    if any(word[0].isupper() and word.lower() not in STOPWORDS for word in words[1:]):
        return True
    lower = [word.lower() for word in words]
    # "What is the ...": the noun is what is asked for. "Why is the ...": it is the subject.
    subject_after = _AUXILIARY if lower[:1] in (["what"], ["who"], ["which"]) else _AUXILIARY | _BE
    return any(verb in subject_after and article in _BEFORE_NOUN for verb, article in pairwise(lower))


def _joined(topic: str, question: str) -> str:
    """The content words of `topic` that the question lacks, in order, before the question."""
    there = set(content_stems(question))
    kept: list[str] = []
    for word in _NAMED.findall(topic):
        stems = content_stems(word)
        if stems and not there.issuperset(stems):
            kept.append(word)
            there.update(stems)
    return f"{' '.join(kept[:_MOST_CARRIED])}: {question.strip()}" if kept else question


def _beginning(text: str) -> str:
    return " ".join(text.split())[:_ANSWER_SHOWN]
