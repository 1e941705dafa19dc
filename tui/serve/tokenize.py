"""/tokenize: how many tokens a text or a conversation takes with the template; as vLLM has it, without the tokens."""

from __future__ import annotations

from typing import Any

from fireside.errors import FiresideError
from fireside.models.types import Prompt
from tui.serve.chat import messages_of
from tui.serve.problems import failure, wrong
from tui.serve.service import Service
from tui.serve.shapes import TokenizeBody


async def tokenize(service: Service, body: TokenizeBody) -> dict[str, Any]:
    """The count, and how many tokens the context holds. Raises ApiError."""
    if (body.prompt is None) == (body.messages is None):
        raise wrong("prompt", "either a prompt or messages are needed")
    service.adapters_for(body.model)
    prompt: Prompt = body.prompt if body.prompt is not None else messages_of(body.messages or [])
    await service.started()
    try:
        count = await service.model.count_tokens(prompt)
    except FiresideError as error:
        raise failure(error) from error
    return {"count": count, "max_model_len": service.info.context_length}
