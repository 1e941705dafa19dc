"""Turns a conversation into token ids and labels, with any chat template, so that only replies are trained.

The mask comes from rendering prefixes: the conversation up to a reply, with the opening of the assistant's turn, is the
prompt the model will really see; what follows it, up to and including the end-of-turn token, is what it learns. That is
right for any template and needs no marks in it. Of plain text everything is learnt, its end too: what is longer than
an example may be is split, never cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from finetune.data.conversation import Conversation
from fireside.errors import TrainingError
from fireside.models.dialects import dialect_of
from fireside.models.templates import escaped, render_chat
from fireside.models.types import Message
from fireside.prefix import common_prefix
from fireside.text import for_prompt

IGNORED = -100
"""The label of a token whose loss does not count (torch's cross_entropy default)."""

_NAMED = 10


@dataclass(frozen=True)
class Example:
    """Token ids, and of each the label: the id itself where it is trained, else IGNORED.

    row, source: as in Conversation.
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    row: int
    source: str = ""

    @property
    def trained(self) -> int:
        """How many tokens count in the loss: a model is never asked for the first one."""
        return sum(label != IGNORED for label in self.labels[1:])

    def prompt_length(self) -> int:
        """How many tokens come before the first trained one."""
        return next(index for index, label in enumerate(self.labels) if label != IGNORED)


class Vocabulary(Protocol):
    """What rendering needs to know of the base model; `finetune.base.Base` is one."""

    @property
    def chat_template(self) -> str:
        """jinja source."""
        ...

    @property
    def bos_token(self) -> str:
        """The text of the beginning-of-sequence token, "" for none."""
        ...

    @property
    def eos_token(self) -> str:
        """The text of the end-of-sequence token, "" for none."""
        ...

    @property
    def special_tokens(self) -> Sequence[str]:
        """The texts of all tokens that must not be recognised in an example's own text."""
        ...

    def tokenize(self, text: str, *, begins: bool) -> list[int]:
        """Token ids, special tokens recognised; `begins`: one beginning-of-sequence token where the model wants it."""
        ...

    def ends_turn(self, token: int) -> bool:
        """Whether generation stops at this token."""
        ...


def render_examples(
    conversations: Sequence[Conversation], vocabulary: Vocabulary, max_length: int
) -> tuple[tuple[Example, ...], tuple[int, ...]]:
    """Render every conversation; return the examples, and the rows left out because nothing trained fits `max_length`.

    Rows that were judged bad give no example. Raises TrainingError where nothing at all would be trained, or, of
    conversations, the end of a turn never would be: such a model talks on and on. Both name rows.
    """
    examples: list[Example] = []
    left_out: list[int] = []
    spoken: list[Example] = []
    for conversation in conversations:
        if conversation.desirable is False:
            continue
        fitting = [part for each in render(conversation, vocabulary) for part in fitted(conversation, each, max_length)]
        examples += fitting
        spoken += fitting if conversation.kind != "text" else []
        if not fitting:
            left_out.append(conversation.row)
    if not examples:
        raise _nothing_trained(left_out, max_length)
    endless = [example.row for example in spoken if not stops(example, vocabulary)]
    if spoken and len(endless) == len(spoken):
        raise TrainingError(
            "the end of the assistant's turn would never be trained, so the model would not learn to stop: "
            f"{rows_named(endless)}",
            "raise training.max_length if replies are cut off; else the model's chat template does not end turns",
        )
    return tuple(examples), tuple(left_out)


def _nothing_trained(left_out: Sequence[int], max_length: int) -> TrainingError:
    if not left_out:
        return TrainingError("every row was judged bad, so there is nothing to learn", "add rows that were judged good")
    return TrainingError(
        f"no reply begins within max_length = {max_length} tokens, so nothing would be trained: {rows_named(left_out)}",
        "raise training.max_length, or shorten the prompts",
    )


def fitted(conversation: Conversation, example: Example, max_length: int) -> list[Example]:
    """The example as it is trained: plain text in pieces, anything else cut. Empty where nothing trained would fit."""
    if conversation.kind == "text":
        return pieces(example, max_length)
    cut = truncated(example, max_length)
    return [] if cut is None else [cut]


def pieces(example: Example, max_length: int) -> list[Example]:
    """Plain text as examples of at most `max_length` tokens, in order, each of its tokens trained once.

    A piece begins with the last token of the one before it, as context; and with the beginning-of-sequence token,
    where there is one, because models that know it read badly without it.
    """
    ids = example.input_ids
    if len(ids) <= max_length:
        return [example] if example.trained else []
    begin = ids[:1] if example.labels[0] == IGNORED else ()
    made, place = [replace(example, input_ids=ids[:max_length], labels=example.labels[:max_length])], max_length
    room = max_length - len(begin) - 1
    while place < len(ids):
        new = ids[place : place + room]
        labels = (*[IGNORED] * (len(begin) + 1), *new)
        made.append(replace(example, input_ids=(*begin, ids[place - 1], *new), labels=labels))
        place += room
    return made


def truncated(example: Example, max_length: int) -> Example | None:
    """The example cut to `max_length` tokens; None where nothing trained would be left: it is never trained blind."""
    if len(example.input_ids) > max_length:
        example = replace(example, input_ids=example.input_ids[:max_length], labels=example.labels[:max_length])
    return example if example.trained else None


def stops(example: Example, vocabulary: Vocabulary) -> bool:
    """Whether the example trains an end of turn at all."""
    # Nearly always it is the last one.
    return any(vocabulary.ends_turn(label) for label in reversed(example.labels[1:]) if label != IGNORED)


def rows_named(rows: Sequence[int]) -> str:
    """Rows for a message: "row 3", or "rows 3, 7, ..."."""
    shown = ", ".join(map(str, rows[:_NAMED])) + (", ..." if len(rows) > _NAMED else "")
    return f"row{'s' * (len(rows) > 1)} {shown}"


def render(conversation: Conversation, vocabulary: Vocabulary) -> list[Example]:
    """The conversation as one example, or as one for each reply where the template rewrites earlier turns.

    None for a conversation without a reply that is to be trained. Of judged rows, `supervised` tells what is learnt.
    """
    if conversation.kind == "text":
        return [_plain_text(conversation, vocabulary)]
    learnt = supervised(conversation)
    return [] if learnt is None else _replies(learnt, vocabulary)


def supervised(conversation: Conversation) -> Conversation | None:
    """What learning by example takes from a row: of a preference pair the chosen way, of labelled ones the good.

    The earlier replies of a pair are context. None for a row that was judged bad; any other row as it is.
    """
    if conversation.kind == "preference":
        before = frozenset(range(len(conversation.messages)))
        whole = (*conversation.messages, *conversation.chosen)
        return replace(conversation, messages=whole, chosen=(), rejected=(), untrained=before)
    return None if conversation.desirable is False else conversation


def _replies(conversation: Conversation, vocabulary: Vocabulary) -> list[Example]:
    # As fireside.models.prompting does for the chat.
    dialect = dialect_of(vocabulary.chat_template, vocabulary.special_tokens)
    messages, tools = escaped(conversation.messages, conversation.tools, [*vocabulary.special_tokens, *dialect.stops])
    known: dict[str, list[int]] = {}

    def tokens_of(text: str) -> list[int]:
        # Most texts come twice, and tokenising takes most of the time.
        if text not in known:
            known[text] = vocabulary.tokenize(text, begins=True)
        return known[text]

    def text(upto: int, opening: bool) -> str:
        return render_chat(
            vocabulary.chat_template,
            messages[:upto],
            tools=tools,
            dialect=dialect,
            bos_token=vocabulary.bos_token,
            eos_token=vocabulary.eos_token,
            add_generation_prompt=opening,
        )

    replies = [
        index
        for index, message in enumerate(messages)
        if message.role == "assistant" and index not in conversation.untrained
    ]
    spans = [(text(index, True), text(index + 1, False)) for index in replies]
    last = len(messages) - 1
    whole = spans[-1][1] if replies and replies[-1] == last else text(len(messages), False)
    if spans and all(whole.startswith(upto) and upto.startswith(prompt) for prompt, upto in spans):
        tokens = tokens_of(whole)
        # Where a reply's first letters merge with the end of its prompt, the chat sees other tokens than these.
        if all(_begins_with(tokens, tokens_of(prompt)) for prompt, _ in spans):
            ends = [(len(tokens_of(prompt)), tokens_of(upto)) for prompt, upto in spans]
            return [_labelled(tokens, ends, vocabulary, conversation)]
    return [
        _one_reply(prompt, _reply_text(prompt, upto, messages[index]), vocabulary, conversation)
        for index, (prompt, upto) in zip(replies, spans, strict=True)
    ]


def _plain_text(conversation: Conversation, vocabulary: Vocabulary) -> Example:
    """Plain text and, where it ends, the end-of-sequence token: all is learnt but a beginning-of-sequence token."""
    text = for_prompt(conversation.text, [token for token in vocabulary.special_tokens if token])
    tokens = vocabulary.tokenize(text + (vocabulary.eos_token if conversation.ends else ""), begins=True)
    labels = list(tokens)
    if vocabulary.bos_token and tokens[:1] == vocabulary.tokenize(vocabulary.bos_token, begins=False)[:1]:
        labels[0] = IGNORED
    return Example(tuple(tokens), tuple(labels), conversation.row, conversation.source)


def _reply_text(prompt: str, upto: str, reply: Message) -> str:
    """What the model should write after `prompt`: the rest of `upto`, the conversation with the reply.

    A template may write the finished turn unlike the opening of one; then the rest begins with the reply's own text.
    """
    if upto.startswith(prompt):
        return upto[len(prompt) :]
    position = upto.rfind(reply.content.strip()) if reply.content.strip() else -1
    if position < 0:
        raise TrainingError(
            "the model's chat template does not write replies as they are, so they cannot be trained",
            "use another base model",
        )
    return upto[position:]


def _one_reply(prompt: str, reply: str, vocabulary: Vocabulary, conversation: Conversation) -> Example:
    """An example that trains one reply, behind the prompt's tokens exactly as the chat sees them."""
    before = vocabulary.tokenize(prompt, begins=True)
    tokens = vocabulary.tokenize(prompt + reply, begins=True)
    if not _begins_with(tokens, before):
        tokens = [*before, *vocabulary.tokenize(reply, begins=False)]
    end = _turn_end(tokens, len(before), len(tokens), vocabulary)
    labels = (*[IGNORED] * len(before), *tokens[len(before) : end], *[IGNORED] * (len(tokens) - end))
    return Example(tuple(tokens), labels, conversation.row, conversation.source)


def _labelled(
    tokens: list[int], spans: Sequence[tuple[int, list[int]]], vocabulary: Vocabulary, conversation: Conversation
) -> Example:
    """An example that trains, of `tokens`, those from the end of each span's prompt to the end of its turn.

    spans: how many tokens the prompt has, and the tokens of the conversation up to its reply's end.
    """
    labels = [IGNORED] * len(tokens)
    for begin, written in spans:
        # The last token of `written` may have merged with what follows; the end of the turn comes before it.
        end = _turn_end(tokens, begin, common_prefix(list(tokens), list(written)), vocabulary)
        labels[begin:end] = tokens[begin:end]
    return Example(tuple(tokens), tuple(labels), conversation.row, conversation.source)


def _turn_end(tokens: Sequence[int], begin: int, end: int, vocabulary: Vocabulary) -> int:
    """The index behind the last end-of-turn token in tokens[begin:end]; `end` where there is none.

    Templates put a newline or the like behind that token; generation stops before it, so it is not trained.
    """
    return next((index + 1 for index in range(end - 1, begin - 1, -1) if vocabulary.ends_turn(tokens[index])), end)


def _begins_with(tokens: Sequence[int], beginning: Sequence[int]) -> bool:
    return list(tokens[: len(beginning)]) == list(beginning)
