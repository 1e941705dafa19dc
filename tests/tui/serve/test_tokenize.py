from __future__ import annotations

from typing import Any

import pytest

from fireside.errors import ModelError
from fireside.models.scripted import ScriptedModel

USER = {"role": "user", "content": "one two three"}


async def test_tokens_of_a_text_and_of_a_conversation(asking: Any) -> None:
    async with asking() as asked:
        text = (await asked.client.post("/tokenize", json={"prompt": "one two three"})).json()
        chat = (await asked.client.post("/tokenize", json={"messages": [USER]})).json()
        assert text["count"] == await asked.model.count_tokens("one two three")
        assert chat["count"] >= text["count"] > 0
        assert text["max_model_len"] == asked.service.info.context_length


@pytest.mark.parametrize("body", [{}, {"prompt": "a", "messages": [USER]}, {"messages": []}, {"prompt": 5}])
async def test_one_of_the_two_is_needed(asking: Any, body: dict[str, Any]) -> None:
    async with asking() as asked:
        response = await asked.client.post("/tokenize", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


async def test_another_model_is_not_counted_with(asking: Any) -> None:
    async with asking() as asked:
        response = await asked.client.post("/tokenize", json={"prompt": "a", "model": "other"})
    assert response.status_code == 404


async def test_a_model_that_cannot_count_is_one_error(asking: Any) -> None:
    class Failing(ScriptedModel):
        async def count_tokens(self, prompt: object) -> int:
            raise ModelError("the template is broken", "choose another")

    async with asking(model=Failing([])) as asked:
        response = await asked.client.post("/tokenize", json={"prompt": "one"})
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "the template is broken; choose another"
