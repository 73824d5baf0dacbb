"""What can be said of clouds of points without any network: how large they are, and where their points lie.

Of chairs, monitors and adrenal glands (docs/methods/mae3d.md) histograms along the axes tell 98 % apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

_BINS = 16


def radii(points: Tensor) -> Tensor:
    """Shares of points by their distance from the mean, in parts of the largest: ``(B, 3, N)`` -> ``(B, 16)``."""
    return _histogram(_centred(points).norm(dim=1) / _radius(points), low=0.0)


def radii_about_axes(points: Tensor) -> Tensor:
    """Likewise by their distance from each axis through the mean: ``(B, 3, N)`` -> ``(B, 48)``."""
    own, radius = _centred(points), _radius(points)
    others = ([1, 2], [0, 2], [0, 1])
    return torch.cat([_histogram(own[:, two].norm(dim=1) / radius, low=0.0) for two in others], dim=1)


def coordinates(points: Tensor) -> Tensor:
    """Likewise along each axis: ``(B, 3, N)`` -> ``(B, 48)``."""
    own, radius = _centred(points), _radius(points)
    return torch.cat([_histogram(own[:, axis] / radius, low=-1.0) for axis in range(3)], dim=1)


def volume_and_box(points: Tensor) -> Tensor:
    """Volume of the convex hull, its cube root, edges of the box and the radius: ``(B, 3, N)`` -> ``(B, 6)``."""
    from scipy.spatial import ConvexHull, QhullError

    found = []
    for cloud in points.detach().cpu().double().numpy():
        try:
            found.append(float(ConvexHull(cloud.T).volume))
        except QhullError:  # all of its points are in a plane
            found.append(0.0)
    volume = points.new_tensor(found).unsqueeze(1)
    box = points.amax(dim=2) - points.amin(dim=2)
    return torch.cat([volume, volume ** (1 / 3), box, _radius(points)], dim=1)


POINT_FEATURES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "volume and box": volume_and_box,
    "radii": radii,
    "radii about axes": radii_about_axes,
    "coordinates": coordinates,
}


def _centred(points: Tensor) -> Tensor:
    return points - points.mean(dim=2, keepdim=True)


def _radius(points: Tensor) -> Tensor:
    """Largest distance from the mean, ``(B, 1)``."""
    return _centred(points).norm(dim=1).amax(dim=1, keepdim=True).clamp_min(1e-12)


def _histogram(values: Tensor, *, low: float) -> Tensor:
    """Shares of values ``(B, N)`` from ``low`` to 1 in each bin, ``(B, 16)``."""
    bins = ((values - low) / (1 - low) * _BINS).long().clamp(0, _BINS - 1)
    counts = values.new_zeros(len(values), _BINS)
    return counts.scatter_add_(1, bins, counts.new_ones(bins.shape)) / values.shape[1]
