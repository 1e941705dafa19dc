"""Tells the language of a text offline, or that it cannot be told: a naive Bayes model over bytes, from py3langid."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

# Below this probability the answer is as good as a guess: short texts, code, arithmetic.
CERTAIN = 0.4
# Enough to be certain, and little enough to be quick: a long text is judged by its beginning.
_CHARACTERS = 500
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
# A person who asks for Norwegian means both its written forms.
_ALSO = {"nb": "no", "nn": "no"}


def language_of(text: str) -> str | None:
    """The ISO 639-1 code of the text's language, or None where it cannot be told.

    Code between backticks is passed over, and shouted text is lowered: the model knows words as they usually are.
    """
    plain = _CODE.sub(" ", text)[:_CHARACTERS].strip()
    if plain.isupper():
        plain = plain.lower()
    if not any(character.isalpha() for character in plain):
        return None
    label, probability = _classifier()(plain)
    return _ALSO.get(label, label) if probability >= CERTAIN else None


@cache
def _classifier() -> Callable[[str], tuple[str, float]]:
    """The model, read at its first use, which takes a second or two."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # Those with a code of two letters: among the others are pidgins and dialects, which short English is taken for.
    identifier.set_languages([label for label in identifier.labels if len(label) == 2])

    def classify(text: str) -> tuple[str, float]:
        label, probability = identifier.classify(text)
        return str(label), float(probability)

    return classify
