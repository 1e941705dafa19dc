from __future__ import annotations

import re
from typing import Any

from fireside.models.types import Finished, Timings, Usage
from tui.serve.metrics import Histogram


async def test_the_page_counts_requests_tokens_and_times(asking: Any) -> None:
    end = Finished("stop", Usage(12, 4, 1), Timings(tokens_per_s=50.0))
    async with asking([["a", end], ["b", end]]) as asked:
        await asked.chat()
        await asked.chat(stream=True)
        await asked.chat(n=0)
        await asked.client.get("/secret-path")
        response = await asked.client.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = response.text.splitlines()
    for line in (
        'fireside_requests_total{route="/v1/chat/completions",status="200"} 2',
        'fireside_requests_total{route="/v1/chat/completions",status="400"} 1',
        'fireside_requests_total{route="other",status="404"} 1',
        'fireside_tokens_total{kind="prompt"} 24',
        'fireside_tokens_total{kind="cached"} 8',
        'fireside_tokens_total{kind="completion"} 2',
        "fireside_first_token_seconds_count 2",
        'fireside_generation_tokens_per_second_bucket{le="40"} 0',
        'fireside_generation_tokens_per_second_bucket{le="80"} 2',
        "fireside_active_requests 0",
    ):
        assert line in lines
    sample = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+')
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in lines)


def test_a_histograms_buckets_add_up() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 99.0):
        histogram.observe(value)
    assert histogram.lines("x") == [
        'x_bucket{le="1"} 2', 'x_bucket{le="2"} 3', 'x_bucket{le="+Inf"} 4', "x_sum 102", "x_count 4",
    ]  # fmt: skip
