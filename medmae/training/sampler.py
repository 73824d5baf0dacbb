"""The order of samples: a function of (seed, epoch), and so the same after any restart."""

from __future__ import annotations

import numpy as np
import torch.distributed as dist


class SeededSampler:
    """Which samples an epoch shows, in which order, and which of them belong to this process.

    The order is one for all processes. Global batch ``g`` is the ``g``-th run of ``batch_size * world_size`` places of
    it, and each process takes its share of that, so that the same samples meet in a step whether one process or
    several train.

    Args:
        samples: Length of the data set.
        seed: Of the order.
        shuffle: False reads from first to last.
        replacement: Draws each sample anew from all; an epoch may then be of any length.
        num_samples: Length of an epoch; None is ``samples``. More than that needs ``replacement``.
        weights: How often each is drawn, ``(samples,)``, over the others; without replacement those of larger weight
            come first, mostly. None draws all alike.

    Raises:
        ValueError: If the arguments do not fit together.
    """

    def __init__(
        self,
        *,
        samples: int,
        seed: int = 0,
        shuffle: bool = True,
        replacement: bool = False,
        num_samples: int | None = None,
        weights: np.ndarray | None = None,
    ) -> None:
        if num_samples is not None and (num_samples < 1 or (num_samples > samples and not replacement)):
            raise ValueError(f"an epoch of {num_samples} of {samples} samples is possible only with replacement=True")
        if replacement and not shuffle:
            raise ValueError("replacement=True draws at random; it cannot go with shuffle=False")
        if weights is not None:
            _check_weights(weights, samples, needed=1 if replacement else num_samples or samples, shuffle=shuffle)
        self.weights = weights
        self.samples, self.seed, self.shuffle, self.replacement = samples, seed, shuffle, replacement
        self.num_samples = samples if num_samples is None else num_samples
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Moves on; Lightning calls it before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_samples

    def order(self, epoch: int) -> np.ndarray:
        """Indices of all processes' samples in an epoch, ``(num_samples,)`` int64; empty for an empty data set."""
        if not self.shuffle or not self.samples:
            return np.arange(min(self.num_samples, self.samples))
        rng = np.random.default_rng((self.seed, epoch))
        if self.weights is not None:
            return self._weighted(rng, self.weights)
        if self.replacement:
            return rng.integers(0, self.samples, size=self.num_samples)
        return rng.permutation(self.samples)[: self.num_samples]

    def _weighted(self, rng: np.random.Generator, weights: np.ndarray) -> np.ndarray:
        """With replacement by their shares; without, by the first of waiting times of these rates."""
        if self.replacement:
            return rng.choice(self.samples, size=self.num_samples, p=weights / weights.sum())
        times = rng.exponential(size=self.samples) / np.maximum(weights, np.finfo(np.float64).tiny)
        return np.argsort(times, kind="stable")[: self.num_samples]

    def batches(self, *, batch_size: int, drop_last: bool, start: int = 0) -> list[np.ndarray]:
        """Places in this epoch's order of each of this process's batches, from global place ``start`` on."""
        rank, world = process()
        whole = batch_size * world
        stop = self.num_samples // whole * whole if drop_last else self.num_samples
        firsts = range(start, stop, whole)
        return [self._share(first, min(whole, stop - first), rank, world) for first in firsts]

    def _share(self, first: int, count: int, rank: int, world: int) -> np.ndarray:
        """This process's part of one global batch; the last one is filled up, so that all get the same number."""
        each = -(-count // world)
        places = first + rank * each + np.arange(each)
        return places % self.num_samples


def _check_weights(weights: np.ndarray, samples: int, *, needed: int, shuffle: bool) -> None:
    """Refuses weights that are not of these samples, or of which too few are positive."""
    drawn = int((weights > 0).sum())
    if weights.shape != (samples,) or not np.isfinite(weights).all() or weights.min(initial=0) < 0 or not shuffle:
        raise ValueError(f"weights are {samples} finite numbers >= 0 for a shuffled order, got {weights.shape}")
    if drawn < needed:
        raise ValueError(f"{drawn} samples have a weight, and an epoch needs {needed}: take replacement=True")


def process() -> tuple[int, int]:
    """Rank of this process and how many train together."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
