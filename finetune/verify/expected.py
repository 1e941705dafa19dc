"""What a whole model's export must do: the trained model's words, the base's tokens, and its way to write a chat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from finetune.base import Base
from finetune.export.reference import fast_tokenizer
from finetune.export.turns import default_prompts
from finetune.verify.adapter import Prompt
from finetune.verify.model import Continuation, ModelReport, Rendering, Runner, continuations, renders, verify_model
from finetune.vocabulary import BaseVocabulary, open_vocabulary


@dataclass(frozen=True)
class Expected:
    """What is compared with; `vocabulary` is open as long as this is used."""

    prompts: tuple[Prompt, ...]
    said: tuple[Continuation, ...]
    vocabulary: BaseVocabulary
    rendering: Rendering

    def check(self, runner: Runner, kind: str) -> ModelReport:
        """The proof of an export of llama.cpp's type `kind` that `runner` has loaded."""
        return verify_model(self.said, runner, self.vocabulary, self.rendering, kind)


@contextmanager
def expected_of(trained: Any, base: Base, template: str, prompts: Sequence[Prompt]) -> Iterator[Expected]:
    """What `trained`, a model of transformers over `base`, says; behind a few prompts of ours where there are none.

    template: in place of the base's chat template, "" for its own. Raises ModelError.
    """
    vocabulary = open_vocabulary(base)
    try:
        if template:
            vocabulary.chat_template = template
        chosen = tuple(prompts) or default_prompts(vocabulary)
        said = tuple(continuations(trained, chosen, vocabulary.ends_turn))
        yield Expected(chosen, said, vocabulary, _own_rendering(base, template, vocabulary))
    finally:
        vocabulary.free()


def _own_rendering(base: Base, template: str, vocabulary: BaseVocabulary) -> Rendering:
    """How the model's own files render a conversation: a folder's tokenizer does it itself."""
    if template or not base.is_folder or not vocabulary.chat_template:
        return renders(vocabulary.chat_template, vocabulary.bos_token, vocabulary.eos_token)
    tokenizer = fast_tokenizer(base.path)

    def render(chat: Sequence[Any]) -> str | None:
        messages = [{"role": message.role, "content": message.content} for message in chat]
        try:
            return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        except Exception:  # a template is a stranger's program, and may refuse a conversation with anything
            return None

    return render
