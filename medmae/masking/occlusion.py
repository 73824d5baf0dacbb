"""Occlusions of faces, on the grid of patches: drawn here, and applied by whoever hides, drops or paints over patches.

M. Jiang et al., arXiv 2212.04029, hide small patches at random and large blocks; shares and shapes are not in the
abstract and are ours, and so are objects on landmarks. The level of any occlusion is the share of patches that it
hides, so that all can be compared: an object grows until it hides so much. At their own size they cover, of a crop
around a mean face: a nasal cannula 4 %, glasses 5 %, strips of tape 7 %, a hand 12 %, a surgical mask 19 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from medmae.errors import check_choice
from medmae.face import LANDMARKS, TEMPLATE
from medmae.masking.base import Mask
from medmae.masking.face_shapes import JITTERS, shape_distance
from medmae.masking.noise import NoiseMasking

Occlusion = Literal[
    "patches",
    "block",
    "upper",
    "lower",
    "left",
    "right",
    "eyes",
    "mouth",
    "surgical_mask",
    "oxygen_tube",
    "hand",
    "glasses",
    "tape",
]
OCCLUSIONS: tuple[Occlusion, ...] = get_args(Occlusion)
STRETCH = 2.0  # of a block: its height over its width is from half to twice that of the face
_SHARED = 3  # numbers of a draw that its whole batch has from its first sample: level and stretch; then which kind


def block_edges(*, grid: Sequence[int], level: float, stretch: float) -> tuple[int, int]:
    """Rows and columns of a block that hides a share of a grid, to within half a row or column.

    Args:
        grid: Rows and columns of patches.
        level: Share to hide, in (0, 1).
        stretch: In [0, 1]: from half as high as wide to twice, on a logarithmic scale.
    """
    rows, columns = grid
    wanted, high = level * rows * columns, math.sqrt(STRETCH ** (2 * stretch - 1))
    height = min(max(round(math.sqrt(level) * rows * high), math.ceil(wanted / columns), 1), rows)
    return height, min(max(round(wanted / height), 1), columns)


def occlude(
    kinds: Sequence[Occlusion],
    *,
    grid: Sequence[int],
    edges: tuple[int, int] | None = None,
    count: int,
    noise: Tensor,
    landmarks: Tensor | None = None,
) -> Tensor:
    """Which patches of faces are hidden, bool ``(B, N)``; nothing here is random.

    Args:
        kinds: Of each of B faces.
        grid: Rows and columns.
        edges: Of a block; None where there is none.
        count: Patches that all others hide, to the number.
        noise: Uniform in [0, 1), ``(B, N + 4)``.
        landmarks: ``(B, 68, 2)`` in shares of the crop; None, or NaN of a face: those of a mean upright face.

    Raises:
        ValueError: If a kind is not known, or landmarks have another shape.
    """
    for kind in set(kinds):
        check_choice(kind, OCCLUSIONS, name="occlusion")
    points = _known(landmarks, len(kinds))
    rows, columns = grid
    y, x = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns, indexing="ij")
    places = torch.stack([x.flatten(), y.flatten()], dim=1)  # (N, 2)
    ranks, jitter = noise[:, :-JITTERS].float(), noise[:, -JITTERS:].float()
    hidden = torch.zeros(ranks.shape, dtype=torch.bool)
    for kind in set(kinds):
        own = torch.tensor([each == kind for each in kinds])
        if kind == "block":
            assert edges is not None
            hidden[own] = _blocks(edges, grid=(rows, columns), jitter=jitter[own])
            continue
        order = ranks[own]
        if kind != "patches":  # of equally far places any
            order = shape_distance(kind, landmarks=points[own], places=places, jitter=jitter[own]) + 1e-6 * order
        chosen = order.argsort(dim=1)[:, :count]
        hidden[own] = torch.zeros_like(order, dtype=torch.bool).scatter(1, chosen, True)
    return hidden


class OcclusionMasking(NoiseMasking):
    """Occlusions for training: each sample's of a kind of its own, all of a batch of one level and one count.

    Equal counts are what batch norms over tokens need. Level, and the form of blocks, are therefore the batch's: they
    come from the noise of its first sample.

    Args:
        grid: Rows and columns of patches.
        kinds: Drawn from with equal chances.
        low: Least level.
        high: Greatest.

    Raises:
        ValueError: If a kind is not known, or levels leave nothing, or everything, hidden.
    """

    cut_by_padding = "occlusions"

    def __init__(
        self,
        *,
        grid: Sequence[int],
        kinds: Sequence[Occlusion] = ("patches", "block"),
        low: float = 0.25,
        high: float = 0.75,
    ) -> None:
        self.grid, self.kinds, self.low, self.high = tuple(grid), tuple(kinds), low, high
        self.num_tokens = math.prod(self.grid)
        if not kinds or len(self.grid) != 2:
            raise ValueError(f"occlusions are of some kind and on a grid of two axes, got {kinds} on {self.grid}")
        for kind in kinds:
            check_choice(kind, OCCLUSIONS, name="occlusion")
        if not 1 / min(self.grid) <= low <= high <= 1 - 1 / min(self.grid):
            raise ValueError(
                f"levels must lie in {1 / min(self.grid):.3f} to {1 - 1 / min(self.grid):.3f} on a grid of "
                f"{self.grid}, got {low} to {high}"
            )

    @property
    def noise_width(self) -> int:
        """See :attr:`NoiseMasking.noise_width`."""
        return _SHARED + self.num_tokens + JITTERS

    def mask_of(self, noise: Tensor, real: Tensor | None = None) -> Mask:
        """See :meth:`NoiseMasking.mask_of`, on a mean upright face."""
        return self.mask_on(noise)

    def mask_on(self, noise: Tensor, landmarks: Tensor | None = None) -> Mask:
        """The mask that noise ``(B, noise_width)`` means on landmarks ``(B, 68, 2)``."""
        level = self.low + (self.high - self.low) * float(noise[0, 0])
        edges = block_edges(grid=self.grid, level=level, stretch=float(noise[0, 1]))
        count = math.prod(edges) if "block" in self.kinds else round(level * self.num_tokens)
        kinds = [self.kinds[int(number * len(self.kinds))] for number in noise[:, 2].tolist()]
        return Mask.from_bool(
            occlude(kinds, grid=self.grid, edges=edges, count=count, noise=noise[:, _SHARED:], landmarks=landmarks)
        )


def _known(landmarks: Tensor | None, count: int) -> Tensor:
    """Landmarks on the CPU, those of a mean face where there are none: ``(B, 68, 2)``."""
    mean = torch.tensor(TEMPLATE).expand(count, -1, -1)
    if landmarks is None:
        return mean
    if landmarks.shape != (count, LANDMARKS, 2):
        raise ValueError(f"landmarks of {count} faces are {(count, LANDMARKS, 2)}, got {tuple(landmarks.shape)}")
    own = landmarks.detach().cpu().float()
    return torch.where(own.isfinite().all(dim=2).all(dim=1)[:, None, None], own, mean)


def _blocks(edges: tuple[int, int], *, grid: tuple[int, int], jitter: Tensor) -> Tensor:
    """One rectangle a face, anywhere: bool ``(B, N)``."""
    inside = []
    for number, (extent, edge) in enumerate(zip(grid, edges, strict=True)):
        first = (jitter[:, number : number + 1] * (extent - edge + 1)).long()  # (B, 1)
        place = torch.arange(extent)
        inside.append((place >= first) & (place < first + edge))  # (B, extent)
    return (inside[0].unsqueeze(2) & inside[1].unsqueeze(1)).flatten(1)
