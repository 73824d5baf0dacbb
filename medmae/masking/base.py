"""The one value type every masking strategy returns, and the one rule that rounds a ratio to a count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from medmae.errors import check_choice

Rounding = Literal["truncate_visible", "truncate_hidden", "nearest"]


def visible_count(*, num_tokens: int, ratio: float, rounding: Rounding = "truncate_visible") -> int:
    """Number of tokens that stay visible when ``ratio`` of ``num_tokens`` is hidden.

    Args:
        num_tokens: N, tokens of one sample (never counting class or global tokens).
        ratio: Share of tokens to hide, in (0, 1).
        rounding: ``truncate_visible`` truncates ``N * (1 - ratio)`` in floating point as the published MAE does, so
            that 100 tokens at 0.9 keep 9, not 10; ``truncate_hidden`` truncates ``N * ratio`` as VideoMAE and AV-MAE
            do; ``nearest`` rounds to the nearest integer.

    Raises:
        ValueError: If the ratio leaves no token or every token visible.
    """
    check_choice(rounding, get_args(Rounding), name="rounding")
    if rounding == "truncate_visible":
        visible = int(num_tokens * (1 - ratio))
    elif rounding == "truncate_hidden":
        visible = num_tokens - int(ratio * num_tokens)
    else:
        visible = round(num_tokens * (1 - ratio))
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

    Where samples have different numbers of either (sentences), rows are padded to the longest: ``real`` and ``weight``
    say which entries count. A padded entry repeats another of its sample's, so that every index is a valid one.

    Attributes:
        visible: Token indices that the encoder sees, ``(B, V)`` int64, any order.
        masked: The other token indices, ``(B, M)`` int64: what is decoded and enters the loss.
        num_tokens: N = V + M + skipped. Indices count tokens only, never a class or global token.
        skipped: Tokens that are hidden from the encoder and not decoded either; 0 except where a method decodes a
            random subset; padding of a sample is not hidden. :meth:`complete` gives the mask that decodes them too.
        replaced: Masked tokens stay in the encoder's sequence as a learned token (words) instead of being dropped.
        real: ``(B, V)`` bool, False where an entry of ``visible`` is padding; None: none is.
        weight: ``(B, M)``, 1 for an entry of ``masked`` and 0 for padding: of its error in a loss. None: all count.
    """

    visible: Tensor
    masked: Tensor
    num_tokens: int
    skipped: int = 0
    replaced: bool = False
    real: Tensor | None = None
    weight: Tensor | None = None

    def __post_init__(self) -> None:
        if self.visible.shape[0] != self.masked.shape[0]:
            raise ValueError(f"{self.visible.shape[0]} rows of visible but {self.masked.shape[0]} of masked indices")
        if self.padded:
            self._check_padding()
            return
        if not 0 < self.visible.shape[1] < self.num_tokens:
            raise ValueError(f"{self.visible.shape[1]} of {self.num_tokens} tokens visible: some must be, and some not")
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

    def _check_padding(self) -> None:
        for name, entries, table in (("real", self.real, self.visible), ("weight", self.weight, self.masked)):
            if entries is None or entries.shape != table.shape:
                shape = None if entries is None else tuple(entries.shape)
                raise ValueError(f"a padded mask needs {name} {tuple(table.shape)}, got {shape}")
        if self.skipped:
            raise ValueError("padded samples skip what is in neither list: leave skipped at 0")

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
    def from_bool(cls, masked: Tensor, *, real: Tensor | None = None, replaced: bool = False) -> Mask:
        """From a table ``(B, N)`` that is True where a token is masked; rows may hide different numbers.

        Args:
            masked: The table.
            real: ``(B, N)`` bool, False where a token is padding: neither visible nor masked. None: all are real.
            replaced: See :class:`Mask`.

        Raises:
            ValueError: If a sample has no visible token; or none of any sample is masked, unless they are replaced,
                which chance may spare all of.
        """
        if not len(masked):
            raise ValueError("a mask needs at least one sample, got none")
        tables = [~masked, masked] if real is None else [~masked & real, masked & real]
        counts = torch.stack([table.sum(dim=1) for table in tables], dim=1)  # (B, 2)
        some = bool(counts[:, 1].any())
        if not bool(counts[:, 0].all()) or not (some or replaced):
            raise ValueError(f"some tokens of each sample must be visible, and some masked, got {counts.tolist()}")
        (visible, there), (hidden, counted) = (
            _listed(table, count) for table, count in zip(tables, counts.unbind(dim=1), strict=True)
        )
        num_tokens = masked.shape[1]
        if some and bool((counts == counts[0]).all()) and int(counts[0].sum()) == num_tokens:
            return cls(visible, hidden, num_tokens, replaced=replaced)
        return cls(visible, hidden, num_tokens, replaced=replaced, real=there, weight=counted.float())

    @classmethod
    def nothing(cls, count: int, *, num_tokens: int, device: torch.device | str = "cpu") -> Mask:
        """Of whole samples: every token is visible, and the one entry of ``masked`` is padding."""
        every = torch.arange(num_tokens, device=device).expand(count, -1)  # (B, N)
        return cls(every, every[:, :1], num_tokens, real=every >= 0, weight=torch.zeros_like(every[:, :1]).float())

    @property
    def num_visible(self) -> int:
        """V, the visible tokens of each sample; of the sample with most, where they differ."""
        return self.visible.shape[1]

    @property
    def num_masked(self) -> int:
        """M, the masked tokens of each sample that are decoded; of the sample with most, where they differ."""
        return self.masked.shape[1]

    @property
    def padded(self) -> bool:
        """Whether samples have different numbers of visible or masked tokens."""
        return self.real is not None or self.weight is not None

    @property
    def entries(self) -> Tensor | None:
        """Which entries of ``visible``, then of ``masked``, are no padding: ``(B, V + M)`` bool; None: all."""
        return None if self.real is None or self.weight is None else torch.cat([self.real, self.weight > 0], dim=1)

    def as_bool(self) -> Tensor:
        """Table ``(B, N)``, True where a token is hidden from the encoder, decoded or not."""
        table = torch.ones(self.visible.shape[0], self.num_tokens, dtype=torch.bool, device=self.visible.device)
        return table.scatter(1, self.visible, False)

    def decoded(self) -> Tensor:
        """Table ``(B, N)``, True where a token is hidden and decoded: neither skipped nor padding."""
        counted = torch.ones_like(self.masked, dtype=torch.bool) if self.weight is None else self.weight > 0
        table = counted.new_zeros(self.masked.shape[0], self.num_tokens + 1)
        return table.scatter(1, self.masked.where(counted, self.num_tokens), True)[:, :-1]

    def key_mask(self, *, prefix: int = 0, suffix: int = 0) -> Tensor | None:
        """Which entries of the encoder's sequence attention may read; None: all.

        Args:
            prefix: Tokens before the sequence that all may read, such as a class token.
            suffix: Likewise behind it.

        Returns:
            ``(B, prefix + V + suffix)`` bool; N in place of V where masked tokens are replaced.
        """
        if self.replaced:
            present = ~self.as_bool() | self.decoded()  # (B, N)
            return None if not self.padded and not self.skipped else F.pad(present, (prefix, suffix), value=True)
        return None if self.real is None else F.pad(self.real, (prefix, suffix), value=True)

    def complete(self) -> Mask:
        """The same visible tokens, and every other token masked: what pictures and figures of merit need."""
        if not self.skipped:
            return self
        return replace(Mask.from_bool(self.as_bool()), visible=self.visible, replaced=self.replaced)

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
            ``(B, N, D)``; zeros where a sample is padded.

        Raises:
            ValueError: If the mask skips tokens: nobody has a row for them.
        """
        if self.skipped:
            raise ValueError(f"{self.skipped} hidden tokens are not decoded, nothing can be restored: complete() first")
        batch, _, dim = visible.shape
        fill = fill.to(visible.dtype).expand(batch, self.num_masked, dim)
        order = torch.cat([self.visible, self.masked], dim=1)  # (B, N), more where samples are padded
        rows = torch.cat([visible, fill], dim=1)  # (B, N, D), in the order of `order`
        entries = self.entries
        if entries is None:
            return torch.empty_like(rows).scatter(1, order.unsqueeze(-1).expand_as(rows), rows)
        order = order.where(entries, self.num_tokens)  # padding goes nowhere
        empty = rows.new_zeros(batch, self.num_tokens + 1, dim)
        return empty.scatter(1, order.unsqueeze(-1).expand_as(rows), rows)[:, :-1]

    def of_sample(self, index: int) -> Mask:
        """The mask of one sample, as a batch of one."""
        return self._each(lambda table: table[index : index + 1])

    def of_samples(self, index: Tensor) -> Mask:
        """The masks of samples ``(K,)``, as a batch of K."""
        return self._each(lambda table: table.index_select(0, index))

    def to(self, device: torch.device | str) -> Mask:
        """The same mask on another device."""
        return self._each(lambda table: table.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Mask:
        real, weight = (None if table is None else change(table) for table in (self.real, self.weight))
        return replace(self, visible=change(self.visible), masked=change(self.masked), real=real, weight=weight)


Masks = Mapping[str, Mask]  # by the name of the kind of data whose tokens are counted


def _listed(table: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the True entries of ``(B, N)``, ascending and padded to the longest, and which are no padding.

    Padding repeats a sample's first entry; of a sample that has none, token 0.
    """
    longest = int(counts.max())
    index = (~table).long().argsort(dim=1, stable=True)[:, :longest]  # (B, K)
    there = torch.arange(longest, device=table.device) < counts.unsqueeze(1)  # (B, K)
    return index.where(there, index[:, :1].where(counts.unsqueeze(1) > 0, 0)), there


class Masking(Protocol):
    """A masking strategy: anything that draws a :class:`Mask` for a batch; most are a :class:`NoiseMasking`."""

    def sample(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
        real: Tensor | None = None,
    ) -> Mask:
        """See :meth:`NoiseMasking.sample`."""


def gather_tokens(tokens: Tensor, index: Tensor) -> Tensor:
    """Rows ``index`` ``(B, K)`` of ``tokens`` ``(B, N, D)`` (or ``(1, N, D)``, shared by the batch): ``(B, K, D)``."""
    if tokens.shape[0] == 1:
        return tokens[0].index_select(0, index.reshape(-1)).reshape(index.shape[0], index.shape[1], tokens.shape[2])
    # Whole rows of one long table: several times as fast as torch.gather, which looks up every value.
    starts = torch.arange(tokens.shape[0], device=index.device).unsqueeze(1) * tokens.shape[1]  # (B, 1)
    rows = tokens.flatten(0, 1).index_select(0, (index + starts).flatten())
    return rows.reshape(index.shape[0], index.shape[1], tokens.shape[2])
