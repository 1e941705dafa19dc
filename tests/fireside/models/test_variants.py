from __future__ import annotations

from collections.abc import Iterator

import pytest
from local_hub import LocalHub, serving

from fireside.errors import ModelError
from fireside.models.hub import Hub
from fireside.models.pull import listed
from fireside.models.variants import Variant, Wanted, chosen, parsed, variants


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with serving(LocalHub()) as started:
        yield started


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("hf:a/b", Wanted("a/b")),
        ("hf:a/b:Q4_K_M", Wanted("a/b", choice="Q4_K_M")),
        ("hf:a/b@v1.0:f.gguf", Wanted("a/b", "v1.0", "f.gguf")),
        ("hf:a/b/sub/f.gguf", Wanted("a/b", choice="sub/f.gguf")),
    ],
)
def test_how_a_repository_is_written(text: str, wanted: Wanted) -> None:
    assert parsed(text) == wanted


@pytest.mark.parametrize("text", ["hf:a", "a/b", "hf:a/b/c.gguf:d", "hf:../b", "hf:a/..", "hf:a b/c", "hf:a/b?x"])
def test_what_names_no_repository(text: str) -> None:
    with pytest.raises(ModelError) as caught:
        parsed(text)
    assert "hf:ORG/NAME" in str(caught.value.hint)


def found(hub: LocalHub, **sizes: int) -> list[Variant]:
    client = Hub(hub.address)
    hub.files = {f"M-{name}.gguf": bytes(size) for name, size in sizes.items()}
    try:
        return variants(listed(client, parsed("hf:org/model"), lambda seconds: None))
    finally:
        client.close()


def test_the_largest_quantisation_that_fits_is_chosen(hub: LocalHub) -> None:
    models = found(hub, Q2_K=2000, Q4_K_M=4000, Q8_0=8000, F16=16_000)
    wanted = parsed("hf:org/model")
    variant, reason = chosen(models, wanted, 1 << 40)
    assert (variant.quantisation, reason.split(":")[0]) == ("Q8_0", "the largest of 3 that fits in memory")
    needed = 200_000_000 + int(4000 * 1.15)
    assert chosen(models, wanted, needed)[0].quantisation == "Q4_K_M"
    with pytest.raises(ModelError, match=r"too little for any file of org/model: Q2_K \(0 MB\), Q4_K_M") as caught:
        chosen(models, wanted, 1000)
    assert "hf:org/model:Q2_K" in str(caught.value.hint)
    assert chosen(models, parsed("hf:org/model:f16"), 1)[0].quantisation == "F16"
    assert chosen(models, parsed("hf:org/model/M-Q2_K.gguf"), 1)[0].quantisation == "Q2_K"
    with pytest.raises(ModelError, match="has no Q5_K_M"):
        chosen(models, parsed("hf:org/model:Q5_K_M"), 1)
