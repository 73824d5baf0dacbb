"""What encoders share that are one piece: no blocks to stop at, no tokens to choose from, one feature a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from torch import Tensor, nn

from medmae.kinds import Kind, ScaleLike
from medmae.nn.config import Configured, build, config_of
from medmae.nn.encoder import Data, Pool, check_pool, data_of
from medmae.nn.scaling import InputScale
from medmae.nn.seeding import drawn_by


class WholeEncoder(Configured, nn.Module):
    """An encoder (:class:`medmae.nn.encoder.Encoder`) of one kind of data, whose ``forward`` gives ``(B, D)``.

    Args:
        kind: What it takes.
        dim: D.
        example: ``(C, *size)`` of data that it takes, for checks.
        scale: What it expects of data; None is the identity until weights say otherwise.
    """

    def __init__(self, *, kind: Kind, dim: int, example: Sequence[int], scale: ScaleLike | None = None) -> None:
        super().__init__()
        self.kind, self.dim, self.example = kind, dim, tuple(example)
        self.scaling = InputScale(scale, channels=len(kind.channels), ndim=len(kind.axes))

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See :attr:`medmae.nn.encoder.Encoder.kinds`."""
        return {self.kind.name: self.kind.scaled(self.scaling.scale)}

    def features(self, batch: Data, *, pool: Pool = "mean", block: int | None = None) -> Tensor:
        """See :meth:`medmae.nn.encoder.Encoder.features`.

        Raises:
            ValueError: If features of an inner block are asked for, or data has other axes.
        """
        check_pool(pool, has_class_token=False)
        if block is not None:
            raise ValueError(
                f"{type(self).__name__} has no blocks of one width to stop at: leave block out, got {block}"
            )
        data = data_of(batch, self)
        self.kind.check(data)
        return self(self.scaling(data))

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`."""
        raise NotImplementedError

    def fresh(self, *, seed: int) -> Self:
        """See :meth:`medmae.nn.encoder.Encoder.fresh`."""
        with drawn_by(seed):
            twin = build(config_of(self))
        assert isinstance(twin, type(self))
        twin.scaling.take(self.scaling.scale)
        return twin.to(next(self.parameters()).device).train(self.training)
