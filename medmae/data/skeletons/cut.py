"""What a network gets of a recording of a skeleton: a part of it, in a number of frames of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from medmae.data.rows import Row
from medmae.data.skeletons.clock import resampled
from medmae.data.skeletons.gaps import filled
from medmae.data.skeletons.layouts import Layout
from medmae.errors import DataError, check_choice

Origin = Literal["first", "frame", "kept"]
Size = Literal["kept", "bones"]


@dataclass(frozen=True, kw_only=True)
class SkeletonCut:
    """A part of a recording as ``(C, frames, V)``.

    Args:
        frames: How many.
        rate: Frames a second. None stretches the part to ``frames``, as published: a slow and a fast walk become the
            same one, so that cadence and speed are lost. A rate keeps them; what is shorter is padded.
        share: Of the frames, least and most, that a part of training holds; without a rate.
        test_share: Of the frames that a test sees, from their middle; without a rate.
        least: Frames of a part at least, as far as there are as many.
        origin: ``first``: the middle of the first body in its first frame (published); ``frame``: that of each body in
            each frame, so that nobody goes anywhere; ``kept``.
        size: ``kept`` in the unit of the data, or in the mean of the first body's ``bones``: who is tall is lost.

    Raises:
        ValueError: If a number is not positive, or a word is another one.
    """

    frames: int = 120
    rate: float | None = None
    share: Sequence[float] = (0.5, 1.0)
    test_share: float = 0.95
    least: int = 64
    origin: Origin = "first"
    size: Size = "kept"

    def __post_init__(self) -> None:
        check_choice(self.origin, get_args(Origin), name="origin")
        check_choice(self.size, get_args(Size), name="size")
        low, high = self.share
        if self.frames < 2 or self.least < 1 or (self.rate is not None and self.rate <= 0):
            raise ValueError(f"frames, least and rate must be positive, got {self.frames}, {self.least}, {self.rate}")
        if not (0 < low <= high <= 1 and 0 < self.test_share <= 1):
            raise ValueError(f"shares lie in (0, 1], the least first, got {self.share} and {self.test_share}")

    def check(self, rows: Sequence[Row], *, path: object) -> None:
        """Refuses recordings of which this cannot be made.

        Raises:
            DataError: If one has no rate, or no bones, and one is needed.
        """
        missing = {
            "rate": [] if self.rate is None else [row["case"] for row in rows if row.get("rate") is None],
            "bone": [] if self.size == "kept" else [row["case"] for row in rows if not row.get("bone")],
        }
        for name, cases in missing.items():
            if cases:
                raise DataError(
                    f"nothing tells the {name} of {len(cases)} recordings: {', '.join(cases[:10])}",
                    path=str(path),
                    field=name,
                    remedy=f"prepare them with --{name}{'s' if name == 'bone' else ''}, or cut without it",
                )

    def whole_of(self, row: Row) -> bool:
        """Whether no cut of a recording is padded."""
        return self.rate is None or row["count"] >= self._needed(row)

    def part(self, row: Row, rng: np.random.Generator | None) -> tuple[int, int]:
        """First frame and number of frames; None is a test."""
        count = row["count"]
        if self.rate is not None:
            needed = min(self._needed(row), count)
            place = 0.5 if rng is None else rng.random()
            return int(place * (count - needed + 1)), needed
        if rng is None:
            return middle_of(count, share=self.test_share)
        return drawn_part(count, share=rng.uniform(self.share[0], self.share[1]), least=self.least, start=rng.random())

    def read(
        self, positions: np.ndarray, sure: np.ndarray, part: tuple[int, int], *, row: Row, layout: Layout
    ) -> tuple[Tensor, Tensor]:
        """A part of one body.

        Args:
            positions: ``(T, V, C)``.
            sure: ``(T, V)``, 0 where a joint was not seen.
            part: See :meth:`part`.
            row: Of it.
            layout: Its joints.

        Returns:
            ``(C, frames, V)`` float32, and what of it was seen, bool ``(1, frames, V)``.
        """
        seen = sure > 0
        whole = filled(positions, seen)
        if self.origin == "first":
            whole = whole - np.asarray(row["centre"], dtype=np.float32)
        elif self.origin == "frame":
            whole = whole - whole[:, layout.centre_number, None]
        if self.size == "bones":
            whole = whole / np.float32(row["bone"])
        start, count = part
        data, own = whole[start : start + count], seen[start : start + count]
        if self.rate is not None:
            out = resampled(data, rate=row["rate"], to=self.rate, frames=self.frames)
            places = np.round(np.arange(self.frames) * row["rate"] / self.rate).astype(int)
            real = own[np.minimum(places, count - 1)] & (places < count)[:, None]
            return torch.from_numpy(out).permute(2, 0, 1).contiguous(), torch.from_numpy(real)[None]
        places = ((np.arange(self.frames) + 0.5) * count / self.frames).astype(int)  # the nearest of resized frames
        return resized(torch.from_numpy(data).permute(2, 0, 1), self.frames), torch.from_numpy(own[places])[None]

    def _needed(self, row: Row) -> int:
        assert self.rate is not None
        return math.ceil((self.frames - 1) * row["rate"] / self.rate) + 1


def middle_of(count: int, *, share: float) -> tuple[int, int]:
    """First frame and number of frames of the middle part, as a test has it; a part never has no frame.

    Args:
        count: Frames that there are.
        share: Of these that are kept, in (0, 1].
    """
    off = int((1 - share) * count / 2)  # on either side, as published
    return off, count - 2 * off


def drawn_part(count: int, *, share: float, least: int, start: float) -> tuple[int, int]:
    """First frame and number of frames of a part that was drawn for training.

    Args:
        count: Frames that there are.
        share: Of these that are kept, in (0, 1].
        least: Never fewer, as far as there are as many.
        start: Where it begins, in [0, 1): of the places where it may.
    """
    length = min(max(math.floor(count * share), least), count)
    return int(start * (count - length + 1)), length


def resized(data: Tensor, frames: int) -> Tensor:
    """``(C, T, V)`` -> ``(C, frames, V)``, linearly in time: a slow and a fast walk become the same one."""
    flat = data.permute(0, 2, 1).flatten(0, 1).unsqueeze(0)  # (1, C V, T)
    found = F.interpolate(flat, size=frames, mode="linear", align_corners=False)
    return found.reshape(data.shape[0], data.shape[2], frames).permute(0, 2, 1).contiguous()
