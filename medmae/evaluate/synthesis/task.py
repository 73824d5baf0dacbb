"""One synthetic volume to evaluate: what is made of what, and the arrays of its case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medmae.data.rows import Row


@dataclass(frozen=True, kw_only=True)
class Task:
    """One synthetic volume to evaluate.

    Attributes:
        row: The case.
        channels: Contrasts of the network's input, in order; all but ``sources`` are 0.
        sources: What is given of them.
        target: What is made.
    """

    row: Row
    channels: tuple[str, ...]
    sources: tuple[str, ...]
    target: str

    @property
    def about(self) -> dict[str, str]:
        """What names it in a table."""
        sources = "+".join(self.sources)
        return {"case": self.row["case"], "subject": self.row["subject"], "source": sources, "target": self.target}

    @property
    def way(self) -> str:
        """What is made of what, to read."""
        return f"{'+'.join(self.sources)} → {self.target}"

    @property
    def any_to_any(self) -> bool:
        """Whether the network's channels include the target."""
        return self.target in self.channels

    @property
    def output(self) -> int:
        """Channel of the network's output that is the target."""
        return self.channels.index(self.target) if self.any_to_any else 0

    @property
    def given(self) -> np.ndarray:
        """Which channels are given, ``(C,)`` bool."""
        return np.array([name in self.sources for name in self.channels])


@dataclass(frozen=True, kw_only=True)
class CaseVolumes:
    """The arrays of a task.

    Attributes:
        image: Input of the network, ``(S, C, H, W)`` float32 in [0, 1].
        source: The first given contrast, ``(S, H, W)``.
        real: The target as it was acquired, ``(S, H, W)``.
        foreground: Where the real target shows the patient, ``(S, H, W)`` bool.
        lesion: Where a label map of a lesion is above 0; None where the case has none.
        brain: Where a brain mask is above 0; None where the case has none.
        filled: Numbers of the slices that show enough of the head.
        spacing: Millimetres along (slices, rows, columns).
        start: Place of the first voxel in the whole canonical volume, of which only a box is stored.
    """

    image: np.ndarray
    source: np.ndarray
    real: np.ndarray
    foreground: np.ndarray
    lesion: np.ndarray | None
    brain: np.ndarray | None
    filled: np.ndarray
    spacing: tuple[float, float, float]
    start: tuple[int, int, int]
