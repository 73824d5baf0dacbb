"""Clouds of points to patches: centres that lie far apart, and the points nearest to each.

Qi et al., "PointNet++", NeurIPS 2017, arXiv 1706.02413. Plain torch, batched, the same on any device; nothing is built.
Clouds in the memory of the CPU are searched by NumPy and SciPy's trees, which find the same numbers sooner
(:mod:`medmae.clouds`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from medmae.clouds import BY_TREE, farthest_of, nearest_of
from medmae.kinds import Kind

POINTS = Kind.of("points", ["point"], channels=["x", "y", "z"], peak=None)
_AT_ONCE = 2**24  # distances that are held at a time
_NEAR_ORIGIN = 1e-3  # squared norm below which the published kernel never takes a point


@dataclass(frozen=True)
class PointPatches:
    """Patches of clouds, which overlap and need not cover all points.

    Attributes:
        centres: ``(B, G, 3)``, in the order in which they were found.
        members: Numbers of the K points nearest to each, itself first, ``(B, G, K)`` int64.
    """

    centres: Tensor
    members: Tensor

    @classmethod
    def cut(cls, points: Tensor, *, count: int, size: int, start: int | Tensor = 0, real: Tensor | None = None) -> Self:
        """Finds them.

        Args:
            points: ``(B, N, 3)``.
            count: G.
            size: K.
            start: See :func:`farthest`.
            real: ``(B, N)`` bool, False where a cloud of fewer points is padded; None: nowhere.

        Raises:
            ValueError: If a cloud has fewer points than centres or members are asked for.
        """
        _enough(points, real, size, what="members of a patch")
        centres = pick(points, farthest(points, count=count, start=start, real=real))
        return cls(centres, nearest(centres, points, count=size, real=real))

    @classmethod
    def of(cls, batch: Mapping[str, Tensor], points: Tensor, *, count: int, size: int) -> Self:
        """Those that a batch brings as ``"members"``, or else found; ``batch["real"]`` ``(B, N)`` is padding.

        Centres are the first members, which move with the points whatever is done to these; or ``"centres"``
        ``(B, G, 3)``, if they are brought, too.

        Raises:
            ValueError: As :meth:`cut`; or if patches of other numbers are brought, or of points that are not there.
        """
        members = batch.get("members")
        if members is None:
            return cls.cut(points, count=count, size=size, real=batch.get("real"))
        if members.shape != (len(points), count, size):
            raise ValueError(
                f"this network has {count} patches of {size} points, the batch brings {tuple(members.shape)}: prepare "
                f"them with --patches {count} --patch-points {size}, or let it find its own (patches: false)"
            )
        # On a GPU this would wait for it at each step, and part a compiled step; gathering fails there, too.
        asked = members.device.type == "cpu" and not torch.compiler.is_compiling()
        if asked and int(members.max()) >= points.shape[1]:
            raise ValueError(f"a patch has point {int(members.max())} of a cloud of {points.shape[1]}: prepare it anew")
        return cls(batch["centres"] if "centres" in batch else pick(points, members[:, :, 0]), members)

    def of_points(self, points: Tensor) -> Tensor:
        """Points by patch, ``(B, N, C)`` -> ``(B, G, K, C)``."""
        return pick(points, self.members)

    def around_centres(self, points: Tensor) -> Tensor:
        """The same, each patch from its own centre; of ``(B, N, 3)``."""
        return self.of_points(points) - self.centres.unsqueeze(2)

    def covered(self, which: Tensor, *, num_points: int) -> Tensor:
        """Which points lie in any of some patches, ``(B, G)`` bool -> ``(B, num_points)`` bool."""
        chosen = which.unsqueeze(2).expand_as(self.members)
        table = torch.zeros(len(which), num_points, dtype=torch.int32, device=which.device)
        return table.scatter_add(1, self.members.flatten(1), chosen.flatten(1).int()) > 0


def farthest(
    points: Tensor,
    *,
    count: int,
    start: int | Tensor = 0,
    real: Tensor | None = None,
    spare_origin: bool = False,
) -> Tensor:
    """Farthest-point sampling: each next point is the one farthest from all before it; of several the first.

    Args:
        points: ``(B, N, 3)``.
        count: How many.
        start: Number of the first, for all clouds or ``(B,)``; it depends on the order of points, as ties do.
        real: ``(B, N)`` bool, False for padding, which is never taken; None: all are real.
        spare_origin: As the published kernel (pointnet2_ops): a point within 0.03 of the origin is never taken but
            as the first, and where no other is left the first is repeated.

    Returns:
        Numbers ``(B, count)`` int64.

    Raises:
        ValueError: If a cloud has fewer points, or none of number ``start``.
    """
    if not spare_origin:
        _enough(points, real, count, what="centres")
    batch, device = len(points), points.device
    allowed = torch.ones(points.shape[:2], dtype=torch.bool, device=device) if real is None else real
    first = torch.as_tensor(start, device=device).expand(batch)
    if not allowed.gather(1, first.unsqueeze(1)).all():
        raise ValueError(f"start={start} is padding in a cloud of the batch: name a real point")
    if spare_origin:
        allowed = allowed & (points.square().sum(dim=2) > _NEAR_ORIGIN)
    if searchable(points):
        clouds = zip(points.detach().numpy(), first.tolist(), allowed.numpy(), strict=True)
        return _stacked([farthest_of(one, count=count, start=at, allowed=may) for one, at, may in clouds])
    found, everyone = [first], torch.arange(batch, device=device)
    left = torch.full(points.shape[:2], torch.inf, device=device)  # squared distance to the nearest that was taken
    for _ in range(count - 1):
        left = torch.minimum(left, (points - points[everyone, found[-1]].unsqueeze(1)).square().sum(dim=2))
        found.append(left.masked_fill(~allowed, -1.0).argmax(dim=1))
    return torch.stack(found, dim=1)


def nearest(queries: Tensor, points: Tensor, *, count: int, real: Tensor | None = None) -> Tensor:
    """Numbers of the points nearest to each query, nearest first, ``(B, M, count)``; of equally near the first.

    Args:
        queries: ``(B, M, 3)``.
        points: ``(B, N, 3)``.
        count: How many.
        real: ``(B, N)`` bool, False for padding, which is near nothing.

    Raises:
        ValueError: If a cloud has fewer points.
    """
    _enough(points, real, count, what="neighbours")
    if points.shape[1] >= BY_TREE and searchable(queries, points):
        return _nearest_by_tree(queries.detach().numpy(), points.detach().numpy(), count=count, real=real)
    step = max(1, _AT_ONCE // (len(points) * points.shape[1]))
    parts = []
    for some in queries.split(step, dim=1):
        distance = squared_distances(some, points)
        if real is not None:
            distance = distance.masked_fill(~real.unsqueeze(1), torch.inf)
        parts.append(distance.sort(dim=2, stable=True).indices[:, :, :count])
    return torch.cat(parts, dim=1)


def searchable(*clouds: Tensor) -> bool:
    """Whether NumPy can search them: numbers in the memory of the CPU, all of them finite, and nothing is recorded."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return False
    kinds = {(each.device.type, each.dtype) for each in clouds}
    return kinds in ({("cpu", torch.float32)}, {("cpu", torch.float64)}) and all(
        bool(each.isfinite().all()) for each in clouds
    )


def _nearest_by_tree(queries: np.ndarray, points: np.ndarray, *, count: int, real: Tensor | None) -> Tensor:
    """:func:`nearest`, cloud by cloud."""
    if real is None:
        pairs = zip(queries, points, strict=True)
        return _stacked([nearest_of(some, cloud, count=count) for some, cloud in pairs])
    found = []
    for some, cloud, there in zip(queries, points, real.numpy(), strict=True):
        numbers = np.flatnonzero(there)
        found.append(numbers[nearest_of(some, cloud[numbers], count=count)])
    return _stacked(found)


def _stacked(found: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(found))


def squared_distances(one: Tensor, other: Tensor) -> Tensor:
    """``(B, M, C)`` and ``(B, N, C)`` -> ``(B, M, N)``; never negative, as |a|^2 + |b|^2 - 2ab would be."""
    axes = zip(one.unbind(dim=2), other.unbind(dim=2), strict=True)
    return torch.stack([(a.unsqueeze(2) - b.unsqueeze(1)).square() for a, b in axes]).sum(dim=0)


def pick(points: Tensor, index: Tensor) -> Tensor:
    """Rows of ``(B, N, C)`` by their numbers ``(B, ...)``: ``(B, ..., C)``."""
    flat = index.flatten(1).unsqueeze(2).expand(-1, -1, points.shape[2])
    return points.gather(1, flat).reshape(*index.shape, points.shape[2])


def in_unit_sphere(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Clouds ``(B, N, 3)`` about their mean with a largest radius of 1; what is taken away is handed back.

    Returns:
        The clouds, their means ``(B, 1, 3)``, and their radii ``(B, 1, 1)``: an enlarged organ is one no more.

    Raises:
        ValueError: If all points of a cloud are one.
    """
    mean = points.mean(dim=1, keepdim=True)
    radius = (points - mean).norm(dim=2).amax(dim=1)[:, None, None]
    if not (radius > 0).all():
        raise ValueError("a cloud has no extent: all of its points are one, or one is no number")
    return (points - mean) / radius, mean, radius


def _enough(points: Tensor, real: Tensor | None, wanted: int, *, what: str) -> None:
    has = points.shape[1] if real is None else int(real.sum(dim=1).min())
    if not 1 <= wanted <= has:
        raise ValueError(
            f"{wanted} {what} of a cloud of {has} points: choose fewer, or sample more points of the shape"
        )
