"""Measures what documents are cited for, which sentences are quoted without a model, and how fast a library is made.

    python benchmarks/documents.py --data RETRIEVAL_FOLDER [--row NAME]

What is found and what is refused stands in `retrieval.py` and `refusal.py`. The folder holds `chunking_eval/`
(brandonstarxel/chunking_evaluation), `xquad_en/` (XQuAD, English) and `scifact/` (with `evidence_train.jsonl`).
Everything is built in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fireside.encoder import bundled_encoder
from rag import ingest
from rag.cite import cite, extract
from rag.library import Library
from rag.types import Passage

CHUNK_TOKENS = 200


def built(work: Path, name: str, given: Sequence[Path]) -> Library:
    """A library of these files, made at the first call."""
    folder = work / "libraries" / name
    fresh = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    library = Library(folder)
    if fresh:
        ingest.add(library, given, CHUNK_TOKENS)
    return library


def mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def xquad(work: Path, data: Path) -> Library:
    """A library of encyclopedia articles."""
    articles = json.loads((data / "xquad_en" / "xquad.en.dev.json").read_text("utf-8"))["data"]
    files = []
    for number, article in enumerate(articles):
        file = work / "xquad" / f"{number}.md"
        file.parent.mkdir(exist_ok=True)
        paragraphs = [paragraph["context"] for paragraph in article["paragraphs"]]
        file.write_text(f"# {article.get('title', 'article')}\n\n" + "\n\n".join(paragraphs), "utf-8")
        files.append(file)
    return built(work, "xquad", files)


def citations(work: Path, data: Path) -> bool:
    print("sentences cited as supported, by what they are")
    folder = data / "scifact"
    rows = map(json.loads, (folder / "abstract_sentences.jsonl").read_text("utf-8").splitlines())
    abstracts = {item["_id"]: item["sentences"] for item in rows}
    rows = map(json.loads, (folder / "beir" / "queries.jsonl").read_text("utf-8").splitlines())
    claims = {item["_id"]: item["text"] for item in rows}
    items = [json.loads(line) for line in (folder / "evidence_train.jsonl").read_text("utf-8").splitlines()]
    encoder = bundled_encoder()
    outcomes: dict[str, list[bool]] = {}
    drawn = random.Random(0)

    def tried(kind: str, claim: str, sentences: Sequence[str]) -> None:
        text = " ".join(sentence.strip() for sentence in sentences)
        passage = Passage("a.md", "a", 0, len(text), text, None, (), 1.0, 1.0, 1.0)
        outcomes.setdefault(kind, []).append(any(each.verified for each in cite(claim, [passage], encoder).citations))

    for item in drawn.sample(items, 300):
        claim, sentences = claims[item["claim_id"]], abstracts[item["doc_id"]]
        tried(f"claims the abstract {item['label'].lower()}s", claim, sentences)
        verbatim = sentences[item["sentence_idx"][0]].strip()
        tried("sentences of the abstract", verbatim, sentences)
        changed = verbatim.translate(str.maketrans("0123456789", "1234567890"))
        if changed != verbatim:
            tried("the same with other numbers", changed, sentences)
        tried("claims about another abstract", claim, abstracts[drawn.choice(sorted(abstracts))])
    for kind, results in outcomes.items():
        print(f"  {kind}: {mean(results):.3f} of {len(results)}")
    return True


def answers(work: Path, data: Path) -> bool:
    print("questions whose answer is in the one or two sentences quoted without a model")
    library = xquad(work, data)
    articles = json.loads((data / "xquad_en" / "xquad.en.dev.json").read_text("utf-8"))["data"]
    items = [item for article in articles for paragraph in article["paragraphs"] for item in paragraph["qas"]]
    quoted, retrieved = [], []
    for item in random.Random(1).sample(items, 200):
        passages = library.search(item["question"], 4)
        answer = item["answers"][0]["text"]
        retrieved.append(any(answer in passage.text for passage in passages))
        quoted.append(
            any(answer in each.quote for each in extract(item["question"], passages, library.encoder).citations)
        )
    print(f"  xquad: quoted {mean(quoted):.3f}, in the 4 passages {mean(retrieved):.3f} ({len(quoted)} questions)")
    return True


def speed(work: Path, data: Path) -> bool:
    folder = work / "libraries" / "speed"
    folder.mkdir(parents=True)
    library = Library(folder)
    library.encoder.encode(["loaded"])
    began = time.perf_counter()
    report = ingest.add(library, [data / "chunking_eval" / "corpora"], CHUNK_TOKENS)
    seconds = time.perf_counter() - began
    print(f"ingest: {report.chunks} chunks in {seconds:.1f} s, {report.chunks / seconds:.1f} chunks/s")
    began = time.perf_counter()
    ingest.add(library, [data / "chunking_eval" / "corpora"], CHUNK_TOKENS)
    print(f"the same files again, unchanged: {time.perf_counter() - began:.3f} s")
    began = time.perf_counter()
    library.rebuild()
    print(f"index made anew from the record: {time.perf_counter() - began:.2f} s")
    library.close()
    program = (
        "import sys, time; began = time.perf_counter(); from pathlib import Path; from rag.library import Library\n"
        "library = Library(Path(sys.argv[1])); library.search('junk fees', 5); first = time.perf_counter()\n"
        "library.search('price gouging', 5); print(first - began, time.perf_counter() - first)"
    )
    times = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
        times.append(tuple(map(float, done.stdout.split())))
    first, second = min(times)
    print(
        f"first query in a fresh process, imports and loading included: {first:.2f} s; the next: {second * 1000:.0f} ms"
    )
    return True


ROWS: dict[str, Callable[[Path, Path], bool]] = {
    "citations": citations,
    "answers": answers,
    "speed": speed,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the retrieval sets")
    parser.add_argument("--row", choices=ROWS, help="run this row only")
    options = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as work:
        for name in [options.row] if options.row else ROWS:
            good &= ROWS[name](Path(work), options.data)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
