"""A fixed budget of visible tokens, shared out at random among the modalities of a sample (MultiMAE, ECCV 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from scipy.special import gammaincinv
from torch import Tensor

from medmae.errors import check_choice
from medmae.masking.base import Mask
from medmae.masking.noise import NoiseMasking

Strategy = Literal["independent", "one", "reference_one"]

_TINY = 1e-30


class BudgetMasking(NoiseMasking):
    """Exactly V visible tokens a sample over all its modalities; their shares come from a Dirichlet distribution.

    Tokens are numbered over the concatenation of the modalities: token ``j`` of modality ``t`` is ``t * n + j``.

    Args:
        num_modalities: T.
        tokens_each: n, tokens of a modality; all modalities share one grid of positions.
        num_visible: V, the budget; 98 of 3 x 196 in the published run.
        alphas: Concentration of the shares, one for all modalities or one for each. Large values share out evenly; a
            modality with a larger value gets more.
        strategy: ``independent`` draws the positions of each modality by themselves. ``one`` shows each position in at
            most one modality. ``reference_one`` is that as published: shares are rounded one by one and may add up to
            V - 1; the last visible token is then any token, at a position that may be visible already.

    Raises:
        ValueError: If the budget does not suit the tokens and the strategy, or an alpha is not positive.
    """

    noise_dtype = torch.float64

    def __init__(
        self,
        *,
        num_modalities: int,
        tokens_each: int,
        num_visible: int,
        alphas: float | Sequence[float] = 1.0,
        strategy: Strategy = "independent",
    ) -> None:
        check_choice(strategy, get_args(Strategy), name="strategy")
        self.num_modalities, self.tokens_each, self.num_visible = num_modalities, tokens_each, num_visible
        self.num_tokens, self.strategy = num_modalities * tokens_each, strategy
        most = self.num_tokens - 1 if strategy == "independent" else min(tokens_each, self.num_tokens - 1)
        if not 0 < num_visible <= most:
            raise ValueError(
                f"num_visible must lie between 1 and {most} for {num_modalities} x {tokens_each} tokens and strategy "
                f"{strategy!r}, got {num_visible}"
            )
        self.alphas = [float(alphas)] * num_modalities if isinstance(alphas, int | float) else list(alphas)
        if len(self.alphas) != num_modalities or min(self.alphas) <= 0:
            raise ValueError(f"alphas must be one positive number, or {num_modalities} of them, got {alphas}")

    @property
    def noise_width(self) -> int:
        """Uniform numbers that a sample needs: T for the shares, then the order of tokens, then N for ties."""
        orders = self.num_tokens if self.strategy == "independent" else self.tokens_each
        return self.num_modalities + orders + self.num_tokens

    def mask_of(self, noise: Tensor, real: Tensor | None = None) -> Mask:
        """See :meth:`NoiseMasking.mask_of`; ``real`` is False for all tokens of a modality that a sample lacks.

        The others share the whole budget. Tokens of a missing modality are masked (V and M are the same for every
        sample): who takes a loss leaves them out.

        Raises:
            ValueError: If a sample has too few tokens for the budget.
        """
        shares, order, ties = noise.tensor_split([self.num_modalities, noise.shape[1] - self.num_tokens], dim=1)
        available = None if real is None else self._available(real.cpu())
        return self.replay(shares=self.dirichlet(shares), order=order, ties=ties, available=available)

    def replay(self, *, shares: Tensor, order: Tensor, ties: Tensor, available: Tensor | None = None) -> Mask:
        """The mask that given draws mean; nothing here is random.

        Args:
            shares: Of the budget, ``(B, T)``, rows add up to 1.
            order: Uniform noise whose order decides which tokens are seen: ``(B, N)``, or for the two strategies that
                deal positions ``(B, n)``.
            ties: Uniform noise ``(B, N)`` that decides which tokens go or come where rounding gave more or less than V.
            available: ``(B, T)`` bool, False where a sample lacks a modality; None: all are there.
        """
        if available is not None:
            shares = shares.clamp(min=_TINY) * available
            shares = shares / shares.sum(dim=1, keepdim=True)
        counts = (shares * self.num_visible).round().long()  # (B, T), half to even as in the reference
        if self.strategy == "independent":
            return self._independent(counts, order, ties, available)
        return self._dealt(counts, order, ties, available)

    def dirichlet(self, uniform: Tensor) -> Tensor:
        """Dirichlet shares ``(B, T)`` from uniform numbers ``(B, T)``: inverse transform of gamma, then normalised.

        In logarithms, because with a small alpha most gamma variates are too small for a float.
        """
        alphas, uniform = torch.tensor(self.alphas, dtype=torch.float64), uniform.double().clamp(min=_TINY)
        gamma = torch.from_numpy(gammaincinv(alphas.numpy(), uniform.numpy()))
        series = (uniform.log() + (alphas + 1).lgamma()) / alphas  # the inverse where gamma is next to 0
        return torch.where(gamma > _TINY, gamma.log(), series).softmax(dim=1)

    def _independent(self, counts: Tensor, order: Tensor, ties: Tensor, available: Tensor | None) -> Mask:
        places = order.unflatten(1, (self.num_modalities, self.tokens_each)).argsort(dim=2)  # (B, T, n)
        keys = (places >= counts.unsqueeze(2)).flatten(1) + ties  # (B, N): wanted tokens come first
        if available is not None:
            keys = keys + 2 * (~available).repeat_interleave(self.tokens_each, dim=1)  # and missing ones last
        return Mask.from_noise(keys, num_visible=self.num_visible)

    def _dealt(self, counts: Tensor, order: Tensor, ties: Tensor, available: Tensor | None) -> Mask:
        stops = counts.cumsum(dim=1)  # (B, T): modality t gets the ranks from the stop before it to its own
        if self.strategy == "one":  # the last modality that is there takes what rounding left
            there = torch.ones_like(counts, dtype=torch.bool) if available is None else available
            after = there.flip(1).cumsum(dim=1).flip(1) - there.long()  # (B, T): modalities that follow
            stops = torch.where(after == 0, self.num_visible, stops)
        elif available is not None:
            raise ValueError("reference_one knows no missing modality, as published: use strategy 'one'")
        rank = torch.arange(self.tokens_each)
        starts = torch.cat([torch.zeros_like(stops[:, :1]), stops[:, :-1]], dim=1)
        dealt = (rank >= starts.unsqueeze(2)) & (rank < stops.unsqueeze(2))  # (B, T, n)
        first = torch.arange(self.num_modalities).unsqueeze(1) * self.tokens_each
        tokens = (order.argsort(dim=1).unsqueeze(1) + first).flatten(1)  # (B, N), token of each modality and rank
        # Dealt tokens in order of rank, then all others in the order of the ties.
        before = (rank - self.tokens_each).repeat(self.num_modalities).to(ties.dtype)  # (N,), below 0
        keys = torch.where(dealt.flatten(1), before, ties)  # (B, N)
        tokens = tokens.gather(1, keys.argsort(dim=1))
        return Mask(tokens[:, : self.num_visible], tokens[:, self.num_visible :], self.num_tokens)

    def _available(self, real: Tensor) -> Tensor:
        """``(B, T)`` from ``(B, N)``."""
        parts = real.unflatten(1, (self.num_modalities, self.tokens_each))
        available = parts.any(dim=2)
        if not torch.equal(available, parts.all(dim=2)):
            raise ValueError("a modality is there or missing as a whole: padding inside one is not supported")
        most = int(available.sum(dim=1).min()) * self.tokens_each
        if most < self.num_visible:
            raise ValueError(
                f"a sample has only {most} tokens of modalities that are there, fewer than the budget of "
                f"{self.num_visible} visible ones: lower num_visible, or leave the sample out"
            )
        return available
