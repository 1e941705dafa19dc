"""Chooses the next token with llama.cpp's own samplers, in one order (the order of the fields of `Sampling`).

Logit bias, penalties, DRY; then at temperature 0 the most likely token; else, with mirostat, temperature and
mirostat; else top-n-sigma, top-k, typical, top-p, min-p, XTC, temperature, draw. A sampler whose setting is neutral is
left out. Constraints and phrase bans have set what they forbid to minus infinity before.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from fireside.models.gguf.context import Context
from fireside.models.gguf.model import Model
from fireside.models.sampling import NEUTRAL, Sampling

_MAX_SEED = 0xFFFFFFFE  # 0xFFFFFFFF means "draw one" to llama.cpp
_MIROSTAT_WINDOW = 100  # tokens that mirostat 1 estimates from, as llama.cpp's own tools have it
_DRY_BREAKERS = (b"\n", b":", b'"', b"*")  # repeats do not count across these, as in DRY's first description


class TokenSampler:
    """The native sampler chain of one reply. `free` must be called at the end."""

    def __init__(self, model: Model, sampling: Sampling, seed: int, prompt: Sequence[int], context_length: int) -> None:
        """Build the chain. seed: used where `sampling.seed` is None. prompt: DRY looks back on it too."""
        self._lib = model.lib
        self._penalties: Any = None
        self._dry: Any = None
        self._prompt = list(prompt)
        self.chain = self._lib.llama_sampler_chain_init(self._lib.llama_sampler_chain_default_params())
        steps = self._steps(model, sampling.over(NEUTRAL), seed, context_length)
        # The most likely token of untouched logits needs no chain, which would fill a table of the vocabulary (0.1 ms).
        self._plain_greedy = len(steps) == 1 and sampling.temperature is not None and sampling.temperature <= 0
        for sampler in steps:
            self._lib.llama_sampler_chain_add(self.chain, sampler)
        if self._dry is not None:
            for token in self._prompt:
                self._lib.llama_sampler_accept(self._dry, token)

    def _steps(self, model: Model, settings: Sampling, seed: int, context_length: int) -> list[Any]:
        lib, size = self._lib, model.vocabulary_size
        own = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
        seed = (seed if settings.seed is None else settings.seed) % _MAX_SEED
        steps: list[Any] = []
        if bias := {token: value for token, value in settings.logit_bias.items() if 0 <= token < size}:
            pairs = (lib.llama_logit_bias * len(bias))(*(lib.llama_logit_bias(*pair) for pair in bias.items()))
            steps.append(lib.llama_sampler_init_logit_bias(size, len(bias), pairs))
        penalties = own["repeat_penalty"], own["frequency_penalty"], own["presence_penalty"]
        if penalties != (1.0, 0.0, 0.0) and own["penalty_window"] != 0:
            window = own["penalty_window"] if own["penalty_window"] > 0 else context_length
            self._penalties = lib.llama_sampler_init_penalties(size, window, *penalties)
            steps.append(self._penalties)
        if own["dry_multiplier"] > 0:
            breakers = (ctypes.c_char_p * len(_DRY_BREAKERS))(*_DRY_BREAKERS)
            self._dry = lib.llama_sampler_init_dry(
                model.vocabulary, own["dry_multiplier"], own["dry_base"], own["dry_allowed_length"],
                context_length, ctypes.cast(breakers, ctypes.POINTER(ctypes.c_char_p)), len(breakers),
            )  # fmt: skip
            steps.append(self._dry)
        if own["temperature"] <= 0:
            return [*steps, lib.llama_sampler_init_greedy()]
        if own["mirostat"]:
            tau, eta = own["mirostat_tau"], own["mirostat_eta"]
            steps.append(lib.llama_sampler_init_temp(own["temperature"]))
            if own["mirostat"] == 1:
                return [*steps, lib.llama_sampler_init_mirostat(size, seed, tau, eta, _MIROSTAT_WINDOW)]
            return [*steps, lib.llama_sampler_init_mirostat_v2(seed, tau, eta)]
        if own["top_n_sigma"] > 0:
            steps.append(lib.llama_sampler_init_top_n_sigma(own["top_n_sigma"]))
        if own["top_k"] > 0:
            steps.append(lib.llama_sampler_init_top_k(own["top_k"]))
        if own["typical_p"] < 1:
            steps.append(lib.llama_sampler_init_typical(own["typical_p"], 1))
        if own["top_p"] < 1:
            steps.append(lib.llama_sampler_init_top_p(own["top_p"], 1))
        if own["min_p"] > 0:
            steps.append(lib.llama_sampler_init_min_p(own["min_p"], 1))
        if own["xtc_probability"] > 0:
            steps.append(lib.llama_sampler_init_xtc(own["xtc_probability"], own["xtc_threshold"], 1, seed))
        if own["temperature_range"] > 0:
            steps.append(lib.llama_sampler_init_temp_ext(own["temperature"], own["temperature_range"], 1.0))
        else:
            steps.append(lib.llama_sampler_init_temp(own["temperature"]))
        return [*steps, lib.llama_sampler_init_dist(seed)]

    def sample(self, context: Context, row: int) -> int:
        """The token that follows `row` of the last batch, accepted into the chain."""
        if self._plain_greedy:
            return int(context.logits(row).argmax())
        return int(self._lib.llama_sampler_sample(self.chain, context.handle, row))

    def rewind(self, reply: Sequence[int]) -> None:
        """Forget what came after `reply`: penalties and DRY are told the past anew; drawing goes on as it was."""
        for sampler, past in ((self._penalties, reply), (self._dry, [*self._prompt, *reply])):
            if sampler is not None:
                self._lib.llama_sampler_reset(sampler)
                for token in past:
                    self._lib.llama_sampler_accept(sampler, token)

    def free(self) -> None:
        """Give the native samplers back."""
        if self.chain:
            self._lib.llama_sampler_free(self.chain)
            self.chain = None
