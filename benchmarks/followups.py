"""Measures whether a follow-up question finds what the whole question it stands for finds, with and without rewriting.

    python benchmarks/followups.py --data RETRIEVAL_FOLDER [--row NAME] [--keep FOLDER]

The folder holds `xquad_en/` (XQuAD, English) and `fairytaleqa/` (BEIR layout). Dialogues are made of two questions that
follow each other about one paragraph or story and share a name or a noun with its article: in the second a pronoun
takes its place, the one of he, she and it that the text uses most, "they" for a plural, in the form its place asks for.
Beside them stand the questions as they were, none of which should be rewritten, and how much is lost where one is.
A turn searches for the question rewritten and as it stands, and takes one (`rag.rewrite.leans`). The follow-ups of the
other corpus, asked after a question of this one, should be refused. Exits 1 where what a turn takes regains less than
half of what the pronoun lost, or where it takes more than a tenth of these for answered.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from rag import ingest, testsets
from rag.encoded import EncodedOnce
from rag.evaluate import DEPTH, mean, means, search_scores
from rag.library import Library
from rag.relevance import BUNDLED, answering
from rag.rewrite import Exchange, carried, has_own_words, leans, needs_context
from rag.testsets import Corpus, Question
from rag.types import Passage
from rag.words import STOPWORDS

CHUNK_TOKENS = 200
PASSAGES = 4
DIALOGUES = 100
"""Of each corpus, drawn by chance where it has more."""

UNRELATED = 3
"""Unrelated questions that each of these is asked after."""

LEAST_REGAINED = 0.5
"""Of the nDCG that the follow-up loses."""

MOST_STRAYED = 0.1
"""Of the follow-ups about something else, those that are taken for answered."""


@dataclass(frozen=True)
class Dialogue:
    """A question, the one after it as it was, and the same as a follow-up."""

    before: str
    whole: Question
    follow_up: str


@dataclass(frozen=True)
class Found:
    """What a query found, best first, and the log-odds that it answers the query."""

    passages: Sequence[Passage]
    odds: float


Texts = Sequence[tuple[str, Sequence[Question]]]
"""Each text, with the questions about it in order."""


_FORMS = {  # subject, object, possessive
    "it": ("it", "it", "its"),
    "he": ("he", "him", "his"),
    "she": ("she", "her", "her"),
    "they": ("they", "them", "their"),
}
_AUXILIARY_TEXT = "do does did is are was were can could will would has have had should may might must"
_AUXILIARY = frozenset(_AUXILIARY_TEXT.split())
_BEFORE_SUBJECT = frozenset(["that", "when", "because", "if", "why", "how", "while"])
_LONGEST = 6
_WORD = re.compile(r"\w+(?:['’-]\w+)*")


def shared_name(before: str, question: str) -> str | None:
    """The longest name, or noun with its article, of `question` that stands in `before`, too, in any case."""
    words = list(_WORD.finditer(question))
    there = " ".join(word.lower() for word in _WORD.findall(before))
    found = []
    for first in range(1, len(words)):
        for last in range(first, min(first + _LONGEST, len(words))):
            run = [word.group() for word in words[first : last + 1]]
            plain = " ".join(word.lower().removesuffix("'s").removesuffix("’s") for word in run)
            if (
                _is_phrase(run)
                and _is_whole(question, words, first, last)
                and re.search(rf"\b{re.escape(plain)}\b", there)
            ):
                found.append(question[words[first].start() : words[last].end()])
    return max(found, key=len, default=None)


def _is_phrase(run: Sequence[str]) -> bool:
    """Whether these words are a proper name, or an article and what is no function word."""
    inner = [word.lower() for word in run if word.lower() not in ("the", "of", "and", "a", "an")]
    if run[-1].lower() in STOPWORDS or STOPWORDS.intersection(inner):
        return False
    if run[0].lower() in ("the", "a", "an"):
        return len(run) > 1 and run[1].lower() not in STOPWORDS
    return run[0][0].isupper() and not any(word[0].islower() and word not in ("of", "the", "and") for word in run)


def _is_whole(question: str, words: Sequence[re.Match[str]], first: int, last: int) -> bool:
    """Whether what stands before and behind these words is no part of the same phrase."""
    before = [word.group().lower() for word in words[:first]]
    previous = before[-2] if before[-1] == "the" and len(before) > 1 else before[-1]
    if previous not in STOPWORDS or previous in ("and", "a", "an", "one"):
        return False
    if question[: words[first].start()].rstrip()[-1:] in ('"', "'", ",", "“"):
        return False
    if last + 1 == len(words) or question[words[last].end()] != " ":
        return True
    following = words[last + 1].group()
    if following.lower() in STOPWORDS:
        return following != "and"
    # "Tesla's work", "did Tesla live".
    return words[last].group().endswith("'s") or (previous in _AUXILIARY and following[0].islower())


def with_pronoun(question: str, name: str, context: str) -> str:
    """The question with a pronoun for the name, the one that `context` uses most of he, she, it and they."""
    uses = Counter(w.lower() for w in _WORD.findall(context))
    kind = (
        "they"
        if name.endswith("s") and not name.endswith(("ss", "us", "is", "'s"))
        else max(("it", "he", "she"), key=lambda each: sum(uses[form] for form in set(_FORMS[each])))
    )
    subject, object_, possessive = _FORMS[kind]
    bare = name.removesuffix("'s").removesuffix("’s")

    def form(match: re.Match[str]) -> str:
        if match.group(1):
            return possessive
        before = [word.lower() for word in _WORD.findall(question[: match.start()])]
        return subject if not before or before[-1] in _AUXILIARY | _BEFORE_SUBJECT else object_

    return re.sub(rf"(?:\b[Tt]he )?\b{re.escape(bare)}\b(['’]s?)?", form, question)


def xquad(data: Path, work: Path) -> tuple[Corpus, Texts]:
    """Encyclopedia articles, a paragraph a document."""
    files: dict[Path, str] = {}
    texts: list[tuple[str, list[Question]]] = []
    (work / "xquad").mkdir(parents=True, exist_ok=True)
    articles = json.loads((data / "xquad_en" / "xquad.en.dev.json").read_text("utf-8"))["data"]
    for number, article in enumerate(articles):
        for place, paragraph in enumerate(article["paragraphs"]):
            name = f"{number}-{place}"
            file = work / "xquad" / f"{name}.md"
            file.write_text(f"# {article['title'].replace('_', ' ')}\n\n{paragraph['context']}\n", "utf-8")
            files[file] = name
            asked = [Question(item["id"], item["question"].strip(), (), {name: 1.0}) for item in paragraph["qas"]]
            texts.append((paragraph["context"], asked))
    return Corpus("xquad", files, tuple(question for _, asked in texts for question in asked)), texts


def fairytaleqa(data: Path, work: Path) -> tuple[Corpus, Texts]:
    """The stories of the validation questions, a section a document."""
    (whole,) = testsets.read(data / "fairytaleqa" / "beir", work / "fairytaleqa", "val")
    asked: dict[str, list[Question]] = {}
    for question in whole.questions:
        asked.setdefault(next(iter(question.relevance)).split("#")[0], []).append(question)
    files = {file: name for file, name in whole.files.items() if name.split("#")[0] in asked}
    stories: dict[str, str] = {}
    for file, name in files.items():
        stories[name.split("#")[0]] = stories.get(name.split("#")[0], "") + file.read_text("utf-8")
    return Corpus("fairytaleqa", files, whole.questions), [(stories[name], each) for name, each in asked.items()]


def dialogues(texts: Texts) -> list[Dialogue]:
    """Every two questions in a row that share a name."""
    return [
        Dialogue(first.text, second, with_pronoun(second.text, name, text))
        for text, asked in texts
        for first, second in pairwise(asked)
        if first.text != second.text and (name := shared_name(first.text, second.text))
    ]


def drawn_of(texts: Texts) -> list[Dialogue]:
    """So many dialogues, the same every time."""
    every = dialogues(texts)
    return random.Random(0).sample(every, min(DIALOGUES, len(every)))


def row(name: str, data: Path, work: Path) -> bool:
    """Print one corpus's figures; whether what the program does regains enough."""
    began = time.perf_counter()
    corpus, texts = ROWS[name](data, work)
    foreign = [each.follow_up for other in ROWS if other != name for each in drawn_of(ROWS[other](data, work)[1])]
    names = {str(path.absolute()): name for path, name in corpus.files.items()}
    folder = work / "libraries" / corpus.name
    folder.mkdir(parents=True, exist_ok=True)
    drawn = drawn_of(texts)
    with closing(Library(folder)) as library:
        ingest.add(library, list(corpus.files), CHUNK_TOKENS)
        judge = EncodedOnce(library.judge)

        @cache
        def searched(query: str) -> Found:
            passages = library.search(query, 2 * DEPTH)
            return Found(passages, answering(query, passages[:PASSAGES], judge))

        def rewritten(query: str, before: str) -> Found:
            return searched(carried(query, [Exchange(before, "")]) if needs_context(query) else query)

        def chosen(query: str, before: str) -> Found:
            alone, leaning = searched(query), rewritten(query, before)
            crossed = answering(query, leaning.passages[:PASSAGES], judge) if has_own_words(query) else None
            return leaning if leans(leaning.odds, alone.odds, crossed, BUNDLED.threshold) else alone

        def told(label: str, asked: Sequence[tuple[Question, Found]]) -> float:
            """Print, after the label, and return the mean nDCG of what was found."""
            scores = means(search_scores(question, found.passages, names) for question, found in asked)[f"ndcg@{DEPTH}"]
            answered = mean(float(found.odds >= BUNDLED.threshold) for _, found in asked)
            print(f"  {label:<44}nDCG@{DEPTH} {scores:.3f}, taken for answered {answered:.3f}", flush=True)
            return scores

        known = mean(float(needs_context(each.follow_up)) for each in drawn)
        print(f"{corpus.name}: {len(drawn)} follow-ups, known for that {known:.3f}")
        whole = told("whole question", [(each.whole, searched(each.whole.text)) for each in drawn])
        raw = told("follow-up", [(each.whole, searched(each.follow_up)) for each in drawn])
        told("rewritten", [(each.whole, rewritten(each.follow_up, each.before)) for each in drawn])
        found = told("what a turn takes", [(each.whole, chosen(each.follow_up, each.before)) for each in drawn])
        pairs = [(first.text, second) for _, asked in texts for first, second in pairwise(asked)]
        wrong = [pair for pair in pairs if needs_context(pair[1].text)]
        print(f"  questions as they were, {len(pairs)}: taken for a follow-up {len(wrong) / len(pairs):.3f}; of these")
        wrong = random.Random(1).sample(wrong, min(DIALOGUES // 3, len(wrong)))
        told("  left as they are", [(second, searched(second.text)) for _, second in wrong])
        told("  rewritten", [(second, rewritten(second.text, before)) for before, second in wrong])
        told("  what a turn takes", [(second, chosen(second.text, before)) for before, second in wrong])
        others = [random.Random(number).choice(pairs)[0] for number in range(len(wrong) * UNRELATED)]
        changed = [(second, other) for (_, second), other in zip(wrong * UNRELATED, others, strict=True)]
        told(
            "  rewritten after an unrelated question", [(each, rewritten(each.text, other)) for each, other in changed]
        )
        told("  what a turn takes after that", [(each, chosen(each.text, other)) for each, other in changed])
        strayed = [chosen(each, random.Random(number).choice(drawn).before) for number, each in enumerate(foreign)]
        strays = mean(float(each.odds >= BUNDLED.threshold) for each in strayed)
    regained = (found - raw) / (whole - raw) if whole > raw else 1.0
    good = regained >= LEAST_REGAINED and strays <= MOST_STRAYED
    print(f"  follow-ups about something else, {len(foreign)}: taken for answered {strays:.3f}, at most {MOST_STRAYED}")
    print(
        f"  {'reached' if good else 'MISSED '} regained: {regained:.2f}, at least {LEAST_REGAINED} "
        f"({time.perf_counter() - began:.0f} s)"
    )
    return good


ROWS: dict[str, Callable[[Path, Path], tuple[Corpus, Texts]]] = {"xquad": xquad, "fairytaleqa": fairytaleqa}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the retrieval sets")
    parser.add_argument("--row", choices=ROWS, help="run this row only")
    parser.add_argument("--keep", type=Path, help="build the libraries here, and use those that are there")
    options = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        for name in [options.row] if options.row else ROWS:
            good &= row(name, options.data, options.keep or Path(temporary))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
