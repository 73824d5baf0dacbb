"""What is regressed of a patch: its values, of its middle frame alone, in grey, or standardised."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medmae.objectives.pixel import TargetNorm
from medmae.tokens.patches import Patches

# ITU-R BT.601 to four digits, as TensorFlow turns colours to grey.
_LUMA = (0.2989, 0.5870, 0.1140)


@dataclass(frozen=True)
class PatchTarget:
    """The target of AV-MAE: raw values, and its options, which go one after the other.

    Attributes:
        grey: Colours become their grey, in each of their channels.
        centre: Of cubes only the middle frame, number T / 2 rounded down.
        norm: Normalisation of what is left; None: none.
    """

    grey: bool = False
    centre: bool = False
    norm: TargetNorm | None = None

    def check(self, patches: Patches) -> None:
        """Refuses patches that have no colours or no frames, where they are asked for.

        Raises:
            ValueError: With what is missing.
        """
        if self.grey and patches.channels != 3:
            raise ValueError(f"a grey target is of three colours, and the data has {patches.channels} channels")
        if self.centre and patches.ndim != 3:
            raise ValueError(f"a target of the middle frame is of cubes, and patches have {patches.ndim} axes")

    def num_values(self, patches: Patches) -> int:
        """Values of a target."""
        return patches.num_values // patches.patch[0] if self.centre else patches.num_values

    def plain(self, rows: Tensor, patches: Patches) -> Tensor:
        """Of patches ``(B, M, P)``, not normalised: ``(B, M, values)``."""
        if self.grey:
            weights = torch.tensor(_LUMA, dtype=rows.dtype, device=rows.device)
            colours = rows.unflatten(2, (-1, 3))
            rows = (colours @ weights).unsqueeze(3).expand_as(colours).flatten(2)
        if self.centre:
            frames = rows.unflatten(2, (patches.patch[0], -1))
            rows = frames[:, :, patches.patch[0] // 2]
        return rows

    def __call__(self, rows: Tensor, patches: Patches) -> Tensor:
        """Of patches ``(B, M, P)``: ``(B, M, values)``."""
        plain = self.plain(rows, patches)
        return plain if self.norm is None else self.norm(plain, channels=patches.channels)

    def spread(self, values: Tensor, patches: Patches) -> Tensor:
        """For the eye: targets ``(B, M, values)`` as patches ``(B, M, P)``, a frame in place of all."""
        return values.repeat(1, 1, patches.patch[0]) if self.centre else values
