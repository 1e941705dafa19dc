"""Computes tokens: a part of one prompt, or the next token of several replies in one batch, padded on the left.

Generation pads on the left: a reply's last token must stand in the last column, where the next one is predicted.
Training pads on the right (`finetune.trainer.collate`): there every token predicts, and positions begin at 0.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence as Several
from typing import Any

from fireside.models.hf.caches import Caches, Sequence


class Computer:
    """Runs the model over sequences, and keeps those computed together in one cache as long as they stay the same."""

    def __init__(self, model: Any, caches: Caches) -> None:
        self._model = model
        self._joins = caches.rewinds
        self._takes = frozenset(inspect.signature(model.forward).parameters)
        self._members: list[Sequence] = []
        self._cache: Any = None
        self._pads: list[int] = []

    def prompt(self, sequence: Sequence, tokens: Several[int], *, every: bool) -> Any:
        """Append `tokens` to `sequence`. Returns logits, float32 (len(tokens), vocabulary), or of the last alone."""
        self.split()
        import torch

        options: dict[str, Any] = {} if every or "logits_to_keep" not in self._takes else {"logits_to_keep": 1}
        output = self._model(
            input_ids=torch.tensor([list(tokens)], device=self._model.device),
            cache=sequence.cache,
            use_cache=True,
            **options,
        )
        sequence.tokens.extend(tokens)
        return output.logits[0].float() if every else output.logits[0, -1:].float()

    def next(self, sequences: Several[Sequence], tokens: Several[int]) -> Any:
        """Append one token to each sequence. Returns logits, float32 (sequences, vocabulary)."""
        import torch

        if len(sequences) == 1 or not self._joins:
            rows = [self.prompt(each, [token], every=False) for each, token in zip(sequences, tokens, strict=True)]
            return torch.cat(rows)
        if self._members != list(sequences):
            self.split()
            self._join(sequences)
        mask = left_padding([len(sequence.tokens) + 1 for sequence in sequences])
        options: dict[str, Any] = {}
        if "position_ids" in self._takes:
            options["position_ids"] = torch.tensor(
                [[len(each.tokens)] for each in sequences], device=self._model.device
            )
        output = self._model(
            input_ids=torch.tensor([[token] for token in tokens], device=self._model.device),
            attention_mask=torch.tensor(mask, device=self._model.device),
            cache=self._cache,
            use_cache=True,
            **options,
        )
        for sequence, token in zip(sequences, tokens, strict=True):
            sequence.tokens.append(token)
        return output.logits[:, -1].float()

    def split(self) -> None:
        """Give each sequence of the batch its own cache back."""
        from transformers.cache_utils import DynamicCache

        for row, (sequence, pad) in enumerate(zip(self._members, self._pads, strict=True)):
            sequence.cache = DynamicCache(
                [
                    (layer.keys[row : row + 1, :, pad:].clone(), layer.values[row : row + 1, :, pad:].clone())
                    for layer in self._cache.layers
                ]
            )
        self._members, self._pads, self._cache = [], [], None

    def forget(self) -> None:
        """Drop the batch's cache, which a failure left half written; its sequences have none any more."""
        self._members, self._pads, self._cache = [], [], None

    def _join(self, sequences: Several[Sequence]) -> None:
        """One cache for all: each sequence is a row, padded on the left with zeros, which the mask hides."""
        import torch
        from torch.nn.functional import pad
        from transformers.cache_utils import DynamicCache

        pads = [row.index(1) for row in left_padding([len(sequence.tokens) for sequence in sequences])]
        layers = list(zip(*(sequence.cache.layers for sequence in sequences), strict=True))
        self._cache = DynamicCache(
            [
                (
                    torch.cat([pad(layer.keys, (0, 0, before, 0)) for layer, before in zip(rows, pads, strict=True)]),
                    torch.cat([pad(layer.values, (0, 0, before, 0)) for layer, before in zip(rows, pads, strict=True)]),
                )
                for rows in layers
            ]
        )
        self._members, self._pads = list(sequences), pads
        for sequence in sequences:
            sequence.cache = None


def left_padding(lengths: Several[int]) -> list[list[int]]:
    """The attention mask of rows of these lengths, padded on the left to the longest: 0 is padding, 1 counts."""
    longest = max(lengths)
    return [[0] * (longest - length) + [1] * length for length in lengths]
