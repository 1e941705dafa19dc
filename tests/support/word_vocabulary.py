"""A vocabulary of words, for tests of what is rendered and trained."""

from __future__ import annotations

import re
from collections.abc import Sequence

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ("<|im_start|>", "<|im_end|>", "<s>", "</s>", "<think>", "</think>")
_TOKEN = re.compile("|".join(re.escape(token) for token in SPECIAL) + r"|\s|\w+|[^\w\s]")


class WordVocabulary:
    """A vocabulary of words, white space and the special tokens; ids are handed out as words appear."""

    bos_token, eos_token = "<s>", "</s>"
    special_tokens = SPECIAL

    def __init__(self, template: str) -> None:
        self.chat_template = template
        self.ids: dict[str, int] = {}
        self.pad_token: int | None = None

    def tokenize(self, text: str, *, begins: bool) -> list[int]:
        return [self.ids.setdefault(word, len(self.ids)) for word in _TOKEN.findall(text)]

    def ends_turn(self, token: int) -> bool:
        return self.written([token]) in ("<|im_end|>", "</s>")

    def written(self, tokens: Sequence[int]) -> str:
        return "".join(dict(zip(self.ids.values(), self.ids, strict=True)).get(token, "<pad>") for token in tokens)

    def words(self, tokens: list[int]) -> str:
        known = {number: word for word, number in self.ids.items()}
        return "".join(known[token] for token in tokens)
