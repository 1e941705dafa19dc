"""A run's data as its base's tokens: the examples to train on and those held back, by the template of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finetune.config import RunConfig
from finetune.data.conversation import Conversation
from finetune.data.render import Example, render_examples
from finetune.data.split import Split
from finetune.data.templates import template_named
from finetune.vocabulary import BaseVocabulary
from fireside.errors import TrainingError


@dataclass(frozen=True)
class Examples:
    """left_out: rows, of both, of which nothing that is trained fits into max_length."""

    train: tuple[Example, ...]
    held_back: tuple[Example, ...]
    left_out: tuple[int, ...]


def examples_of(split: Split, config: RunConfig, vocabulary: BaseVocabulary) -> Examples:
    """Render both sides of `split`; `vocabulary` has the run's template from then on.

    Raises TrainingError where there is no such template, chats cannot be rendered, or a side has nothing to learn.
    """
    if config.template:
        vocabulary.chat_template = template_named(config.template)
    check_template(vocabulary, [*split.train, *split.held_back])
    length = config.training.max_length
    train, left_out = render_examples(split.train, vocabulary, length)
    try:
        held_back, also_left_out = render_examples(split.held_back, vocabulary, length)
    except TrainingError as error:
        raise TrainingError(f"of the examples held back for measuring: {error.message}", error.hint) from error
    return Examples(train, held_back, (*left_out, *also_left_out))


def check_template(vocabulary: BaseVocabulary, conversations: Sequence[Conversation]) -> None:
    """Raises TrainingError where there are chats and the base does not tell how it reads them."""
    if not vocabulary.chat_template and any(conversation.kind != "text" for conversation in conversations):
        raise TrainingError(
            "the base model has no chat template, so it cannot be trained on chats",
            'set template = "chatml" or another in the configuration, or train on plain text',
        )
