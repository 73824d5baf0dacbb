"""The one value type every masking strategy returns, and the one rule that rounds a ratio to a count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from medmae.errors import check_choice

Rounding = Literal["reference", "nearest"]


def visible_count(*, num_tokens: int, ratio: float, rounding: Rounding = "reference") -> int:
    """Number of tokens that stay visible when ``ratio`` of ``num_tokens`` is hidden.

    Args:
        num_tokens: N, tokens of one sample (never counting class or global tokens).
        ratio: Share of tokens to hide, in (0, 1).
        rounding: ``reference`` truncates ``N * (1 - ratio)`` in floating point as the published MAE does, so
            that 100 tokens at 0.9 keep 9, not 10; ``nearest`` rounds to the nearest integer.

    Raises:
        ValueError: If the ratio leaves no token or every token visible.
    """
    check_choice(rounding, get_args(Rounding), name="rounding")
    exact = num_tokens * (1 - ratio)
    visible = int(exact) if rounding == "reference" else round(exact)
    if not 0 < visible < num_tokens:
        raise ValueError(
            f"a mask ratio of {ratio} leaves {visible} of {num_tokens} tokens visible; "
            f"choose a ratio between {1 / num_tokens:.4f} and {1 - 1 / num_tokens:.4f}"
        )
    return visible


def decoded_count(*, num_masked: int, share: float) -> int:
    """Number of masked tokens that are decoded when only a share of them is, to the nearest integer.

    Raises:
        ValueError: If the share is not in (0, 1], or leaves no token to decode.
    """
    decoded = round(num_masked * share) if 0 < share <= 1 else 0
    if not decoded:
        raise ValueError(
            f"decode_share must lie in (0, 1] and decode at least one of {num_masked} masked tokens, got {share}"
        )
    return decoded


@dataclass(frozen=True)
class Mask:
    """Which tokens of each sample are visible, which are masked.

    Attributes:
        visible: Token indices that the encoder sees, ``(B, V)`` int64, any order; the same V for all samples.
        masked: The other token indices, ``(B, M)`` int64: what is decoded and enters the loss.
        num_tokens: N = V + M + skipped. Indices count tokens only, never a class or global token.
        skipped: Tokens that are hidden from the encoder and not decoded either; 0 except where a method decodes a
            random subset, or where samples are padded. :meth:`complete` gives the mask that decodes them too.
    """

    visible: Tensor
    masked: Tensor
    num_tokens: int
    skipped: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.visible.shape[1] < self.num_tokens:
            raise ValueError(f"{self.visible.shape[1]} of {self.num_tokens} tokens visible: some must be, and some not")
        if self.visible.shape[0] != self.masked.shape[0]:
            raise ValueError(f"{self.visible.shape[0]} rows of visible but {self.masked.shape[0]} of masked indices")
        if self.visible.shape[1] + self.masked.shape[1] + self.skipped != self.num_tokens:
            skipped = f" + {self.skipped} skipped" if self.skipped else ""
            raise ValueError(
                f"{self.visible.shape[1]} visible + {self.masked.shape[1]} masked{skipped} tokens "
                f"are not {self.num_tokens}"
            )
        if self.skipped < 0 or not self.masked.shape[1]:
            raise ValueError(
                f"{self.masked.shape[1]} tokens to decode and {self.skipped} skipped: some must be decoded"
            )

    @classmethod
    def from_noise(cls, noise: Tensor, *, num_visible: int, num_decoded: int | None = None) -> Mask:
        """The tokens with the smallest noise stay visible, in ascending order of noise (MAE, section 3).

        Args:
            noise: Uniform noise, ``(B, N)``.
            num_visible: V.
            num_decoded: M; the tokens that follow in order of noise, uniformly random among the hidden ones. None
                decodes every hidden token. The visible tokens do not depend on it.
        """
        order, num_tokens = noise.argsort(dim=1), noise.shape[1]  # (B, N)
        stop = num_tokens if num_decoded is None else num_visible + num_decoded
        return cls(order[:, :num_visible], order[:, num_visible:stop], num_tokens, num_tokens - stop)

    @classmethod
    def from_bool(cls, masked: Tensor) -> Mask:
        """From a table ``(B, N)`` that is True where a token is masked; every row needs the same count.

        Raises:
            ValueError: If rows hide different numbers of tokens.
        """
        counts = masked.sum(dim=1)
        if not counts.numel():
            raise ValueError("a mask needs at least one sample, got none")
        if bool((counts != counts[0]).any()):
            raise ValueError(f"every sample must hide the same number of tokens, got {counts.unique().tolist()}")
        order = masked.long().argsort(dim=1, stable=True)
        num_visible = masked.shape[1] - int(counts[0])
        return cls(order[:, :num_visible], order[:, num_visible:], masked.shape[1])

    @property
    def num_visible(self) -> int:
        """V, the visible tokens of each sample."""
        return self.visible.shape[1]

    @property
    def num_masked(self) -> int:
        """M, the masked tokens of each sample that are decoded."""
        return self.masked.shape[1]

    def as_bool(self) -> Tensor:
        """Table ``(B, N)``, True where a token is hidden from the encoder, decoded or not."""
        table = torch.ones(self.visible.shape[0], self.num_tokens, dtype=torch.bool, device=self.visible.device)
        return table.scatter(1, self.visible, False)

    def complete(self) -> Mask:
        """The same visible tokens, and every other token masked: what pictures and figures of merit need."""
        if not self.skipped:
            return self
        return Mask(self.visible, Mask.from_bool(self.as_bool()).masked, self.num_tokens)

    def keep(self, tokens: Tensor) -> Tensor:
        """The visible rows of ``(B, N, ...)``: ``(B, V, ...)``."""
        return gather_tokens(tokens, self.visible)

    def hidden(self, tokens: Tensor) -> Tensor:
        """The masked rows of ``(B, N, ...)``: ``(B, M, ...)``."""
        return gather_tokens(tokens, self.masked)

    def restore(self, visible: Tensor, fill: Tensor) -> Tensor:
        """Puts visible rows ``(B, V, D)`` and filled rows back into token order.

        Args:
            visible: Rows in the order of ``self.visible``.
            fill: Rows in the order of ``self.masked`` ``(B, M, D)``, or anything that broadcasts to it.

        Returns:
            ``(B, N, D)``.

        Raises:
            ValueError: If the mask skips tokens: nobody has a row for them.
        """
        if self.skipped:
            raise ValueError(
                f"{self.skipped} hidden tokens are not decoded, so nothing can be restored: complete() first"
            )
        batch, _, dim = visible.shape
        fill = fill.to(visible.dtype).expand(batch, self.num_masked, dim)
        order = torch.cat([self.visible, self.masked], dim=1)  # (B, N)
        rows = torch.cat([visible, fill], dim=1)  # (B, N, D), in the order of `order`
        return torch.empty_like(rows).scatter(1, order.unsqueeze(-1).expand_as(rows), rows)

    def of_sample(self, index: int) -> Mask:
        """The mask of one sample, as a batch of one."""
        rows = slice(index, index + 1)
        return replace(self, visible=self.visible[rows], masked=self.masked[rows])

    def to(self, device: torch.device | str) -> Mask:
        """The same mask on another device."""
        return replace(self, visible=self.visible.to(device), masked=self.masked.to(device))


class Masking(Protocol):
    """A masking strategy: anything that draws a :class:`Mask` for a batch."""

    def sample(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
        real: Tensor | None = None,
    ) -> Mask:
        """Draws a mask, or replays one from given noise.

        Where ``real`` ``(B, N)`` is False a token is padding: neither visible nor masked, but skipped.
        """


def gather_tokens(tokens: Tensor, index: Tensor) -> Tensor:
    """Rows ``index`` ``(B, K)`` of ``tokens`` ``(B, N, D)`` (or ``(1, N, D)``, shared by the batch): ``(B, K, D)``."""
    if tokens.shape[0] == 1:
        return tokens[0].index_select(0, index.reshape(-1)).reshape(index.shape[0], index.shape[1], tokens.shape[2])
    return tokens.gather(1, index.unsqueeze(-1).expand(index.shape[0], index.shape[1], tokens.shape[2]))
