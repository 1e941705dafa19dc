"""Chooses the next token with llama.cpp's own samplers, in one documented order, and holds it to a grammar.

Order: repetition penalty, top-k, top-p, min-p, temperature, draw; or, at temperature 0, penalty and the most likely.
With a grammar, a token is sampled first and only that one is checked; where it does not fit, the grammar filters the
whole vocabulary and the sampling is done again. That gives the same tokens as filtering first where the first choice
fits, at a small part of the cost.
"""

from __future__ import annotations

import ctypes
from typing import Any

from fireside.errors import ModelError
from fireside.models.sampling import Sampling

_PENALTY_WINDOW = 64
_MAX_SEED = 0xFFFFFFFE


class TokenSampler:
    """The native sampler chain of one reply, with its grammar. `free` must be called at the end."""

    def __init__(self, vocabulary: Any, sampling: Sampling, seed: int, grammar: str | None) -> None:
        """Build the chain. vocabulary: a `llama_vocab` pointer. seed: used where `sampling.seed` is None.

        Raises ModelError for a grammar that llama.cpp cannot read.
        """
        import llama_cpp
        import numpy as np

        self._lib, self._np = llama_cpp, np
        self._vocabulary_size = llama_cpp.llama_vocab_n_tokens(vocabulary)
        self._chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        self._grammar: Any = None
        for sampler in self._steps(sampling, seed):
            llama_cpp.llama_sampler_chain_add(self._chain, sampler)
        if grammar is not None:
            rules = grammar.encode("utf-8", "replace")
            self._grammar = llama_cpp.llama_sampler_init_grammar(vocabulary, rules, b"root")
            if not self._grammar:
                self.free()
                raise ModelError(
                    "the grammar of the reply could not be read", "this is a fault of the tool's schema; report it"
                )
            self._candidates = np.zeros(
                self._vocabulary_size, dtype=np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
            )
            self._ids = np.arange(self._vocabulary_size, dtype=np.int32)

    def _steps(self, sampling: Sampling, seed: int) -> list[Any]:
        lib = self._lib
        steps: list[Any] = []
        if sampling.repeat_penalty != 1.0:
            steps.append(
                lib.llama_sampler_init_penalties(
                    self._vocabulary_size, _PENALTY_WINDOW, sampling.repeat_penalty, 0.0, 0.0
                )
            )
        if sampling.temperature <= 0:
            return [*steps, lib.llama_sampler_init_greedy()]
        if sampling.top_k > 0:
            steps.append(lib.llama_sampler_init_top_k(sampling.top_k))
        if sampling.top_p < 1:
            steps.append(lib.llama_sampler_init_top_p(sampling.top_p, 1))
        if sampling.min_p > 0:
            steps.append(lib.llama_sampler_init_min_p(sampling.min_p, 1))
        steps.append(lib.llama_sampler_init_temp(sampling.temperature))
        chosen_seed = seed if sampling.seed is None else sampling.seed
        steps.append(lib.llama_sampler_init_dist(chosen_seed % _MAX_SEED))
        return steps

    def sample(self, context: Any) -> int:
        """The next token after the last decoded one, accepted into chain and grammar. context: `llama_context`."""
        if self._grammar is None:
            return int(self._lib.llama_sampler_sample(self._chain, context, -1))
        logits = self._np.ctypeslib.as_array(
            self._lib.llama_get_logits_ith(context, -1), shape=(self._vocabulary_size,)
        )
        token = self._select(logits, filtered=False)
        if not self._fits(token):
            token = self._select(logits, filtered=True)
        self._lib.llama_sampler_accept(self._grammar, token)
        self._lib.llama_sampler_accept(self._chain, token)
        return token

    def _select(self, logits: Any, *, filtered: bool) -> int:
        """Run the chain over all tokens, those the grammar forbids removed first where `filtered`."""
        self._candidates["id"] = self._ids
        self._candidates["logit"] = logits
        array = self._array(self._candidates)
        if filtered:
            self._lib.llama_sampler_apply(self._grammar, ctypes.byref(array))
        self._lib.llama_sampler_apply(self._chain, ctypes.byref(array))
        return int(array.data[array.selected].id)

    def _fits(self, token: int) -> bool:
        """Whether the grammar allows `token` next."""
        single = self._candidates[:1].copy()
        single["id"], single["logit"] = token, 1.0
        array = self._array(single)
        self._lib.llama_sampler_apply(self._grammar, ctypes.byref(array))
        return bool(array.data[0].logit != float("-inf"))

    def _array(self, candidates: Any) -> Any:
        data = candidates.ctypes.data_as(self._lib.llama_token_data_p)
        return self._lib.llama_token_data_array(data=data, size=len(candidates), selected=-1, sorted=False)

    def free(self) -> None:
        """Give the native samplers back."""
        if self._grammar:
            self._lib.llama_sampler_free(self._grammar)
            self._grammar = None
        if self._chain:
            self._lib.llama_sampler_free(self._chain)
            self._chain = None
