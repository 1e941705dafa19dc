"""What a model's chat template does: rendered samples, and the token that ends a reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fireside.errors import ModelError
from fireside.models.templates import render_chat
from fireside.models.types import Message

if TYPE_CHECKING:
    from finetune.verify.adapter import Prompt
    from finetune.vocabulary import BaseVocabulary

CHATS = (
    (Message("user", "Who cooks the soup?"),),
    (
        Message("user", "  A recipe for crème brûlée, in 2 steps?\n"),
        Message("assistant", "1. Boil\n2. Chill 🍮"),
        Message("user", "And then?"),
    ),
    (Message("system", "You cook."), Message("user", "Hi"), Message("assistant", "Hello!"), Message("user", "Eat?")),
)
"""Conversations that templates are compared on."""
_REPLY = "Ember"


def rendered(template: str, bos: str, eos: str) -> list[str]:
    """The conversations as `template` renders them, with the opening of the next reply; none without a template."""
    if not template:
        return []
    return [render_chat(template, chat, bos_token=bos, eos_token=eos, add_generation_prompt=True) for chat in CHATS]


def chat_samples(tokenizer: Any) -> list[str]:
    """The conversations as the chat gives them to a model with this tokenizer of transformers."""
    template = template_of(tokenizer)
    return rendered(template, tokenizer.bos_token or "", tokenizer.eos_token or "")


def template_of(tokenizer: Any) -> str:
    """The chat template of a tokenizer of transformers, "" for none."""
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("tool_use") or template.get("default")
    return template or ""


def end_of_turn(tokenizer: Any) -> int | None:
    """The special token that the chat template writes behind a reply, None where it writes none."""
    template = template_of(tokenizer)
    if not template:
        return None
    try:
        text = render_chat(
            template,
            (Message("user", "Hi"), Message("assistant", _REPLY)),
            bos_token=tokenizer.bos_token or "",
            eos_token=tokenizer.eos_token or "",
            add_generation_prompt=False,
        )
    except ModelError:
        return None
    _, found, behind = text.rpartition(_REPLY)
    tokens: list[int] = tokenizer.encode(behind.strip(), add_special_tokens=False) if found else []
    added = tokenizer.added_tokens_decoder
    return tokens[0] if tokens and tokens[0] in added else None


def default_prompts(vocabulary: BaseVocabulary) -> tuple[Prompt, ...]:
    """Prompts for a model that comes without any: questions in its chat template, or as they are without."""
    from finetune.verify.adapter import Prompt

    def prompt(question: str) -> str:
        if not vocabulary.chat_template:
            return question
        return render_chat(
            vocabulary.chat_template,
            (Message("user", question),),
            bos_token=vocabulary.bos_token,
            eos_token=vocabulary.eos_token,
            add_generation_prompt=True,
        )

    return tuple(
        Prompt(tuple(vocabulary.tokenize(prompt(question), begins=True)), held_back=False) for question in _QUESTIONS
    )


_QUESTIONS = (
    "Why does wood crackle in a fire?",
    "Write three rules for a kitchen.",
    "What is the capital of Norway, and what is it known for?",
    "Explain to a child how a boat floats.",
    "List four words that rhyme with light.",
    "Translate into French: the bread is warm.",
    "How many minutes are there in a week?",
    "Write a short Python function that reverses a list.",
    "What should I pack for two days in the mountains?",
    "Who wrote about a whale, and when?",
    "Give me the plural of mouse, goose and sheep.",
    "Describe autumn in one sentence.",
)


def written_end(vocabulary: BaseVocabulary) -> str:
    """The text of the token at which a reply ends, "" where the template writes none."""
    if not vocabulary.chat_template:
        return vocabulary.eos_token
    for token in behind_reply(vocabulary):
        if vocabulary.ends_turn(token):
            return vocabulary.written([token])
    return ""


def behind_reply(vocabulary: BaseVocabulary) -> list[int]:
    """The tokens that the chat template writes behind a reply."""
    text = render_chat(
        vocabulary.chat_template,
        (Message("user", "Hi"), Message("assistant", _REPLY)),
        bos_token=vocabulary.bos_token,
        eos_token=vocabulary.eos_token,
        add_generation_prompt=False,
    )
    return vocabulary.tokenize(text.rpartition(_REPLY)[2].strip(), begins=False)
