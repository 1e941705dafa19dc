from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from fireside.encoder import bundled_encoder


async def test_vectors_as_numbers_and_as_base64(asking: Any) -> None:
    texts = ["a warm fire", "ein warmes Feuer"]
    async with asking() as asked:
        numbers = (await asked.post("embeddings", model="all-minilm-l6-v2", input=texts)).json()
        packed = (await asked.post("embeddings", input=texts[0], encoding_format="base64")).json()
    expected = bundled_encoder().encode(texts)
    assert [each["index"] for each in numbers["data"]] == [0, 1]
    np.testing.assert_allclose([each["embedding"] for each in numbers["data"]], expected, atol=1e-6)
    vector = np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), "<f4")
    np.testing.assert_allclose(vector, expected[0], atol=1e-6)
    assert packed["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
    assert numbers["model"] == "all-minilm-l6-v2"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": [1, 2]}, 400, "input"),
        ({"input": ["a"] * 2049}, 400, "input"),
        ({"input": "a", "dimensions": 100}, 400, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, 400, "encoding_format"),
        ({"input": "a", "model": "scripted"}, 404, "model"),
    ],
)
async def test_a_wrong_field_is_named(asking: Any, body: dict[str, Any], status: int, param: str) -> None:
    async with asking() as asked:
        response = await asked.post("embeddings", **body)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)
