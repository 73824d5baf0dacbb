"""Two contrasts of one case: what a synthesis network learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from medmae.data.manifest import Manifest
from medmae.data.views import About, Item
from medmae.data.volumes.slices import Slices
from medmae.data.volumes.stacks import Stacks
from medmae.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class Pairs(Stacks):
    """One sample a piece of each case that has both contrasts, cut at one place.

    ``{"image": float32 (1 + 2 * neighbours, *size) in [0, 1], "target": (1, *size)}``; channel ``neighbours`` of the
    image is the target's own slice.

    Args:
        cut: :class:`~medmae.data.volumes.slices.Slices` or :class:`~medmae.data.volumes.crops.Crops`, of all contrasts.
        source: Contrast to start from.
        target: Contrast to arrive at.
        neighbours: Slices on each side of the source's own as further channels; the last one is repeated beyond the
            ends. Of slices only.
        lesions: As of :class:`~medmae.data.volumes.stacks.Stacks`.

    Raises:
        ValueError: If ``neighbours`` is negative, or asked for of crops.
    """

    source: str
    target: str
    neighbours: int = 0
    contrasts: Sequence[str] | None = field(init=False)
    at_least: int = field(init=False, default=2)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "contrasts", (self.source, self.target))
        if self.neighbours < 0:
            raise ValueError(f"neighbours must be >= 0, got {self.neighbours}")
        if self.neighbours and not isinstance(self.cut, Slices):
            raise ValueError(f"neighbours are those of a slice, got {self.neighbours} of {type(self.cut).__name__}")

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """Both contrasts."""
        given, wanted = item.numbers[2:]
        image = self.cut.cut(source, item, [given], neighbours=self.neighbours)
        return {"image": image, "target": self.cut.cut(source, item, [wanted]), **self.marks(source, item)}

    def describe(self, source: Manifest, item: Item) -> About:
        """Case, subject, both contrasts and number of the (middle) slice."""
        row, z = source.rows[item.numbers[0]], self.cut.middle(source, item)
        return About(row["case"], row["subject"], place={"source": self.source, "target": self.target, "slice": z})

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """The source, whose channels are neighbouring slices, and the target."""
        return {"image": self.cut.kind("image", 1 + 2 * self.neighbours), "target": self.cut.kind("target", 1)}
