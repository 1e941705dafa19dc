"""Proves a whole model's export: same tokens, same template, it stops, and it says what the trained model says."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from finetune.export.texts import texts
from finetune.export.turns import CHATS, behind_reply
from finetune.verify.adapter import EXACT, QUANTISED, Limits, Prompt
from finetune.verify.figures import Figures, Read, compare, mean_loss, over_all, read_reply
from finetune.verify.greedy import greedy_continuations, last_logits
from finetune.vocabulary import BaseVocabulary
from fireside.errors import ModelError
from fireside.models.templates import render_chat
from fireside.models.types import Message

MOST_PERPLEXITY = 2.0
"""How many times the trained model's perplexity a small type may have: above, it has forgotten the language."""

Rendering = Callable[[Sequence[Message]], str | None]
"""A conversation as a chat template renders it, with the opening of a reply; None where it refuses it."""


class Tokenizer(Protocol):
    """What is asked of an export's vocabulary; `gguf.model.Model` and `hf.tokenizer.HfTokenizer` are two."""

    @property
    def chat_template(self) -> str | None:
        """jinja source."""
        ...

    @property
    def bos_token(self) -> str:
        """The beginning-of-sequence token, "" for none."""
        ...

    @property
    def eos_token(self) -> str:
        """The end-of-sequence token, "" for none."""
        ...

    def tokenize(self, text: str, *, add_special: bool) -> list[int]:
        """Token ids."""
        ...

    def ends_turn(self, token: int) -> bool:
        """Whether a reply ends at this token."""
        ...


class Runner(Protocol):
    """An export that is loaded; `gguf.forcing.TeacherForcing` is one."""

    @property
    def model(self) -> Tokenizer:
        """Its vocabulary."""
        ...

    def logits(self, tokens: Sequence[int]) -> Any:
        """Float32 array (len(tokens), vocabulary): row i predicts token i + 1."""
        ...


@dataclass(frozen=True)
class Continuation:
    """A text along which models are compared: the trained model's own, greedily, and its logits (length, vocabulary);
    and a held-back reply to the same prompt, with how the trained model reads it, where there is one."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    logits: Any
    reply: tuple[int, ...] = ()
    read: Read | None = None


@dataclass(frozen=True)
class ModelReport:
    """The verdict. tokens: of how many texts the token ids are the same; first_different: the first that differs.

    figures: against the trained model, over `positions`. perplexity, trained_perplexity: of held-back replies, or where
    there are none, of what the trained model wrote.
    """

    verified: bool
    reason: str
    kind: str
    tokens: int
    texts: int
    first_different: str
    same_template: bool
    stops: bool
    prompts: int
    positions: int
    figures: Figures
    perplexity: float
    trained_perplexity: float

    def scores(self) -> dict[str, Any]:
        """The figures, flat."""
        values = {key: value for key, value in asdict(self).items() if key != "figures"}
        return {**values, **asdict(self.figures)}

    def as_json(self) -> dict[str, Any]:
        """The document of `fireside tune verify --json`."""
        return {"suite": "verify", "scores": self.scores(), "items": []}


def continuations(model: Any, prompts: Sequence[Prompt], ends_turn: Callable[[int], bool]) -> list[Continuation]:
    """What transformers' `model` says behind each prompt, and how it reads the held-back replies."""
    written = greedy_continuations(model, [prompt.tokens for prompt in prompts], ends_turn)
    found = []
    for prompt, tokens in zip(prompts, written, strict=True):
        logits = last_logits(model, [*prompt.tokens, *tokens], len(tokens))
        reply = prompt.reply if prompt.held_back else ()
        read = read_reply(last_logits(model, [*prompt.tokens, *reply], len(reply)), reply) if reply else None
        found.append(Continuation(prompt.tokens, tuple(tokens), logits, reply, read))
    return found


def limits_of(kind: str) -> Limits | None:
    """How near a file of llama.cpp's type `kind` must be; None where only its perplexity counts."""
    if kind in ("F32", "F16"):
        return EXACT
    return QUANTISED if kind in ("BF16", "Q8_0") else None


def verify_model(
    expected: Sequence[Continuation],
    forcing: Runner,
    vocabulary: BaseVocabulary,
    rendering: Rendering,
    kind: str,
) -> ModelReport:
    """Compare the exported GGUF file in `forcing` with the trained model's words, its vocabulary and its template."""
    same, first = _same_tokens(forcing, vocabulary)
    compared: list[tuple[Figures, int]] = []
    reads: list[Read] = []
    trained: list[Read] = []
    for each in expected:
        rows = forcing.logits([*each.prompt, *each.tokens])[len(each.prompt) - 1 : -1]
        compared.append((compare(each.logits, rows), len(each.tokens)))
        if each.read is not None:
            replies = forcing.logits([*each.prompt, *each.reply])[len(each.prompt) - 1 : -1]
            reads.append(read_reply(replies, each.reply))
            trained.append(each.read)
        elif not any(other.read for other in expected):
            reads.append(read_reply(rows, each.tokens))
            trained.append(read_reply(each.logits, each.tokens))
    report = ModelReport(
        verified=True,
        reason="",
        kind=kind,
        tokens=same,
        texts=len(texts()),
        first_different=first,
        same_template=_same_template(forcing, rendering),
        stops=_stops(forcing, vocabulary),
        prompts=len(expected),
        positions=sum(count for _, count in compared),
        figures=over_all(compared),
        perplexity=math.exp(mean_loss(reads)),
        trained_perplexity=math.exp(mean_loss(trained)),
    )
    reasons = reasons_against(report)
    return replace(report, verified=not reasons, reason="; ".join(reasons))


def reasons_against(report: ModelReport) -> list[str]:
    """Why an export is refused; written so that a figure that is not a number refuses it."""
    reasons = []
    if report.tokens != report.texts:
        reasons.append(
            f"{report.texts - report.tokens} of {report.texts} texts have other tokens, "
            f"the first is {report.first_different[:40]!r}"
        )
    if not report.same_template:
        reasons.append("its chat template renders a conversation otherwise")
    if not report.stops:
        reasons.append("it would not stop at the end of a reply")
    limits, figures = limits_of(report.kind), report.figures
    if limits and not figures.agreement >= limits.agreement:
        reasons.append(f"the likeliest token agrees on {figures.agreement:.3f} of positions, below {limits.agreement}")
    if limits and not figures.kl <= limits.kl:
        reasons.append(f"the mean KL is {figures.kl:.2g}, above {limits.kl:g}")
    if not report.perplexity <= MOST_PERPLEXITY * report.trained_perplexity:
        reasons.append(
            f"the perplexity is {report.perplexity:.1f}, the trained model's {report.trained_perplexity:.1f}"
        )
    return reasons


def _same_tokens(forcing: Runner, vocabulary: BaseVocabulary) -> tuple[int, str]:
    """How many of the texts have the same token ids, and the first that has not."""
    begun = vocabulary.tokenize("a", begins=True)[:1]
    # As in a chat: behind the beginning-of-sequence token, where the model wants one.
    first = vocabulary.bos_token if begun and begun == vocabulary.tokenize(vocabulary.bos_token, begins=False) else ""
    different = [
        text
        for text in texts()
        if forcing.model.tokenize(first + text, add_special=False) != vocabulary.tokenize(first + text, begins=False)
    ]
    return len(texts()) - len(different), different[0] if different else ""


def _same_template(forcing: Runner, rendering: Rendering) -> bool:
    """Whether the template in the file renders conversations as the model's own does."""
    own = renders(forcing.model.chat_template or "", forcing.model.bos_token, forcing.model.eos_token)
    return all(expected == own(chat) for chat in CHATS if (expected := rendering(chat)) is not None)


def renders(template: str, bos: str, eos: str) -> Rendering:
    """How the chat renders with `template`."""

    def render(chat: Sequence[Message]) -> str | None:
        if not template:
            return ""
        try:
            return render_chat(template, chat, bos_token=bos, eos_token=eos, add_generation_prompt=True)
        except ModelError:
            return None

    return render


def _stops(forcing: Runner, vocabulary: BaseVocabulary) -> bool:
    """Whether llama.cpp stops at the token that ends a reply in training."""
    if not vocabulary.chat_template:
        end = vocabulary.tokenize(vocabulary.eos_token, begins=False) if vocabulary.eos_token else []
        return len(end) == 1 and forcing.model.ends_turn(end[0])
    end = [token for token in behind_reply(vocabulary) if vocabulary.ends_turn(token)]
    return bool(end) and forcing.model.ends_turn(end[0])
