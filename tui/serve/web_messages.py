"""What the page's script and the app tell each other, beside what is drawn, and what is let through of it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

_LARGEST_SIZE = 1000
_OPENED = ("http", "https", "mailto")


def from_page(text: str | None) -> str | dict[str, Any] | None:
    """What a message of the page's script is for the app: keys, or a message of Textual's protocol, or nothing."""
    try:
        message = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    match message:
        case ["stdin", str(keys)]:
            return keys
        case ["resize", {"width": width, "height": height}]:
            return {"type": "resize", "width": cells(width), "height": cells(height)}
        case ["focus" | "blur" as kind]:
            return {"type": kind}
    return None


def for_page(data: bytes) -> str | None:
    """What the page's script is told of a message of the app's: to open an address of the web or of mail in a tab.

    An address can come from a model's words, so that no other kind is opened, nor one that is none.
    """
    match json.loads(data):
        case {"type": "open_url", "url": str(url)} if _scheme(url) in _OPENED:
            return json.dumps(["open_url", {"url": url, "new_tab": True}])
    return None


def cells(given: object) -> int:
    """A width or height as a browser names it, within what a terminal can be."""
    try:
        return min(max(int(str(given)), 1), _LARGEST_SIZE)
    except ValueError:
        return 80


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""
