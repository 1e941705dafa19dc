from __future__ import annotations

import json
import math
from typing import Any

import pytest

from fireside.models.types import Delta, Finished, PromptScored, Timings, Tokens, TokenScore, Usage

PROMPT = (
    TokenScore(1, b"Gr", None),
    TokenScore(2, b"\xc3", -1.0, ((b"\xc3", -1.0),)),
    TokenScore(3, b"\xbc", -0.5, ((b"e", -0.25),)),
    TokenScore(4, b"n", -math.inf, ((b"r", -0.125),)),
)
WRITTEN = TokenScore(5, b"!", -0.75, ((b"!", -0.75),))
CUT = Finished("length", Usage(4, 0, 1), Timings())
ENDED = Finished("stop", Usage(4, 0, 0), Timings())


async def test_a_text_is_continued(asking: Any) -> None:
    async with asking([["more", CUT]]) as asked:
        response = await asked.post("completions", prompt="Once", suffix="")
        [request] = asked.model.requests
    assert (request.prompt, request.max_tokens, request.scores, request.score_prompt) == ("Once", 16, None, False)
    answer = response.json()
    assert (answer["object"], answer["usage"]["total_tokens"]) == ("text_completion", 5)
    assert answer["choices"] == [{"index": 0, "text": "more", "logprobs": None, "finish_reason": "length"}]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a", ["a"]),
        (["a", "b"], ["a", "b"]),
        ([1, 2], [Tokens((1, 2))]),
        ([[1, 2], [3]], [Tokens((1, 2)), Tokens((3,))]),
    ],
)
async def test_prompts_in_four_forms(asking: Any, prompt: Any, expected: list[Any]) -> None:
    async with asking([["x"]] * len(expected)) as asked:
        response = await asked.post("completions", prompt=prompt)
        assert [request.prompt for request in asked.model.requests] == expected
    assert [choice["index"] for choice in response.json()["choices"]] == list(range(len(expected)))


async def test_each_prompt_gets_n_choices_and_counts_once(asking: Any) -> None:
    async with asking([["1"], ["2"], ["3"], ["4"]]) as asked:
        response = await asked.post("completions", prompt=["a b c", "d"], n=2)
    answer = response.json()
    assert [choice["text"] for choice in answer["choices"]] == ["1", "2", "3", "4"]
    assert answer["usage"]["prompt_tokens"] == 4


async def test_a_scored_prompt_in_the_legacy_shape(asking: Any) -> None:
    async with asking([[PromptScored(PROMPT), Delta("!", (WRITTEN,)), CUT]]) as asked:
        response = await asked.post("completions", prompt=[1, 2, 3, 4], echo=True, logprobs=1, max_tokens=1)
        [request] = asked.model.requests
    assert (request.scores, request.score_prompt) == (1, True)
    [choice] = response.json()["choices"]
    assert choice["text"] == "Grün!"
    assert choice["logprobs"] == {
        "tokens": ["Gr", "bytes:\\xc3", "bytes:\\xbc", "n", "!"],
        "token_logprobs": [None, -1.0, -0.5, -9999.0, -0.75],
        "top_logprobs": [
            None,
            {"bytes:\\xc3": -1.0},
            {"e": -0.25, "bytes:\\xbc": -0.5},
            {"r": -0.125, "n": -9999.0},
            {"!": -0.75},
        ],
        "text_offset": [0, 2, 2, 3, 4],
    }


async def test_a_reply_that_ends_at_once_still_has_a_last_token(asking: Any) -> None:
    """Evaluation programs cut the last token off; it must not be one of the prompt's."""
    async with asking([[PromptScored(PROMPT), ENDED]]) as asked:
        response = await asked.post("completions", prompt=[1, 2, 3, 4], echo=True, logprobs=1, max_tokens=1)
    logprobs = response.json()["choices"][0]["logprobs"]
    assert logprobs["tokens"] == ["Gr", "bytes:\\xc3", "bytes:\\xbc", "n", ""]
    assert logprobs["token_logprobs"][:-1] == [None, -1.0, -0.5, -9999.0]


async def test_of_two_tokens_with_one_text_the_likelier_counts(asking: Any) -> None:
    score = TokenScore(9, b"a", -3.0, ((b"a", -1.0),))
    async with asking([[Delta("a", (score,)), CUT]]) as asked:
        response = await asked.post("completions", prompt="x", logprobs=1)
    assert response.json()["choices"][0]["logprobs"]["top_logprobs"] == [{"a": -1.0}]


async def test_an_echo_without_scores(asking: Any) -> None:
    async with asking([["!", CUT], [PromptScored(PROMPT), "!", CUT]]) as asked:
        text = await asked.post("completions", prompt="Grün", echo=True)
        tokens = await asked.post("completions", prompt=[1, 2, 3, 4], echo=True)
        assert [(each.scores, each.score_prompt) for each in asked.model.requests] == [(None, False), (0, True)]
    for response in (text, tokens):
        [choice] = response.json()["choices"]
        assert (choice["text"], choice["logprobs"]) == ("Grün!", None)


async def test_a_stream_with_echo_and_scores(asking: Any, events_of: Any) -> None:
    async with asking([[PromptScored(PROMPT), Delta("!", (WRITTEN,)), CUT]]) as asked:
        response = await asked.post(
            "completions", prompt=[1, 2, 3, 4], echo=True, logprobs=1, max_tokens=1, stream=True,
            stream_options={"include_usage": True},
        )  # fmt: skip
    *chunks, done = events_of(response)
    echoed, written, end, usage = map(json.loads, chunks)
    assert done == "[DONE]"
    assert echoed["choices"][0]["text"] == "Grün"
    assert written["choices"][0]["logprobs"]["text_offset"] == [4]
    assert [each["choices"][0]["finish_reason"] for each in (echoed, written, end)] == [None, None, "length"]
    assert usage["usage"]["total_tokens"] == 5


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": [1, "a"]}, "prompt"),
        ({"prompt": [True]}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
        ({"prompt": [1.5]}, "prompt"),
        ({"prompt": ["a"] * 129}, "prompt"),
        ({"prompt": "a", "logprobs": 21}, "logprobs"),
        ({"prompt": "a", "logprobs": True}, "logprobs"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
        ({"prompt": "a", "echo": "yes"}, "echo"),
    ],
)
async def test_a_wrong_field_is_named(asking: Any, body: dict[str, Any], param: str) -> None:
    async with asking() as asked:
        response = await asked.post("completions", **body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
