"""Gives a model embeddings for another vocabulary: the rows of new tokens begin as the mean of their old pieces'.

That is Fast Vocabulary Transfer (Gee et al. 2022, arXiv:2402.09977): a new token first means what its pieces meant
together, and training goes on from there. Where the head is tied to the embeddings, they are one matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def resize(model: Any, pieces: Sequence[Sequence[int]], rows: int) -> None:
    """Change the embeddings and the head of `model`, a causal language model of transformers, in place.

    pieces: of each id of the new vocabulary the old ids that it is made of; one old id gives its row, none the mean of
    all rows. rows: how many there are to be; those behind the pieces are the old ones, as models have spare rows.
    """
    import torch

    with torch.no_grad():
        embeddings = model.get_input_embeddings().weight.detach().clone()
        head = model.get_output_embeddings()
        tied = head is None or head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()
        matrices = [embeddings] if tied else [embeddings, head.weight.detach().clone()]
        bias = None if head is None or getattr(head, "bias", None) is None else head.bias.detach().clone()
        model.resize_token_embeddings(rows, mean_resizing=False)
        places = [model.get_input_embeddings().weight]
        if not tied:
            places.append(model.get_output_embeddings().weight)
        for place, old in zip(places, matrices, strict=True):
            _fill(place, old, pieces)
        if bias is not None:
            _fill(model.get_output_embeddings().bias, bias, pieces)


def _fill(place: Any, old: Any, pieces: Sequence[Sequence[int]]) -> None:
    """Write the new rows, or of a bias the new entries; old rows behind the pieces stay as they were."""
    import torch

    mean = old.mean(dim=0)
    for number, each in enumerate(pieces):
        if len(each) == 1:
            if each[0] != number or number >= len(old):
                place[number] = old[each[0]]
        else:
            place[number] = old[torch.tensor(list(each))].mean(dim=0) if each else mean
