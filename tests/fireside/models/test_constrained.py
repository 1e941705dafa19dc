from __future__ import annotations

import ctypes
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import llama_cpp
import numpy as np
import pytest
from numpy.typing import NDArray

from fireside.errors import ModelError, ToolError
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.constrained import ConstraintState, Vocabulary
from fireside.models.constraints import Choice, Constraint, Gbnf, JsonSchema, Lazy
from fireside.models.gguf import log

Logits = NDArray[np.float32]
TEXTS = {"type": "array", "items": {"type": "string"}}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": TEXTS, "age": {"type": "integer"}},
    "required": ["name", "tags"],
}


def load(*, weights: bool = False) -> Any:
    log.collect(llama_cpp)
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = not weights
    return llama_cpp.llama_model_load_from_file(str(located(CHAT_MODEL)).encode(), parameters)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    """The bundled model's."""
    return Vocabulary.from_llama(llama_cpp.llama_model_get_vocab(load()))


def texts(vocabulary: Vocabulary, tokens: list[int]) -> str:
    return b"".join(vocabulary.pieces[token] for token in tokens).decode()


def allowed(vocabulary: Vocabulary, state: ConstraintState, remaining: int) -> set[int]:
    logits = np.zeros(vocabulary.size, np.float32)
    state.restrict(logits, remaining)
    return set(np.flatnonzero(logits == 0).tolist())


def write(
    vocabulary: Vocabulary, state: ConstraintState, budget: int, wish: Callable[[list[int]], Logits]
) -> list[int]:
    """The reply of a model with these logits, most likely token first, as an engine would write it."""
    tokens: list[int] = []
    while not state.ended:
        assert len(tokens) < budget, texts(vocabulary, tokens)
        logits = wish(tokens)
        state.restrict(logits, budget - len(tokens))
        token = int(logits.argmax())
        if token in vocabulary.ends:
            break
        state.accept(token)
        tokens.append(token)
    return tokens


def wanting(vocabulary: Vocabulary, *wishes: str) -> Callable[[list[int]], Logits]:
    """Logits of a model that wants tokens of these texts, the first the most, and all others alike."""
    logits = np.zeros(vocabulary.size, np.float32)
    for strength, wish in enumerate(reversed(wishes), 1):
        logits[[token for token, piece in enumerate(vocabulary.pieces) if piece == wish.encode()]] = strength
    return lambda _: logits.copy()


def test_forbidden_tokens_are_set_in_place_and_others_left(vocabulary: Vocabulary) -> None:
    rows = np.random.default_rng(1).normal(size=(3, vocabulary.size + 100)).astype(np.float32)
    before = rows.copy()
    ConstraintState(vocabulary, JsonSchema({"type": "boolean"}), 10).restrict(rows[1], 10)
    np.testing.assert_array_equal(rows[[0, 2]], before[[0, 2]])
    left = np.flatnonzero(rows[1] > -np.inf)
    assert {vocabulary.pieces[token] for token in left} >= {b"true", b"false", b"t"}
    assert all(
        b"true".startswith(vocabulary.pieces[each]) or b"false".startswith(vocabulary.pieces[each]) for each in left
    )
    np.testing.assert_array_equal(rows[1][left], before[1][left])


def test_a_reply_ends_by_itself_where_nothing_can_follow(vocabulary: Vocabulary) -> None:
    state = ConstraintState(vocabulary, Choice(("ab", "abc")), 10)
    assert not state.may_end
    for token in vocabulary.spell(b"ab"):
        state.accept(token)
    assert state.may_end
    assert not state.ended
    assert {vocabulary.pieces[token] for token in allowed(vocabulary, state, 8) - set(vocabulary.ends)} == {b"c"}
    assert set(vocabulary.ends) <= allowed(vocabulary, state, 8)
    state.accept(vocabulary.spell(b"c")[0])
    assert state.ended


def test_the_models_own_end_is_taken_where_the_reply_is_complete(vocabulary: Vocabulary) -> None:
    state = ConstraintState(vocabulary, JsonSchema({"type": "integer"}), 10)
    assert not state.allows(vocabulary.ends[0])
    state.accept(vocabulary.spell(b"7")[0])
    assert state.allows(vocabulary.ends[0])
    state.accept(vocabulary.ends[0])
    assert state.ended
    state.rollback(1)
    assert not state.ended
    state.accept(vocabulary.spell(b"1")[0])
    state.rollback(2)
    assert not state.may_end


def test_a_number_is_complete_when_the_budget_is_spent(vocabulary: Vocabulary) -> None:
    state = ConstraintState(vocabulary, JsonSchema({"type": "integer"}), 3)
    tokens = write(vocabulary, state, 3, wanting(vocabulary, "7"))
    assert len(tokens) <= 3
    assert state.may_end
    assert int(texts(vocabulary, tokens))


def test_a_token_that_is_not_allowed_is_refused(vocabulary: Vocabulary) -> None:
    state = ConstraintState(vocabulary, JsonSchema({"type": "null"}), 10)
    token = vocabulary.spell(b"true")[0]
    assert not state.allows(token)
    with pytest.raises(ModelError, match="does not allow b'true' here"):
        state.accept(token)


@pytest.mark.parametrize(
    "wishes",
    [
        ("a",),
        ("[",),
        ("{",),
        ('{"',),
        ("\n",),
        ("\\",),
        ("🔥",),
        ("1",),
        ('",', " ", '"'),
        ("[", '"', "{"),
        (" wonderful",),
    ],
)
@pytest.mark.parametrize("budget", [40, 90])
def test_whatever_a_model_wants_the_reply_ends_in_time(
    vocabulary: Vocabulary, wishes: tuple[str, ...], budget: int
) -> None:
    free = {"type": "object", "properties": {"anything": {}}, "required": ["anything"]}
    for schema in ({}, {"type": "object"}, PERSON, {"type": "array", "items": {"$ref": "#"}, "minItems": 0}, free):
        tokens = write(
            vocabulary, ConstraintState(vocabulary, JsonSchema(schema), budget), budget, wanting(vocabulary, *wishes)
        )
        json.loads(texts(vocabulary, tokens))


def test_the_budget_is_used_before_a_text_is_closed(vocabulary: Vocabulary) -> None:
    tokens = write(
        vocabulary, ConstraintState(vocabulary, JsonSchema(PERSON), 100), 100, wanting(vocabulary, " a", "a", "\\")
    )
    assert 90 <= len(tokens) <= 100
    assert len(json.loads(texts(vocabulary, tokens))["name"]) > 80


def test_nesting_has_an_end_before_the_budget(vocabulary: Vocabulary) -> None:
    tokens = write(vocabulary, ConstraintState(vocabulary, JsonSchema({}), 600), 600, wanting(vocabulary, "[", "[["))
    assert 30 <= texts(vocabulary, tokens).index("]") <= 50


@pytest.mark.parametrize(
    "constraint",
    [
        JsonSchema(PERSON),
        JsonSchema(
            {"enum": ["a rather long text that there is no way around", "another one, which is no shorter than that"]}
        ),
        JsonSchema({"type": "string", "format": "date-time"}),
        JsonSchema({"type": "array", "items": {"const": "x"}, "minItems": 12}),
        Gbnf('root ::= "(" root ")" | "[" [a-z]{8} "]"'),
        Choice(("calculator, which adds numbers", "calendar, which knows the days")),
    ],
)
def test_what_just_fits_is_written_and_what_does_not_is_refused(vocabulary: Vocabulary, constraint: Constraint) -> None:
    with pytest.raises(ModelError, match="the shortest reply under the constraint has") as refused:
        ConstraintState(vocabulary, constraint, 2)
    needed = int(refused.value.message.split(" has ")[1].split()[0])
    assert "raise max_tokens" in (refused.value.hint or "")
    with pytest.raises(ModelError):
        ConstraintState(vocabulary, constraint, needed - 1)
    for budget in (needed, needed + 1, needed + 5):
        for wishes in (("a",), ("b", "{"), ("[", '"')):
            state = ConstraintState(vocabulary, constraint, budget)
            assert write(vocabulary, state, budget, wanting(vocabulary, *wishes))
            assert state.ended


def test_characters_that_are_begun_are_completed(vocabulary: Vocabulary) -> None:
    schemas = ({"type": "string", "pattern": "^[🔥-🔮é]*$"}, {"type": "string", "pattern": "🔥", "maxLength": 2})
    wish = np.zeros(vocabulary.size, np.float32)
    wish[[token for token, piece in enumerate(vocabulary.pieces) if piece[:1] == b"\xf0"]] = 1
    for budget, schema in itertools.product(range(6, 14), schemas):
        state = ConstraintState(vocabulary, JsonSchema(schema), budget)
        assert json.loads(texts(vocabulary, write(vocabulary, state, budget, lambda _: wish.copy()))) is not None


def test_forced_tokens_are_those_that_must_come(vocabulary: Vocabulary) -> None:
    state = ConstraintState(vocabulary, JsonSchema(PERSON), 100)
    forced = state.forced(10)
    assert texts(vocabulary, forced) == '{"name":'
    assert state.forced(1) == forced[:1]
    for token in forced:
        assert allowed(vocabulary, state, 100) == {token}
        state.accept(token)


def test_going_back_leads_to_the_same_place(vocabulary: Vocabulary) -> None:
    generator = np.random.default_rng(5)
    for budget in (30, 60):
        state = ConstraintState(vocabulary, JsonSchema(PERSON), budget)
        seen = [allowed(vocabulary, state, budget)]
        tokens: list[int] = []
        while not state.ended:
            token = int(generator.choice(sorted(seen[-1])))
            state.accept(token)
            tokens.append(token)
            seen.append(allowed(vocabulary, state, budget - len(tokens)) if not state.ended else set())
        state.rollback(0)
        assert state.ended
        for count in (1, 4, len(tokens) - 5):
            state.rollback(count)
            del tokens[len(tokens) - count :]
            assert allowed(vocabulary, state, budget - len(tokens)) == seen[len(tokens)]


def test_a_constraint_is_prepared_once(vocabulary: Vocabulary) -> None:
    made = iter(["this"])
    assert [vocabulary.remembered("a key of this test", lambda: next(made)) for _ in range(2)] == ["this", "this"]
    first, second = (ConstraintState(vocabulary, JsonSchema(PERSON), 50) for _ in range(2))
    first.accept(vocabulary.spell(b"{")[0])
    assert second.forced(1) != first.forced(1)


def test_what_is_wrong_is_told_before_the_first_token(vocabulary: Vocabulary) -> None:
    with pytest.raises(ToolError, match="'not'"):
        ConstraintState(vocabulary, JsonSchema({"not": {}}), 10)
    with pytest.raises(ModelError, match="nothing to choose from"):
        ConstraintState(vocabulary, Choice(()), 10)
    with pytest.raises(ModelError, match="line 1"):
        ConstraintState(vocabulary, Gbnf("root ::= ("), 10)
    for triggers in ((), ("a", "")):
        with pytest.raises(ModelError, match="trigger"):
            ConstraintState(vocabulary, Lazy(triggers, Choice(("a",))), 10)


CALL = Lazy(
    ("<call>", "[TOOL]"),
    JsonSchema({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
)


def free(vocabulary: Vocabulary, text: str, budget: int, constraint: Lazy = CALL) -> ConstraintState:
    """A lazy state after `text`, each character a token of its own."""
    state = ConstraintState(vocabulary, constraint, budget)
    for character in text:
        state.accept(vocabulary.spell(character.encode())[0])
    return state


def test_before_its_trigger_a_lazy_constraint_holds_nothing(vocabulary: Vocabulary) -> None:
    state = free(vocabulary, "I think <cal", 100)
    assert state.forced(5) == []
    assert state.may_end
    assert not state.ended
    assert len(allowed(vocabulary, state, 88)) > vocabulary.size - 20


@pytest.mark.parametrize("trigger", CALL.triggers)
def test_from_its_trigger_on_it_holds_wherever_the_tokens_end(vocabulary: Vocabulary, trigger: str) -> None:
    state = free(vocabulary, f"Well. {trigger}", 100)
    assert texts(vocabulary, state.forced(20)) == '{"city":'
    tokens = write(vocabulary, state, 60, wanting(vocabulary, "Rome", '"}', ' "'))
    assert json.loads(texts(vocabulary, tokens)).keys() == {"city"}
    state.rollback(len(tokens) + 2)
    assert state.forced(20) == []
    for character in trigger[-2:]:
        state.accept(vocabulary.spell(character.encode())[0])
    assert texts(vocabulary, state.forced(20)) == '{"city":'


def test_a_token_may_complete_the_trigger_and_go_on(vocabulary: Vocabulary) -> None:
    lazy = Lazy(("=",), Choice(('"yes"', "no")))
    state = free(vocabulary, "a", 100, lazy)
    carrying = {rest: token for token, rest in vocabulary.completing(b"=", within=False)}
    here = allowed(vocabulary, state, 90)
    assert {rest for rest, token in carrying.items() if token in here} == {b"", b'"'}
    assert not state.allows(carrying[b"="])
    state.accept(carrying[b'"'])
    assert {vocabulary.pieces[token] for token in allowed(vocabulary, state, 90)} <= {b"y", b"ye", b"yes", b'yes"'}
    state.rollback(1)
    assert allowed(vocabulary, state, 90) == here


def test_a_trigger_that_would_come_too_late_is_not_written(vocabulary: Vocabulary) -> None:
    last = vocabulary.spell(b">")[0]
    for remaining in range(2, 30):
        state = free(vocabulary, "<call", remaining + 5)
        can = last in allowed(vocabulary, state, remaining)
        assert can == (remaining > 12) or 8 <= remaining <= 16
        if can:
            state.accept(last)
            tokens = write(vocabulary, state, remaining - 1, wanting(vocabulary, "a"))
            assert json.loads(texts(vocabulary, tokens))


def test_tokens_that_complete_a_text() -> None:
    import llguidance

    vocabulary = Vocabulary(llguidance.LLTokenizer("byte"))
    assert vocabulary.completing(b"a", within=False) == [(ord("a"), b"")]
    assert vocabulary.completing(b"ab", within=True) == []
    assert vocabulary.spell("é".encode()[1:]) == [0xA9]
    assert vocabulary.weights([2.0] * 256)[ord("a")] == 2


@pytest.fixture(scope="module")
def model() -> Iterator[tuple[Any, Any, Vocabulary]]:
    loaded = load(weights=True)
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx, parameters.n_threads, parameters.n_threads_batch = 512, 1, 1
    context = llama_cpp.llama_init_from_model(loaded, parameters)
    yield loaded, context, Vocabulary.from_llama(llama_cpp.llama_model_get_vocab(loaded))
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(loaded)


@pytest.mark.engine
@pytest.mark.parametrize(
    "constraint", [JsonSchema(PERSON), JsonSchema({"type": "object"}), Gbnf('root ::= [A-Z] [a-z ]* "."')]
)
def test_the_real_model_in_a_plain_loop(model: tuple[Any, Any, Vocabulary], constraint: JsonSchema | Gbnf) -> None:
    _, context, vocabulary = model
    generator = np.random.default_rng(3)
    for temperature, budget in ((0.2, 48), (2.0, 24)):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        state = ConstraintState(vocabulary, constraint, budget)
        pending = vocabulary.spell(b"Invent a person, with name, tags and age: ")

        def wish(tokens: list[int], pending: list[int] = pending, temperature: float = temperature) -> Logits:
            new = tokens[-1:] or pending
            array = (llama_cpp.llama_token * len(new))(*new)
            assert llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(array, len(new))) == 0
            row = llama_cpp.llama_get_logits_ith(context, -1)
            logits = np.ctypeslib.as_array(ctypes.cast(row, ctypes.POINTER(ctypes.c_float)), (vocabulary.size,))
            logits += temperature * generator.gumbel(size=vocabulary.size).astype(np.float32)
            return logits  # the engine's own buffer

        text = texts(vocabulary, write(vocabulary, state, budget, wish))
        assert state.may_end
        if isinstance(constraint, JsonSchema):
            assert isinstance(json.loads(text), dict)
        else:
            assert text.endswith(".")


@pytest.mark.engine
def test_a_tokenizer_that_writes_spaces_in_its_own_way() -> None:
    """As Llama 2 and Gemma have it: a mark for spaces, one put first, and single bytes for what is not in the list."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    known = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        *'▁abcdemn"{}:,',
        '":',
        "na",
        "me",
        "▁a",
    ]
    merges = [('"', ":"), ("n", "a"), ("m", "e"), ("▁", "a")]
    tokenizer = Tokenizer(models.BPE({text: number for number, text in enumerate(known)}, merges, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(known[:3])
    vocabulary = Vocabulary.from_transformers(PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>"))
    assert vocabulary.ends == (2,)
    for text in ("name", ' "a": ', "é🔥"):
        assert texts(vocabulary, vocabulary.spell(text.encode())) == text
        assert texts(vocabulary, vocabulary.spell_short(text.encode())) == text
    state = ConstraintState(vocabulary, JsonSchema(PERSON), 40)
    json.loads(texts(vocabulary, write(vocabulary, state, 40, wanting(vocabulary, " a", "e"))))
