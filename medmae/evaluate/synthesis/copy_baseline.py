"""The embarrassing baseline of synthesis: the source as it is, with the target's usual histogram."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from skimage.exposure import match_histograms

from medmae.data.evenly import evenly
from medmae.data.manifest import Manifest
from medmae.data.volumes.selection import usable
from medmae.evaluate.synthesis.foreground import stored_foreground

_QUANTILES = 1024
_MAX_CASES = 20  # more change the mean histogram by less than subjects differ


@dataclass(frozen=True, kw_only=True)
class CopyBaseline:
    """Copies the source and gives its foreground the mean histogram of training subjects' targets.

    What a test subject's own target looks like is never used.

    Attributes:
        quantiles: ``(1024,)`` ascending intensities, the mean over training cases of their quantile functions; None
            where no training case has the target: the copy then keeps the source's intensities.
        cases: Training cases behind them.
    """

    quantiles: np.ndarray | None
    cases: int

    @classmethod
    def fit(cls, manifest: Manifest, *, target: str, subjects: Collection[str] | None = None) -> CopyBaseline:
        """Measures the target's histogram on training cases.

        Args:
            manifest: Prepared data.
            target: Contrast.
            subjects: Whose; None takes all.
        """
        training = [
            (row, has[target])
            for row in manifest.select(split="train")
            if (has := usable(row, (target,))) and (subjects is None or row["subject"] in subjects)
        ]
        curves = []
        for row, position in map(training.__getitem__, evenly(len(training), _MAX_CASES).tolist()):
            volume = np.asarray(manifest.shards[row["shard"]][:, position]).astype(np.float32)  # (S, H, W)
            values = volume[stored_foreground(volume, row["contrasts"][position])]
            if values.size:
                curves.append(np.quantile(values, np.linspace(0, 1, _QUANTILES)))
        return cls(quantiles=np.mean(curves, axis=0) if curves else None, cases=len(curves))

    def __call__(self, source: np.ndarray, *, foreground: np.ndarray) -> np.ndarray:
        """A copy of ``(S, H, W)`` whose ``foreground`` is matched; the rest stays as it is."""
        made = source.astype(np.float32)
        if self.quantiles is not None:
            made[foreground] = match_histograms(made[foreground], self.quantiles)
        return made

    @property
    def description(self) -> str:
        """What it is, for tables."""
        if self.quantiles is None:
            return "copy of the source as it is: no training case has the target"
        return (
            f"copy of the source, its foreground matched to the mean histogram of {self.cases} training cases' target"
        )
