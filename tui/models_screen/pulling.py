"""Getting a model from a hub, in a job's thread: what the repository holds, and then one of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from fireside.errors import ModelError
from fireside.models import memory
from fireside.models.hub import Hub, Listing
from fireside.models.variants import Variant, chosen, parsed, variants
from tui.jobs import Cancelled, Update

_PAUSE_S = 0.1


@dataclass(frozen=True)
class Offer:
    """What a repository holds. advised: the place in `variants` of the one to take, None where none fits. why: in
    words."""

    listing: Listing
    variants: tuple[Variant, ...]
    free: int
    advised: int | None
    why: str


def look(text: str) -> Offer:
    """What the repository `hf:ORG/NAME[:FILE_OR_QUANT]` holds; `hf:` may be left out. Raises ModelError."""
    from fireside.models.pull import listed

    wanted = parsed(text if text.startswith("hf:") else f"hf:{text}")
    with closing(Hub.from_environment()) as hub:
        listing = listed(hub, wanted, time.sleep)
    found, free = variants(listing), memory.free_memory()
    if wanted.choice:
        found = [chosen(found, wanted, free)[0]]
    try:
        best, why = chosen(found, wanted, free)
    except ModelError as error:
        return Offer(listing, tuple(found), free, None, error.message)
    return Offer(listing, tuple(found), free, found.index(best), why)


def variant_line(variant: Variant, free: int, advised: bool) -> str:
    """One model of a repository: whether it fits, its size, and whether it is the one to take."""
    needs = memory.guessed(variant.size)
    mark = "✓ fits" if needs <= free else "✗ too big"
    advice = " · advised" if advised else ""
    return f"{mark} · {variant.quantisation or '?'} · {variant.size / 1e6:,.0f} MB · {variant.name}{advice}"


def pulling(listing: Listing, variant: Variant, name: str) -> Callable[[Update], str]:
    """The work of a job: get `variant` as `name`. Counted in bytes; what came of a cancelled one is kept."""

    def work(update: Update) -> str:
        from fireside.models.download import Downloading
        from fireside.models.pull import kept_bytes, left_to_get, pull

        left, got = left_to_get(variant, name), 0
        update(0, left)

        def came(count: int) -> None:
            nonlocal got
            got += count
            update(max(got, 0), left)

        def wait(seconds: float) -> None:
            until = time.monotonic() + seconds
            while (rest := until - time.monotonic()) > 0:
                update(max(got, 0), left)
                time.sleep(min(rest, _PAUSE_S))

        try:
            with closing(Hub.from_environment()) as hub:
                model = pull(hub, listing, variant, name, Downloading(came, wait))
        except Cancelled as cancelled:
            kept = kept_bytes(variant, name) / 1e6
            raise Cancelled(
                cancelled.message, f"cancelled; {kept:,.0f} MB are kept, and pulling it again goes on from there"
            ) from cancelled
        return f"{model.name} is here, {model.size / 1e6:,.0f} MB"

    return work
