"""Keeps what the MCP SDK logs off the terminal."""

from __future__ import annotations

import logging


def keep_quiet() -> None:
    """Drop the SDK's log, tracebacks among it: what matters to the person comes as an error."""
    for name in ("mcp", "client"):
        logger = logging.getLogger(name)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
