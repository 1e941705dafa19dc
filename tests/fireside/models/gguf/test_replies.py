"""Replies of the real engine: what they say, how they end, what is kept, and several at once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import engine_replies
import numpy as np
import pytest
from engine_replies import chat, replies, text_of, written

from fireside.errors import ModelError
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.constraints import Choice, Gbnf, JsonSchema, Lazy
from fireside.models.gguf.engine import GgufEngine
from fireside.models.gguf.forcing import TeacherForcing
from fireside.models.gguf.loading import GgufLoading
from fireside.models.sampling import GREEDY, NEUTRAL, Sampling
from fireside.models.types import (
    Delta,
    Finished,
    Foreseen,
    Message,
    PromptScored,
    Request,
    Tokens,
)

pytestmark = pytest.mark.engine

LOADING = GgufLoading(located(CHAT_MODEL), context_length=512, sequences=4, threads=1)


@pytest.fixture(scope="module")
def engine() -> Iterator[GgufEngine]:
    engine = GgufEngine(LOADING, CHAT_MODEL.sha256)
    yield engine
    engine.close()


def asked(text: str, most: int = 24, sampling: Sampling = GREEDY, **more: Any) -> Request:
    return engine_replies.asked(text, most, sampling, **more)


def test_greedy_is_repeatable_and_the_cache_changes_nothing(engine: GgufEngine) -> None:
    request = asked("Name three colours of the rainbow.")
    first, _ = written(engine, request)
    second, end = written(engine, request)
    assert first == second != ""
    assert end.usage.cached_tokens == end.usage.prompt_tokens - 1
    going_on = Request((*chat("Name three colours of the rainbow.", first), *chat("And one more.")), GREEDY, 8)
    foreseen = engine.foresee(going_on)
    _, end = written(engine, going_on)
    assert end.usage.cached_tokens > 30
    assert foreseen == Foreseen(end.usage.prompt_tokens, end.usage.cached_tokens)


def test_a_seed_makes_a_hot_reply_repeatable(engine: GgufEngine) -> None:
    hot = [asked("Write a line.", sampling=replace(NEUTRAL, temperature=1.2, seed=seed)) for seed in (3, 3, 4)]
    texts = [written(engine, request)[0] for request in hot]
    assert texts[0] == texts[1] != texts[2]


def test_replies_computed_together_are_those_computed_alone(engine: GgufEngine) -> None:
    questions = [
        "What is the capital of France?",
        "Name a fruit.",
        "What is 2 + 2?",
        "Write a story.",
        "Say hi.",
        "Why?",
    ]
    requests = [asked(question, 12) for question in questions]
    alone = [written(engine, request)[0] for request in requests]
    together = replies(engine, *requests)
    texts = [text_of(events) for events in together]
    # Sums are rounded in another order in a larger batch, so a reply may part at a near tie; most do not.
    assert sum(one == other for one, other in zip(alone, texts, strict=True)) >= 4
    assert all(isinstance(events[-1], Finished) for events in together)


def test_stop_strings_and_max_tokens(engine: GgufEngine) -> None:
    request = asked("Count from one to five in words.", 12)
    whole, end = written(engine, request)
    assert (end.reason, end.usage.completion_tokens) == ("length", 12)
    stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
    cut, end = written(engine, replace(request, stop=(stop,)))
    assert (cut, end.reason) == (whole.split(stop)[0], "stop")
    assert written(engine, replace(request, max_tokens=0))[0] == ""


def test_a_reply_ends_by_itself_and_its_text_holds_no_special_token(engine: GgufEngine) -> None:
    text, end = written(engine, asked("What is the capital of France? Answer with one word.", 60))
    assert end.reason == "stop"
    assert "Paris" in text
    assert "<|" not in text


def test_a_cancel_ends_one_reply_and_the_others_go_on(engine: GgufEngine) -> None:
    expected, _ = written(engine, asked("Name a fruit.", 8))
    engine.submit(1, asked("Write a long story.", 200))
    engine.submit(2, asked("Name a fruit.", 8))
    events: dict[int, list[Any]] = {1: [], 2: []}
    while engine.busy:
        for number, event in engine.step():
            events[number].append(event)
        if len(events[1]) == 3:
            engine.cancel(1)
    assert events[1][-1].reason == "cancelled"
    assert events[1][-1].usage.completion_tokens < 10
    assert "".join(event.text for event in events[2][:-1]) == expected
    engine.submit(3, asked("word " * 300))
    engine.cancel(3)
    assert [event.reason for _, event in engine.step()] == ["cancelled"]  # type: ignore[union-attr]


def test_a_prompt_longer_than_the_context_is_refused_and_one_that_just_fits_is_not(engine: GgufEngine) -> None:
    with pytest.raises(ModelError, match="512"):
        engine.submit(1, Request(Tokens((1,) * 512), GREEDY, 5))
    with pytest.raises(ModelError, match="prompt is empty"):
        engine.submit(1, Request(Tokens(()), GREEDY, 5))
    _, end = written(engine, Request(Tokens((338,) * 509), GREEDY, 50))
    assert end.usage.completion_tokens <= 3


def test_more_replies_than_fit_wait_their_turn(engine: GgufEngine) -> None:
    # Each may need the whole length of its context, so four are computed at once; all end at their first token.
    (end_token,) = engine.model.tokenize("<|im_end|>", add_special=False)
    at_once = replace(GREEDY, logit_bias={end_token: 1e6})
    events = replies(engine, *(Request(Tokens((338 + number,) * 30), at_once, 480) for number in range(9)))
    assert all(isinstance(each[-1], Finished) for each in events)


def test_speculation_changes_nothing_but_the_pace() -> None:
    # Ours guesses; the other does not.
    passage = "The lighthouse keeper counted nine ships, four gulls and one very small dog on the long stone pier. "
    request = Request(
        chat(f"Repeat this text word for word: {passage * 2}"), GREEDY, 40, reply_prefix="The lighthouse keeper counted"
    )
    hot = replace(request, sampling=replace(NEUTRAL, temperature=0.7, top_p=0.9, seed=5))
    texts = {}
    for speculate in (True, False):
        engine = GgufEngine(replace(LOADING, speculate=speculate))
        try:
            texts[speculate] = [written(engine, each) for each in (request, hot)]
        finally:
            engine.close()
    assert [text for text, _ in texts[True]] == [text for text, _ in texts[False]]
    assert texts[True][0][1].usage.accepted_tokens > 5
    assert texts[False][0][1].usage.drafted_tokens == 0


def test_a_draft_model_guesses_and_changes_nothing() -> None:
    request = asked("Write a story about a fox and a lighthouse.", 30)
    plain = GgufEngine(replace(LOADING, speculate=False))
    drafted = GgufEngine(replace(LOADING, draft=located(CHAT_MODEL)))
    try:
        expected, _ = written(plain, request)
        text, end = written(drafted, request)
    finally:
        plain.close()
        drafted.close()
    assert text == expected
    assert end.usage.accepted_tokens > 5


@pytest.mark.parametrize("hot", [False, True])
def test_banned_phrases_never_appear(engine: GgufEngine, hot: bool) -> None:
    request = asked("Write a very long story about a fire in the mountains.", 60)
    text, _ = written(engine, request)
    words = [word for word in text.split() if len(word) > 3][:4]
    assert words
    sampling = replace(GREEDY, banned_phrases=tuple(words))
    if hot:
        sampling = replace(sampling, temperature=0.8, top_p=0.95, repeat_penalty=1.1, dry_multiplier=0.8, seed=7)
    for _ in range(3 if hot else 1):
        other, end = written(engine, replace(request, sampling=sampling))
        assert not [word for word in words if word.lower() in other.lower()], other
        assert other
        assert end.usage.completion_tokens > 5


def test_a_ban_that_leaves_no_way_out_ends_the_reply(engine: GgufEngine) -> None:
    request = asked("Choose.", sampling=replace(GREEDY, banned_phrases=("yes", "no")), constraint=Choice(("yes", "no")))
    text, end = written(engine, request)
    assert "yes" not in text
    assert "no" not in text
    assert end.reason == "stop"


def test_a_ban_that_a_constraint_forces_behind_free_text_ends_the_reply_soon(engine: GgufEngine) -> None:
    place = {"city": {"type": "string", "maxLength": 12}, "temperature": {"type": "number"}}
    schema = {"type": "object", "properties": place, "required": ["city", "temperature"], "additionalProperties": False}
    banned = replace(GREEDY, banned_phrases=("temperature",))
    request = asked("The weather in Paris, as JSON.", 60, banned, constraint=JsonSchema(schema))
    text, end = written(engine, request)
    assert "temperature" not in text
    assert end.reason == "stop"


ALL_SAMPLERS = Sampling(
    logit_bias={0: -math.inf},
    repeat_penalty=1.1,
    frequency_penalty=0.1,
    presence_penalty=0.1,
    penalty_window=-1,
    dry_multiplier=0.8,
    top_n_sigma=2.0,
    top_k=50,
    typical_p=0.95,
    top_p=0.95,
    min_p=0.02,
    xtc_probability=0.3,
    temperature=0.9,
    temperature_range=0.3,
    seed=1,
)


@pytest.mark.parametrize(
    "sampling",
    [
        ALL_SAMPLERS,
        replace(NEUTRAL, mirostat=1, seed=1),
        replace(NEUTRAL, mirostat=2, seed=1),
        replace(NEUTRAL, top_n_sigma=1.0, seed=1),
        replace(NEUTRAL, typical_p=0.5, seed=1),
        replace(NEUTRAL, xtc_probability=1.0, seed=1),
        replace(NEUTRAL, temperature_range=0.9, seed=1),
        replace(NEUTRAL, min_p=0.3, seed=1),
        replace(NEUTRAL, top_k=2, seed=1),
    ],
)
def test_every_sampler_works_and_is_repeatable(engine: GgufEngine, sampling: Sampling) -> None:
    request = asked("Write a line of a poem.", 12, sampling)
    assert written(engine, request)[0] == written(engine, request)[0] != ""
    if sampling is not ALL_SAMPLERS:
        assert (
            written(engine, request)[0]
            != written(engine, asked("Write a line of a poem.", 12, replace(NEUTRAL, seed=1)))[0]
        )


def test_penalties_dry_and_bias_bear_on_greedy_replies(engine: GgufEngine) -> None:
    request = Request("na na na na na na na na", GREEDY, 16)
    plain, _ = written(engine, request)
    for change in ({"repeat_penalty": 1.8}, {"dry_multiplier": 5.0}, {"presence_penalty": 9.0}):
        assert written(engine, replace(request, sampling=replace(GREEDY, **change)))[0] != plain
    (token,) = engine.model.tokenize(" na", add_special=False)
    assert " na" not in written(engine, replace(request, sampling=replace(GREEDY, logit_bias={token: -math.inf})))[0]


def test_settings_left_open_are_the_models_own(engine: GgufEngine) -> None:
    recommended = engine.info("x").sampling
    assert (recommended.temperature, recommended.top_p) == (0.2, 0.9)
    open_ones = asked("Write a line.", 12, Sampling(seed=3))
    assert written(engine, open_ones)[0] == written(engine, asked("Write a line.", 12, replace(recommended, seed=3)))[0]


def test_scores_are_the_models_probabilities() -> None:
    engine = GgufEngine(LOADING)
    text = "The capital of France is Paris, and the capital of Italy is"
    ((scored, *events, end),) = replies(engine, Request(text, GREEDY, 3, scores=2, score_prompt=True))
    tokens = engine.model.tokenize(text, add_special=True)
    engine.close()
    assert isinstance(end, Finished)
    assert isinstance(scored, PromptScored)
    assert [each.token for each in scored.scores] == tokens
    assert scored.scores[0].logprob is None
    assert b"".join(each.data for each in scored.scores).decode() == text
    forcing = TeacherForcing(located(CHAT_MODEL), context_length=512, threads=1)
    logits = forcing.logits(tokens).astype(np.float64)
    forcing.free()
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    for place, each in enumerate(scored.scores[1:]):
        assert each.logprob == pytest.approx(expected[place, each.token], abs=1e-3)
        assert len(each.top) == 2
        assert each.top[0][1] == pytest.approx(expected[place].max(), abs=1e-3)
    own = [score for event in events if isinstance(event, Delta) for score in event.scores]
    assert len(own) == end.usage.completion_tokens
    # Greedy: what was written is what was likeliest.
    assert all(score.logprob == score.top[0][1] for score in own)


def test_a_scored_reply_tells_one_score_a_token_whatever_is_held_back(engine: GgufEngine) -> None:
    request = asked("Write a story.", 20, scores=0, stop=("never there",))
    ((*events, end),) = replies(engine, replace(request, sampling=replace(GREEDY, banned_phrases=("once upon",))))
    assert isinstance(end, Finished)
    scores = [score for event in events if isinstance(event, Delta) for score in event.scores]
    assert len(scores) == end.usage.completion_tokens
    text = text_of(events)
    assert b"".join(score.data for score in scores).decode() == text


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 120}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def test_constrained_replies_parse_and_end(engine: GgufEngine) -> None:
    for sampling in (GREEDY, replace(NEUTRAL, temperature=1.5, seed=2)):
        text, end = written(engine, asked("Invent a person.", 60, sampling, constraint=JsonSchema(SCHEMA)))
        assert end.reason == "stop"
        person = json.loads(text)
        assert person.keys() == {"name", "age"}
        assert 0 <= person["age"] <= 120


def test_one_of_some_texts(engine: GgufEngine) -> None:
    texts = ("calculator", 'a "quoted" one', "none\nat all", "back\\slash")
    for seed in range(4):
        request = asked("Choose.", 40, replace(NEUTRAL, temperature=2.0, seed=seed), constraint=Choice(texts))
        assert written(engine, request)[0] in texts


def test_a_lazy_constraint_holds_from_its_trigger_on(engine: GgufEngine) -> None:
    lazy = Lazy((" 4",), Choice(("!!! and no more",)))
    text, end = written(engine, asked("What is 2 + 2? Answer in a sentence.", 40, constraint=lazy))
    before, trigger, after = text.partition(" 4")
    if trigger:
        assert after == "!!! and no more"
        assert end.reason == "stop"
    assert before


def test_a_grammar_that_cannot_be_read_is_refused_at_once(engine: GgufEngine) -> None:
    for rules in ("root ::= (", "nothing", "root ::= missing"):
        with pytest.raises(ModelError):
            engine.submit(1, asked("x", 5, constraint=Gbnf(rules)))
    assert not engine.busy
    assert written(engine, asked("Say hi."))[0]


def test_emoji_are_streamed_whole(engine: GgufEngine) -> None:
    flames = "🔥🦊👩\u200d🚀"
    ((*events, _),) = replies(engine, asked("Repeat.", 40, constraint=Choice((flames,))))
    texts = [event.text for event in events if isinstance(event, Delta)]
    assert "".join(texts) == flames
    assert not [text for text in texts if "\ufffd" in text]


def test_tokens_that_are_no_utf8_become_replacement_characters(engine: GgufEngine) -> None:
    continuing = [bytes([value]) for value in range(0x80, 0xC0)]
    piece = next(token for token in range(engine.model.vocabulary_size) if engine.model.piece(token) in continuing)
    text, end = written(engine, asked("x", 3, replace(GREEDY, logit_bias={piece: 1e6})))
    assert text == "\ufffd" * 3
    assert end.usage.completion_tokens == 3


def test_an_empty_reply_is_a_finished_one(engine: GgufEngine) -> None:
    (end_token,) = engine.model.tokenize("<|im_end|>", add_special=False)
    text, end = written(engine, asked("x", 5, replace(GREEDY, logit_bias={end_token: 1e6})))
    assert (text, end.reason, end.usage.completion_tokens) == ("", "stop", 0)
    assert written(engine, asked("Say hi."))[0]


def test_a_conversation_goes_on_from_disk_after_a_restart(tmp_path: Path) -> None:
    loading = replace(LOADING, sequences=1, kv_folder=tmp_path / "kv")
    said = chat("Tell me of ships. " * 20)
    request = Request(said, GREEDY, 12, keep=True)
    first = GgufEngine(loading, CHAT_MODEL.sha256)
    text, _ = written(first, request)
    first.idle()
    first.close()
    second = GgufEngine(loading, CHAT_MODEL.sha256)
    going_on = Request((*said, Message("assistant", text), *chat("Go on.")), GREEDY, 4, keep=True)
    foreseen = second.foresee(going_on)
    _, end = written(second, going_on)
    second.close()
    assert foreseen.cached_tokens == end.usage.cached_tokens > 100
    other = GgufEngine(loading, "another model")
    assert written(other, request)[1].usage.cached_tokens == 0
    other.close()
