"""`fireside eval`: scores of document search and of answers, on questions with known answers."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from fireside.errors import DocumentError, FiresideError
from tui.at_once import each_of
from tui.commands.actions import add_action
from tui.commands.evaluate_tools import add_keep, add_tools_action
from tui.commands.reranking import add_rerank, chosen_reranker
from tui.console import Progress, emit, note, say
from tui.libraries import encoder_of

if TYPE_CHECKING:
    from agents.events import TurnFinished
    from fireside.models.types import ChatModel
    from fireside.settings import DocumentSettings
    from rag.library import Library
    from rag.testsets import Corpus, Question

_DATA = """\
DATA is a folder in one of two layouts. BEIR: corpus.jsonl ({_id, title, text}), queries.jsonl ({_id, text}) and
qrels/*.tsv (query, document, grade). Spans: questions.jsonl ({corpus, question, references: [{start_index,
end_index}]}) and corpora/CORPUS.*. Questions without references, or with grades of 0 alone, have no answer: they
should be refused."""

Outcome = dict[str, Any]


def add_parser(subparsers: Any) -> None:
    """Add `eval` and its actions to the command line."""
    parser = subparsers.add_parser("eval", help="scores of document search and answers", description=__doc__)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    rag = add_action(actions, "rag", run, "score search, refusals and citations on questions with known answers")
    rag.epilog = _DATA
    rag.formatter_class = argparse.RawDescriptionHelpFormatter
    rag.add_argument("data", type=Path, metavar="DATA", help="the folder with the questions, see below")
    rag.add_argument("--library", metavar="NAME", help="search this library instead of a temporary one of the corpus")
    rag.add_argument("--split", metavar="NAME", help="judge by qrels/NAME.tsv alone")
    rag.add_argument("--limit", type=_count, metavar="N", help="the first N questions of each corpus")
    add_rerank(rag)
    rag.add_argument("--answers", action="store_true", help="also let the model answer, and check what it cites")
    rag.add_argument("--model", help="the model that answers: a name or path, or remote:NAME")
    rag.add_argument(
        "--at-once",
        type=_count,
        default=1,
        metavar="N",
        help="answer N questions together, sooner in all, each one later",
    )
    rag.add_argument(
        "--calibrate",
        action="store_true",
        help="with --library: fit its threshold for refusals on these questions, and keep it",
    )
    add_keep(rag)
    add_tools_action(actions)


def _count(text: str) -> int:
    if not text.isdecimal() or (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return number


def run(options: argparse.Namespace) -> int:
    """Score every corpus of the test set; 0 if all could be scored."""
    if options.calibrate and not options.library:
        raise FiresideError("only a library can be calibrated", "name it with --library")
    from fireside.evaluations import Evaluation, check_name, keep
    from rag import testsets

    check_name(options.keep)
    scores: dict[str, dict[str, float]] = {}
    items: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="fireside-eval-") as work:
        for corpus in testsets.read(options.data, Path(work) / "files", options.split):
            questions = corpus.questions[: options.limit]
            with closing(_library(options, corpus, Path(work))) as library:
                library.rerank = chosen_reranker(options)
                names = _names(library, corpus)
                if options.calibrate:
                    _calibrate(library, questions)
                outcomes = _searched(library, corpus.name, questions, names)
                if options.answers:
                    _answer(options, library, outcomes)
                scores[corpus.name] = _scores(outcomes)
            items += outcomes
    kept = Evaluation("rag", str(options.data), _model_name(options), scores, items)
    name = keep(kept, options.keep) if options.keep != "" else None
    if options.json:
        emit({"suite": "rag", "scores": scores, "items": items, "kept": name})
    else:
        _print_table(scores)
        if name:
            note(f"kept as {name}; /evals in the chat shows it beside others")
    return 0


def _model_name(options: argparse.Namespace) -> str:
    """The model that answers; of a search alone, there is none."""
    from fireside.settings import load

    return (options.model or load().model.name) if options.answers else ""


def _library(options: argparse.Namespace, corpus: Corpus, work: Path) -> Library:
    """The library named, or a temporary one of the corpus's documents."""
    from fireside import settings
    from rag import ingest
    from rag.library import Library, open_library

    documents = settings.load().documents
    encoder = encoder_of(documents)
    if options.library:
        return open_library(options.library, encoder=encoder)
    folder = work / "libraries" / str(len(list(work.glob("libraries/*"))))
    folder.mkdir(parents=True)
    library = Library(folder, encoder)
    progress = Progress(f"indexing {corpus.name}", "kB")
    try:
        report = ingest.add(
            library, list(corpus.files), documents.chunk_tokens, progress.update, overlap=documents.chunk_overlap
        )
    finally:
        progress.finish()
    for failure in report.failed[:5]:
        note(f"not indexed: {failure.reason}")
    return library


def _names(library: Library, corpus: Corpus) -> dict[str, str]:
    """The test set's name for each document, by path: known for its own files, else told by the file's name."""
    names = {str(path.absolute()): name for path, name in corpus.files.items()}
    wanted = set(corpus.files.values())
    for record in library.documents():
        path = PurePath(record.path)
        for name in (path.name, path.stem):
            if name in wanted:
                names.setdefault(record.path, name)
    if not any(record.path in names for record in library.documents()):
        raise DocumentError(
            f"the library {library.name!r} holds none of the documents that {corpus.name} asks about",
            "add them under their names in the test set, or leave --library out",
        )
    return names


def _searched(library: Library, corpus: str, questions: Sequence[Question], names: dict[str, str]) -> list[Outcome]:
    """What the search finds for each question, its scores, whether it would be refused, and how long it took."""
    from rag.evaluate import DEPTH, search_scores
    from rag.relevance import bears_on, calibration_of, passed_over

    calibration = calibration_of(library)
    if made_for := passed_over(library):
        note(f"{library.name}: its threshold for refusals is not used: it was fitted on another search ({made_for})")
    outcomes: list[Outcome] = []
    progress = Progress(f"asking {corpus}", "questions")
    try:
        for number, question in enumerate(questions, start=1):
            began = time.perf_counter()
            # A document may hold several of the best passages: more of them, for as many documents.
            passages = library.search(question.text, 2 * DEPTH)
            seconds = time.perf_counter() - began
            outcomes.append(
                {
                    "corpus": corpus,
                    "id": question.id,
                    "question": question.text,
                    "answerable": question.answerable,
                    "hits": [
                        {"document": names.get(each.document, each.document), "start": each.start, "end": each.end}
                        for each in passages[:DEPTH]
                    ],
                    "scores": search_scores(question, passages, names) if question.answerable else {},
                    "refused": not bears_on(question.text, passages, library.judge, calibration),
                    "search_s": seconds,
                }
            )
            progress.update(number, len(questions))
    finally:
        progress.finish()
    return outcomes


def _scores(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The figures of one corpus."""
    from rag.evaluate import mean, means, percentile, refusal_scores

    lacking = [not each["answerable"] for each in outcomes]
    refused = [each["refused"] for each in outcomes]
    found = {"questions": float(len(outcomes)), **means(each["scores"] for each in outcomes)}
    found["refused_answerable"] = mean(refusal for refusal, lacks in zip(refused, lacking, strict=True) if not lacks)
    if any(lacking):
        found["refusal_precision"], found["refusal_recall"] = refusal_scores(refused, lacking)
    seconds = [each["search_s"] for each in outcomes]
    found["search_p50_ms"], found["search_p95_ms"] = percentile(seconds, 0.5) * 1000, percentile(seconds, 0.95) * 1000
    answers = [each["answer"] for each in outcomes if "answer" in each]
    if answers:
        cited = [answer["citations"] for answer in answers if not answer["refused"]]
        found["answers_cited"] = mean(bool(each) for each in cited)
        found["citations_correct"] = mean(each["correct"] for citations in cited for each in citations)
        found["citations_verified"] = mean(each["verified"] for citations in cited for each in citations)
        found["answer_p50_s"] = percentile([answer["seconds"] for answer in answers], 0.5)
        found["answer_p95_s"] = percentile([answer["seconds"] for answer in answers], 0.95)
    return found


def _answer(options: argparse.Namespace, library: Library, outcomes: Sequence[Outcome]) -> None:
    """Let the model answer each question, and put what came of it under `answer`."""
    from fireside.settings import load
    from tui.models import open_for_evaluation

    settings = load()
    model = open_for_evaluation(settings, options.model, options.at_once)

    async def answer(outcome: Outcome) -> None:
        began = time.perf_counter()
        finished = await _turn(library, model, outcome["question"], settings.documents)
        outcome["answer"] = _checked(library, finished) | {"seconds": time.perf_counter() - began}
        outcome["refused"] = finished.refused

    async def answer_all() -> None:
        try:
            await each_of(outcomes, answer, options.at_once, Progress("answering", "questions"))
        finally:
            await model.close()

    asyncio.run(answer_all())


async def _turn(library: Library, model: ChatModel, question: str, documents: DocumentSettings) -> TurnFinished:
    """One turn over the library, repeatable. Raises FiresideError if it failed."""
    from agents.events import TurnFailed, TurnFinished
    from agents.loop import Turn, run_turn
    from fireside.models.sampling import GREEDY
    from fireside.models.types import Message

    turn = Turn(
        (Message("user", question),),
        replace(GREEDY),
        library=library,
        passages=documents.passages,
        expand_tokens=documents.expand_tokens,
    )
    async for event in run_turn(turn, model, _nobody):
        if isinstance(event, TurnFailed):
            raise FiresideError(event.message, event.hint)
        if isinstance(event, TurnFinished):
            return event
    raise FiresideError("the turn ended without an answer")


async def _nobody(_: object) -> Any:
    """No tool is offered, so that nobody is asked."""
    return "deny"


def _checked(library: Library, finished: TurnFinished) -> Outcome:
    """The answer, and of each citation whether its quote is what the document has there."""
    from rag.evaluate import citation_correctness

    texts = {each.document: library.document(each.document).text for each in finished.citations}
    return {
        "text": finished.text,
        "refused": finished.refused,
        "unsupported": list(finished.unsupported),
        "citations": [
            {
                "document": each.document,
                "start": each.start,
                "end": each.end,
                "quote": each.quote,
                "verified": each.verified,
                "correct": citation_correctness([each], texts) == 1,
            }
            for each in finished.citations
        ],
    }


def _calibrate(library: Library, questions: Sequence[Question]) -> None:
    """Fit the library's threshold on these questions, and keep it with the library."""
    from rag.relevance import LOOKED_AT, calibration_of, fitted_threshold, keep, log_odds, signs_of

    if all(question.answerable for question in questions):
        raise FiresideError(
            "the questions all have an answer, and a threshold needs some that have none",
            "add questions with empty references, or with grades of 0",
        )
    calibration = calibration_of(library)
    judged = [(each, library.search(each.text, LOOKED_AT)) for each in questions]
    signs = [(each, signs_of(each.text, found, library.judge)) for each, found in judged if found]
    threshold = fitted_threshold(
        [log_odds(each, calibration) for _, each in signs], [question.answerable for question, _ in signs]
    )
    keep(library, replace(calibration, threshold=threshold))
    note(f"{library.name}: questions are refused below {threshold:.2f} (log-odds) from now on")


def _print_table(scores: dict[str, dict[str, float]]) -> None:
    """One column a corpus, one line a score."""
    rows = list(dict.fromkeys(name for each in scores.values() for name in each))
    widths = [max(len(corpus), 8) for corpus in scores]
    first = max(map(len, rows))
    say("  ".join([" " * first, *(corpus.rjust(width) for corpus, width in zip(scores, widths, strict=True))]))
    for row in rows:
        cells = (_cell(row, each).rjust(width) for each, width in zip(scores.values(), widths, strict=True))
        say("  ".join([row.ljust(first), *cells]))


def _cell(name: str, scores: dict[str, float]) -> str:
    if name not in scores:
        return ""
    return f"{scores[name]:.0f}" if name == "questions" or name.endswith("_ms") else f"{scores[name]:.3f}"
