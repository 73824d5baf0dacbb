"""A synthesis network applied to the cases of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medmae.errors import DataError
from medmae.evaluate.synthesis.task import Task
from medmae.evaluate.synthesis.volume_synthesis import Network, smooth_slices, synthesise_volume, uncertainty_volume
from medmae.methods.mt_unet import MTUNet


@dataclass(frozen=True, kw_only=True)
class Synthesiser:
    """Makes the target of a task.

    Args:
        network: ``(B, 1 + 2 * neighbours, *size) -> (B, 1, *size)``; any-to-any: called with the images ``(B, C,
            *size)`` and which of them are given, ``(B, C)`` bool, it returns ``(B, C, *size)``. In evaluation mode, on
            ``device``.
        size: Of its input: edge in pixels, (rows, columns), or (slices, rows, columns) of a 3-d network.
        resize: Whether slices are resized to that; otherwise they are padded, see :func:`synthesise_volume`.
        patch: Edge in pixels of the blocks that it makes its pictures of, for the blockiness of 2-d networks; None
            leaves that out.
        neighbours: Slices on each side that it sees.
        smooth: Standard deviation, in slices, of a Gaussian along the slice axis of what it makes.
        overlap: Of neighbouring crops of a 3-d network.
        batch_size: Slices or crops at once.
        device: Where to compute.
    """

    network: Callable[..., Tensor]
    size: int | Sequence[int]
    resize: bool = True
    patch: int | None = None
    neighbours: int = 0
    smooth: float = 0.0
    overlap: float = 0.5
    batch_size: int = 16
    device: torch.device | str = "cpu"

    @classmethod
    def of(cls, method: MTUNet, *, device: torch.device | str, **options: Any) -> Synthesiser:
        """A method as it is, moved to ``device``; ``options`` are those that it does not know itself."""
        return cls(
            network=method.to(device).eval().synthesise,
            size=method.frame.size,
            resize=method.frame.resize,
            patch=method.block if len(method.frame.size) == 2 else None,
            neighbours=method.neighbours,
            device=device,
            **options,
        )

    @property
    def edge(self) -> int | None:
        """Edge of the slices that the network sees; None if it sees crops of volumes."""
        if isinstance(self.size, int):
            return self.size
        return self.size[0] if len(self.size) == 2 else None

    def __call__(self, task: Task, image: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """The synthetic target, and what a 2-d network itself gave (smoothed likewise) before it was fitted back.

        Args:
            task: What to make.
            image: Its input, ``(S, C, H, W)``.

        Returns:
            ``(S, H, W)`` float32, and ``(size, size)`` by number of the slice; an empty slice has none, nor has a
            slice of a 3-d network.

        Raises:
            DataError: If the network gives values that are not finite.
        """
        recorded = _Recorded(self._bound(_told(task)), neighbours=self.neighbours)
        made = synthesise_volume(recorded, image, **self._options)[:, task.output]
        require_finite(made, case=task.row["case"])
        if self.edge is None:
            return made, {}
        outputs = torch.cat(recorded.outputs)[:, task.output].float().cpu().numpy()  # (F, size, size)
        filled = np.flatnonzero(image.any(axis=(1, 2, 3)))  # those that were not skipped, in the order of the batches
        assert len(filled) == len(outputs), "synthesise_volume gives the network every slice that is not empty, once"
        slices = np.zeros((len(image), 1, *outputs.shape[1:]), dtype=np.float32)
        slices[filled, 0] = outputs
        inside = np.zeros(slices.shape, dtype=bool)
        inside[filled] = torch.cat(recorded.foregrounds).cpu().numpy()  # (F, 1, size, size)
        smoothed = smooth_slices(slices, sigma=self.smooth, inside=inside)[filled, 0]  # (F, size, size)
        return made, dict(zip(filled.tolist(), smoothed, strict=True))

    def with_spread(self, task: Task, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation over test-time augmentations, ``(S, H, W)`` float32 each.

        Raises:
            DataError: If the network gives values that are not finite.
        """
        mean, std = self.images(image, given=_told(task), spread=True, case=task.row["case"])
        assert std is not None
        return mean[:, task.output], std[:, task.output]

    def images(
        self, volume: np.ndarray, *, given: np.ndarray | None, spread: bool, case: str
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """All that the network makes, ``(S, C', H, W)`` float32; with ``spread`` mean and deviation over augmentations.

        Args:
            volume: Its input, ``(S, C, H, W)``.
            given: Which channels an any-to-any network is given, ``(C,)`` bool; None for a pair.
            spread: Whether to look from all sides.
            case: What to name in an error.

        Raises:
            DataError: If the network gives values that are not finite.
        """
        network, std = self._bound(given), None
        if spread:
            made, std = uncertainty_volume(network, volume, **self._options)
        else:
            made = synthesise_volume(network, volume, **self._options)
        for values in (made, std):
            if values is not None:
                require_finite(values, case=case)
        return made, std

    @property
    def _options(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "resize": self.resize,
            "neighbours": self.neighbours,
            "smooth": self.smooth,
            "overlap": self.overlap,
            "batch_size": self.batch_size,
            "device": self.device,
        }

    def _bound(self, given: np.ndarray | None) -> Network:
        """The network as a function of the images alone."""
        if given is None:
            return self.network
        seen = torch.from_numpy(given).to(self.device)  # (C,)
        return lambda images: self.network(images, seen.expand(len(images), -1))


def _told(task: Task) -> np.ndarray | None:
    return task.given if task.any_to_any else None


def require_finite(made: np.ndarray, *, case: str) -> None:
    """Refuses what a network gave of a case if there is NaN or infinity in it.

    Raises:
        DataError: With the name of the case.
    """
    if not np.isfinite(made).all():
        raise DataError(
            "the network gave values that are not finite",
            field="case",
            value=case,
            remedy="check the weights: training may have diverged",
        )


@dataclass
class _Recorded:
    """Keeps what a network gives, and where what it was given shows the patient."""

    network: Network
    neighbours: int
    outputs: list[Tensor] = field(default_factory=list)
    foregrounds: list[Tensor] = field(default_factory=list)

    def __call__(self, images: Tensor) -> Tensor:
        made = self.network(images)
        self.outputs.append(made)
        own = images[:, self.neighbours : images.shape[1] - self.neighbours]  # (B, C, size, size): the slice itself
        self.foregrounds.append((own != 0).any(dim=1, keepdim=True))
        return made
