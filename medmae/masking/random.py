"""Uniform random masking, one independent draw per sample (MAE, CVPR 2022, section 3)."""

from __future__ import annotations

from torch import Tensor

from medmae.masking.base import Mask, Rounding, decoded_count, visible_count
from medmae.masking.noise import NoiseMasking


class RandomMasking(NoiseMasking):
    """Hides a fixed share of tokens, chosen uniformly and independently for each sample.

    Args:
        num_tokens: N, tokens of one sample.
        ratio: Share of tokens to hide; the count is fixed here, once.
        rounding: See :func:`medmae.masking.base.visible_count`.
        decode_share: Share of the hidden tokens that is decoded, a uniformly random subset (a faster variant, not
            MAE's maths). It comes from the same noise: the visible tokens are the same for every share.

    Raises:
        ValueError: If the ratio leaves 0 or all tokens visible, or the share decodes none.
    """

    def __init__(
        self, *, num_tokens: int, ratio: float, rounding: Rounding = "truncate_visible", decode_share: float = 1.0
    ) -> None:
        self.num_tokens, self.ratio, self.rounding, self.decode_share = num_tokens, ratio, rounding, decode_share
        self.num_visible, self.num_decoded = self._counts(num_tokens)

    @property
    def noise_width(self) -> int:
        """See :attr:`NoiseMasking.noise_width`: one a token."""
        return self.num_tokens

    def mask_of(self, noise: Tensor, real: Tensor | None = None) -> Mask:
        """See :meth:`NoiseMasking.mask_of`: the tokens with the smallest noise stay visible.

        Every sample of a batch has the same number of visible and of masked tokens. Where some are padded, both
        numbers are those of the sample with the fewest real tokens, and what the others have more is skipped.
        """
        if real is None:
            return Mask.from_noise(noise, num_visible=self.num_visible, num_decoded=self.num_decoded)
        visible, decoded = self._counts(int(real.sum(dim=1).min()))
        # Noise lies in [0, 1): padding comes behind every real token.
        return Mask.from_noise(noise + ~real.to(noise.device), num_visible=visible, num_decoded=decoded)

    def _counts(self, num_tokens: int) -> tuple[int, int]:
        """Visible and decoded tokens out of so many."""
        visible = visible_count(num_tokens=num_tokens, ratio=self.ratio, rounding=self.rounding)
        return visible, decoded_count(num_masked=num_tokens - visible, share=self.decode_share)
