"""What an MCP server answered, as text for the model: words joined, images and files named but not shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp_types import CallToolResult, ContentBlock, GetPromptResult, ReadResourceResult


def text_of_call(result: CallToolResult) -> str:
    """A tool's result: its content, and its structured content as JSON where the content does not already say it."""
    text = _joined(_block(each) for each in result.content)
    structured = result.structured_content
    if structured is None or (text and _says(text, structured)):
        return text or "(no result)"
    return _joined([text, json.dumps(structured, ensure_ascii=False)])


def text_of_prompt(result: GetPromptResult) -> str:
    """A prompt's messages, each with its role in front."""
    return _joined(f"{each.role}: {_block(each.content)}" for each in result.messages) or "(an empty prompt)"


def text_of_resource(result: ReadResourceResult) -> str:
    """A resource's contents."""
    return _joined(_resource(each) for each in result.contents) or "(an empty resource)"


def _block(block: ContentBlock) -> str:
    match block.type:
        case "text":
            return block.text
        case "resource":
            return _resource(block.resource)
        case "resource_link":
            return f"[a resource: {block.name}, {block.uri}]"
        case _:
            return f"[{block.type}, {block.mime_type}, {_bytes(block.data)} bytes, not shown]"


def _resource(contents: Any) -> str:
    text = getattr(contents, "text", None)
    if isinstance(text, str):
        return text
    return f"[{contents.mime_type or 'data'}, {_bytes(contents.blob)} bytes, not shown]"


def _bytes(base64: str) -> int:
    """How many bytes a text in base64 stands for."""
    return len(base64.rstrip("=")) * 3 // 4


def _says(text: str, structured: Any) -> bool:
    """Whether `text` holds what `structured` does: its JSON, or the one value that an SDK puts under `result`."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = text
    return structured in (said, {"result": said}, {"result": text})


def _joined(parts: Iterable[str]) -> str:
    return "\n".join(part for part in parts if part)
