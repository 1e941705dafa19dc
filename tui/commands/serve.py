"""`fireside serve`: an OpenAI-compatible API over the chat model, its adapters and the bundled encoder; or the app in a
browser."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from tui.console import emit, note

DEFAULT_PORT = 11435
WEB_PORT = 11436
_LIMITS = {"parallel": 4, "waiting": 32, "max_body": 8, "timeout": 600}
"""What the API keeps to where the line names no other; the app in a browser has none of these."""


def add_parser(subparsers: Any) -> None:
    """Add the `serve` subcommand."""
    parser = subparsers.add_parser(
        "serve",
        allow_abbrev=False,  # `--token SECRET` must not pass for the beginning of --token-file
        help="an OpenAI-compatible API, or the app in a browser",
        description="Serve the model over HTTP: /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models, "
        "/health and /metrics. Models are named MODEL or MODEL:ADAPTER. Only this machine can connect; for another "
        "--host a bearer token of at least 16 characters is needed, in FIRESIDE_SERVE_TOKEN or a file. With --web, the "
        "app itself in a browser of this machine.",
    )
    parser.add_argument("--model", help="a model's name, or the path of a GGUF file")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default 127.0.0.1)")
    parser.add_argument(
        "--port", type=_between(0, 65535), help=f"0 takes any free one (default {DEFAULT_PORT}, of --web {WEB_PORT})"
    )
    parser.add_argument(
        "--web", action="store_true", help="serve the app to a browser of this machine instead, at a secret address"
    )
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="ask clients for the bearer token in this file")
    parser.add_argument("--parallel", type=_between(1, 64), metavar="N", help="replies written at once (default 4)")
    parser.add_argument("--waiting", type=_between(0, 10_000), metavar="N", help="requests that may wait (default 32)")
    parser.add_argument("--max-body", type=_between(1, 1024), metavar="MB", help="the largest request (default 8 MB)")
    parser.add_argument(
        "--timeout", type=_between(1, 86_400), metavar="S", help="seconds for one request (default 600)"
    )
    parser.add_argument("--json", action="store_true", help='print {"url": ...} on stdout when ready')
    parser.set_defaults(handler=run)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    return _run_web(options) if options.web else _run_api(options)


def _run_web(options: argparse.Namespace) -> int:
    from textual.theme import BUILTIN_THEMES

    from fireside.errors import FiresideError
    from fireside.settings import load
    from tui.serve.listen import bound
    from tui.serve.web import serve_web
    from tui.theme import THEMES

    for name in ("token_file", *_LIMITS):
        if getattr(options, name) is not None:
            raise FiresideError(
                f"--{name.replace('_', '-')} is for the API",
                "leave it out: with --web a token is drawn anew, and each page has a model of its own",
            )

    def ready(url: str) -> None:
        if options.json:
            emit({"url": url})
        else:
            note(f"open {url}\nwhoever has this address can use the app; Ctrl-C ends it")

    arguments = ["--model", options.model] if options.model else []
    port = WEB_PORT if options.port is None else options.port
    theme = (BUILTIN_THEMES | THEMES)[load().theme]
    return asyncio.run(serve_web(theme, arguments, bound(options.host, port), ready))


def _run_api(options: argparse.Namespace) -> int:
    from fireside.settings import load
    from tui.models import open_model
    from tui.serve.access import read_token
    from tui.serve.limits import Limits
    from tui.serve.listen import bound, serve

    port = DEFAULT_PORT if options.port is None else options.port
    token = read_token(options.token_file)
    limit = {
        name: usual if getattr(options, name) is None else getattr(options, name) for name, usual in _LIMITS.items()
    }
    model = open_model(load(), options.model, parallel=limit["parallel"])
    limits = Limits(
        parallel=limit["parallel"],
        waiting=limit["waiting"],
        body=limit["max_body"] * 1_000_000,
        request_s=limit["timeout"],
    )

    def ready(url: str) -> None:
        if options.json:
            emit({"url": url, "model": model.name})
        else:
            note(f"serving {model.name} at {url}/v1")

    return asyncio.run(serve(model, bound(options.host, port), token, limits, ready))


def _between(least: int, most: int) -> Any:
    """An option's value: a whole number in that range."""

    def number(text: str) -> int:
        if not text.isdecimal() or len(text) > 9 or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return number
