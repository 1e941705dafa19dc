from __future__ import annotations

import json
from typing import Any

from fireside import paths
from fireside.models import adapters
from fireside.models.types import AdapterUse


def keep_card(name: str, sha256: str = "0" * 64, verified: bool | None = True) -> None:
    folder = paths.adapters_folder() / name
    folder.mkdir(parents=True)
    base = {"name": "scripted", "sha256": sha256, "architecture": "scripted"}
    (folder / adapters.CARD_FILE).write_text(json.dumps({"base": base, "verified": verified}))


async def test_the_model_its_adapters_and_the_encoder_are_listed(asking: Any) -> None:
    keep_card("pirate")
    keep_card("imported", verified=None)
    keep_card("refused", verified=False)
    keep_card("foreign", sha256="b" * 64)
    async with asking() as asked:
        listed = (await asked.client.get("/v1/models")).json()
        one = (await asked.client.get("/v1/models/scripted:pirate")).json()
        none = await asked.client.get("/v1/models/scripted:refused")
    assert [each["id"] for each in listed["data"]] == [
        "scripted", "scripted:imported", "scripted:pirate", "all-minilm-l6-v2",
    ]  # fmt: skip
    assert listed["data"][0]["object"] == "model"
    assert one["id"] == "scripted:pirate"
    assert (none.status_code, none.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_model_name_with_an_adapter_applies_it(asking: Any, monkeypatch: Any) -> None:
    keep_card("pirate")
    use = AdapterUse("pirate", paths.adapters_folder() / "pirate" / adapters.ADAPTER_FILE, 0.5)
    asked_for = []
    monkeypatch.setattr(adapters, "resolve", lambda *given: asked_for.append(given) or use)
    async with asking([["Arr"]]) as asked:
        response = await asked.chat(model="scripted:pirate:0.5")
        assert asked.model.requests[0].adapters == (use,)
    assert asked_for == [("pirate:0.5", "0" * 64, "scripted")]
    assert response.json()["model"] == "scripted:pirate:0.5"


async def test_names_that_are_not_served(asking: Any) -> None:
    keep_card("refused", verified=False)
    async with asking() as asked:
        for name in ("gpt-4o", "scripted:nobody", "all-minilm-l6-v2", ""):
            response = await asked.chat(model=name)
            assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")
        response = await asked.chat(model="scripted:refused")
        assert (response.status_code, response.json()["error"]["param"]) == (400, "model")
        assert "failed its check" in response.json()["error"]["message"]
        assert (await asked.chat(model="scripted:refused:x")).status_code == 400
