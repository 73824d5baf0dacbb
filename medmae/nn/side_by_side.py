"""Several encoders as one: each reads its own kind of data, and their features stand side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from medmae.kinds import Kind
from medmae.nn.config import Configured
from medmae.nn.encoder import Data, Encoder, Pool, side_by_side
from medmae.tokens.modalities import available


class SideBySide(Configured, nn.Module):
    """Late fusion (:class:`medmae.nn.encoder.Encoder`): what is found in one kind does not depend on the others.

    Args:
        encoders: Each of one kind of data, with names of their own.

    Attributes:
        parts: The encoders by the names of their kinds.
        dim: The sum of their widths.

    Raises:
        ValueError: If one takes several kinds, or two take the same.
    """

    def __init__(self, *, encoders: Sequence[Encoder]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict()
        for encoder in encoders:
            assert isinstance(encoder, nn.Module)
            if len(encoder.kinds) != 1:
                raise ValueError(f"encoders side by side take one kind each, and one of them {sorted(encoder.kinds)}")
            (name,) = encoder.kinds
            if name in self.parts:
                raise ValueError(f"two encoders take {name!r}: give their kinds names of their own")
            self.parts[name] = encoder
        self.dim = sum(encoder.dim for encoder in encoders)

    @property
    def of(self) -> dict[str, Encoder]:
        """:attr:`parts` as what they are."""
        return dict(self.parts.items())  # type: ignore[arg-type]

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See :attr:`medmae.nn.encoder.Encoder.kinds`."""
        return {name: part.kinds[name] for name, part in self.of.items()}

    def available(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Which kinds each sample has, ``(B, K)`` bool; see :func:`medmae.tokens.modalities.available`.

        Raises:
            ValueError: If the batch has none of the kinds.
        """
        return available(list(self.parts), batch)

    def each(self, batch: Mapping[str, Tensor], *, pool: Pool = "mean", block: int | None = None) -> dict[str, Tensor]:
        """Features ``(B, D)`` by kind, of what the batch has; zeros where a sample lacks it, which is not encoded."""
        there, found = self.available(batch), {}
        for column, (name, part) in zip(there.unbind(dim=1), self.of.items(), strict=True):
            if name in batch:
                has = column.nonzero().squeeze(1)
                whole = len(has) == len(column)
                data = batch[name] if whole else batch[name][has]
                rows = part.features({name: data}, pool=pool, block=block) if len(has) else data.new_zeros(0, part.dim)
                found[name] = rows if whole else rows.new_zeros(len(column), part.dim).index_copy(0, has, rows)
        return found

    def features(self, batch: Data, *, pool: Pool = "mean", block: int | None = None) -> Tensor:
        """See :meth:`medmae.nn.encoder.Encoder.features`; zeros for kinds that a sample, or the batch, lacks.

        Raises:
            ValueError: If a bare tensor is given to encoders of several kinds, or a batch has none of them.
        """
        if isinstance(batch, Tensor):
            if len(self.parts) != 1:
                raise ValueError(f"say what it is, {{name: tensor}}: the encoders take {', '.join(self.parts)}")
            batch = {next(iter(self.parts)): batch}
        found = self.each(batch, pool=pool, block=block)
        like = next(iter(found.values()))
        empty = {name: like.new_zeros(len(like), part.dim) for name, part in self.of.items()}
        return torch.cat([found.get(name, empty[name]) for name in self.parts], dim=1)

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`; last layers of all stand together."""
        return side_by_side([part.layers() for part in self.of.values()])

    def fresh(self, *, seed: int) -> SideBySide:
        """See :meth:`medmae.nn.encoder.Encoder.fresh`."""
        parts = [part.fresh(seed=seed + place) for place, part in enumerate(self.of.values())]
        return SideBySide(encoders=parts).train(self.training)
