"""What Prometheus reads at /metrics: requests, tokens, times and rates, in its text format (version 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fireside.models.types import Finished

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_RATES = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)


class Histogram:
    """Counts observations in buckets by their upper bounds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[next((i for i, bound in enumerate(self._bounds) if value <= bound), len(self._bounds))] += 1
        self._sum += value

    def lines(self, name: str) -> list[str]:
        """The samples; each bucket holds those below it too, as the format wants it."""
        lines, total = [], 0
        for bound, count in zip([*map("{:g}".format, self._bounds), "+Inf"], self._counts, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
        return [*lines, f"{name}_sum {self._sum:.6g}", f"{name}_count {total}"]


class Metrics:
    """Everything counted since the server began."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._tokens: Counter[str] = Counter({"prompt": 0, "cached": 0, "completion": 0})
        self._first_token = Histogram(_SECONDS)
        self._rate = Histogram(_RATES)

    def answered(self, route: str, status: int) -> None:
        """A request has ended. route: the path of a known route, or `other`."""
        self._requests[route, status] += 1

    def began(self, seconds: float) -> None:
        """The first piece of a reply came that long after its request."""
        self._first_token.observe(seconds)

    def finished(self, end: Finished) -> None:
        """A reply has ended."""
        self._tokens["prompt"] += end.usage.prompt_tokens
        self._tokens["cached"] += end.usage.cached_tokens
        self._tokens["completion"] += end.usage.completion_tokens
        if end.timings.tokens_per_s > 0:
            self._rate.observe(end.timings.tokens_per_s)

    def text(self, active: int, writing: int) -> str:
        """The whole page. active: requests being worked on; writing: replies being written."""
        requests = [
            f'fireside_requests_total{{route="{route}",status="{status}"}} {count}'
            for (route, status), count in sorted(self._requests.items())
        ]
        tokens = [f'fireside_tokens_total{{kind="{kind}"}} {count}' for kind, count in self._tokens.items()]
        first, rate = "fireside_first_token_seconds", "fireside_generation_tokens_per_second"
        blocks = (
            ("fireside_requests_total", "counter", "HTTP requests by route and status.", requests),
            ("fireside_tokens_total", "counter", "Tokens of prompts, of these cached, and of replies.", tokens),
            (first, "histogram", "From the request to the first piece of a reply.", self._first_token.lines(first)),
            (rate, "histogram", "Rate of a reply after its prompt.", self._rate.lines(rate)),
            ("fireside_active_requests", "gauge", "Under way.", [f"fireside_active_requests {active}"]),
            ("fireside_active_replies", "gauge", "Being written.", [f"fireside_active_replies {writing}"]),
        )
        lines: list[str] = []
        for name, kind, what, samples in blocks:
            lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}", *samples]
        return "\n".join(lines) + "\n"
