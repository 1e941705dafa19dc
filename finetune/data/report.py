"""What a step did to the data: rows kept, changed, dropped and tagged, and hashes of what went in and came out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from finetune.data.conversation import Conversation, content_sha256

Step: TypeAlias = Callable[[Iterable[Conversation]], Iterable[Conversation]]
"""A pure function over rows: for each row that goes in, one comes out, in the same order. A row that should not be
trained on comes out `dropped`, and one that was dropped before comes out as it went in."""

_NAMED = 5


@dataclass(frozen=True)
class StepReport:
    """What one step did.

    entered, kept: rows not dropped before and behind the step. changed: of the kept ones, those with another text.
    dropped: how many rows for each reason (what differs from row to row, in brackets, left out). tagged: how often each
    tag was newly set. examples: a few rows for each reason, named. details: what the step measured itself.
    sha256_in, sha256_out: over the content of the rows that were not dropped.
    """

    step: str
    entered: int
    kept: int
    changed: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    tagged: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    sha256_in: str = ""
    sha256_out: str = ""

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def apply(name: str, step: Step, rows: Sequence[Conversation]) -> tuple[list[Conversation], StepReport]:
    """The rows behind the step, and what it did, told by comparing each row before and behind it."""
    result = list(step(rows))
    changed = kept = 0
    reasons: Counter[str] = Counter()
    tags: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    before, after = hashlib.sha256(), hashlib.sha256()
    for old, new in zip(rows, result, strict=True):
        if old.dropped is not None:
            continue
        digest = content_sha256(old)
        before.update(digest.encode())
        tags.update(tag for tag in new.tags if tag not in old.tags)
        if new.dropped is not None:
            reason = new.dropped.partition(" (")[0]
            reasons[reason] += 1
            named = examples.setdefault(reason, [])
            if len(named) < _NAMED:
                named.append(f"{new.where}: {new.dropped}")
            continue
        kept += 1
        new_digest = digest if new is old else content_sha256(new)
        changed += new_digest != digest
        after.update(new_digest.encode())
    report = StepReport(
        step=name,
        entered=sum(row.dropped is None for row in rows),
        kept=kept,
        changed=changed,
        dropped=dict(reasons.most_common()),
        tagged=dict(tags.most_common()),
        examples=examples,
        sha256_in=before.hexdigest(),
        sha256_out=after.hexdigest(),
    )
    return result, report
