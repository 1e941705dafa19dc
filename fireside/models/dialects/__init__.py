"""The dialects in which families of models write tool calls and thinking: recognised, parsed, and held to."""

from fireside.models.dialects.families import CALL_BEGIN, CALL_END, Dialect, dialect_of
from fireside.models.dialects.holding import call_constraint
from fireside.models.dialects.python_grammar import python_call
from fireside.models.dialects.reply import ReplyParser, opens_thinking

__all__ = [
    "CALL_BEGIN",
    "CALL_END",
    "Dialect",
    "ReplyParser",
    "call_constraint",
    "dialect_of",
    "opens_thinking",
    "python_call",
]
