"""Several calls between tags: held from the first to the last, whether or not the tags are tokens of their own."""

from __future__ import annotations

import re
from typing import Any

import llama_cpp
import numpy as np
import pytest
from dialect_samples import DIALECTS, TOOLS

from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.constrained import ConstraintState, Vocabulary
from fireside.models.constraints import Constraint, Tagged
from fireside.models.dialects import ReplyParser, call_constraint
from fireside.models.gguf import log
from fireside.models.types import Called

TAGS = "<tool_call>", "</tool_call>"


def bundled() -> Vocabulary:
    """Its special tokens are others, and its tags plain text."""
    log.collect(llama_cpp)
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(located(CHAT_MODEL)).encode(), parameters)
    return Vocabulary.from_llama(llama_cpp.llama_model_get_vocab(model))


def with_tags() -> Vocabulary:
    """Bytes, and the tags as tokens that are added and not special, as Qwen's tokenizer has them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|im_end|>"])
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    return Vocabulary.from_transformers(PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>"))


@pytest.fixture(scope="module", params=[bundled, with_tags])
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    made: Vocabulary = request.param()
    return made


def written(vocabulary: Vocabulary, constraint: Constraint, budget: int, seed: int, *, eager: bool) -> str:
    """A reply of a model that wants any token as much as another; eager: it would rather write on than end."""
    generator = np.random.default_rng(seed)
    state = ConstraintState(vocabulary, constraint, budget)
    tokens: list[int] = []
    while not state.ended:
        assert len(tokens) < budget
        logits = generator.normal(size=vocabulary.size).astype(np.float32)
        logits[list(vocabulary.ends)] = -50 if eager else 50
        state.restrict(logits, budget - len(tokens))
        token = int(logits.argmax())
        if token in vocabulary.ends:
            break
        state.accept(token)
        tokens.append(token)
    assert state.may_end
    return b"".join(vocabulary.pieces[token] for token in tokens).decode()


def test_a_model_may_end_behind_each_value_and_has_to_behind_the_last(vocabulary: Vocabulary) -> None:
    one = "1\n</tool_call>"
    held = Tagged({"const": 1}, *TAGS, 3)
    assert written(vocabulary, held, 200, 1, eager=False) == one
    assert written(vocabulary, held, 200, 1, eager=True) == "\n<tool_call>\n".join([one] * 3)


def test_a_tag_that_is_a_token_can_be_written_as_one(vocabulary: Vocabulary) -> None:
    state = ConstraintState(vocabulary, Tagged({"const": 1}, *TAGS, 3), 200)
    logits = np.zeros(vocabulary.size, np.float32)
    for token in vocabulary.spell(b"1\n"):
        state.accept(token)
    state.restrict(logits, 198)
    allowed = {vocabulary.pieces[token] for token in np.flatnonzero(logits == 0)}
    assert all(b"</tool_call>".startswith(piece) for piece in allowed)
    assert (b"</tool_call>" in allowed) == (b"</tool_call>" in vocabulary.pieces)


@pytest.mark.parametrize("budget", [80, 300, 1200])
@pytest.mark.parametrize("name", ["hermes", "qwen3"])
def test_what_is_held_is_read_as_calls_within_any_budget(vocabulary: Vocabulary, name: str, budget: int) -> None:
    dialect = DIALECTS[name]
    constraint, opening = call_constraint(dialect, TOOLS, "required")
    assert constraint is not None
    counts = []
    for seed in range(3):
        text = opening + written(vocabulary, constraint, budget, seed, eager=True)
        parser = ReplyParser(dialect, TOOLS)
        events: list[Any] = [*parser.push(text), *parser.close()]
        assert all(isinstance(event, Called) for event in events), text
        assert len(re.findall(re.escape(dialect.opening), text)) == len(events)
        counts.append(len(events))
    assert max(counts) <= 8
    assert budget < 1200 or max(counts) > 1
