"""One subject's anatomy: the template under its own smooth deformation, with its own texture and lesions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from data_prep.mr_signal import LESION
from data_prep.mr_template import Template

_CONTROL_MM = 4.0  # spacing of the lattice on which deformations are drawn and checked
_FIELDS_MM = ((24.0, 2.6), (9.0, 1.0))  # smoothness (sigma) and standard deviation of the displacement
_MIN_JACOBIAN = 0.15
_IRON = (0.15, 0.35)  # by how much it shortens the T2 of deep grey matter
_OWN_T2 = 0.04
_OLD, _FRESH = ((1.05, 1.35), (0.75, 0.95)), ((0.75, 0.95), (1.1, 1.4))  # grades of T1 and of T2
_BESIDE = 0.3  # of the weight of places: above it a lesion lies beside the ventricles


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """What a scanner of any contrast sees; N is the number of brain voxels.

    Args:
        mask: (X, Y, Z) bool, the brain.
        fractions: (4, N): fluid, grey, white, lesion; the sum is 1.
        texture: (N,), relative deviation of the relaxation times from the tissue's mean; > 0 means longer.
        t2_texture: (N,), the same of T2 alone, which T1 does not show: iron in deep grey matter, and a smooth field.
        grades: (2, N), T1 and T2 of lesion tissue relative to the subject's mean lesion.
        lesions: Number of lesions.
        jacobian: Smallest determinant of the deformation; > 0 means no folding.
    """

    mask: np.ndarray
    fractions: np.ndarray
    texture: np.ndarray
    t2_texture: np.ndarray
    grades: np.ndarray
    lesions: int
    jacobian: float


def make_anatomy(
    template: Template, *, resolution_mm: float, rng: np.random.Generator, lesion_rng: np.random.Generator | None
) -> Anatomy:
    """Draws a subject.

    Args:
        template: The common anatomy.
        resolution_mm: Edge of the voxels made.
        rng: Of deformation and texture.
        lesion_rng: Of the lesions; None makes a subject without.
    """
    shape = grid_shape(template, resolution_mm)
    extent = np.array(template.texture.shape)
    displacement, jacobian = draw_displacement(extent, rng=rng, centre=_centre(template))
    where = _upsample(displacement, shape, resolution_mm)  # (3, X, Y, Z), mm = template voxels
    where += np.stack(np.meshgrid(*(np.arange(n) * resolution_mm for n in shape), indexing="ij")).astype(np.float32)
    maps = [
        _look_up(part, where) for part in (*template.fractions, template.texture, template.lesion_weight, template.iron)
    ]
    total = maps[0] + maps[1] + maps[2]
    mask = ndimage.binary_fill_holes(total > 0.5)
    lesion, grades, count = np.zeros(shape, np.float32), np.ones((2, *shape), np.float32), 0
    if lesion_rng is not None:
        lesion, grades, count = draw_lesions(maps[4] * mask, resolution_mm=resolution_mm, rng=lesion_rng)
    tissue = np.stack([part[mask] for part in maps[:3]]) / np.maximum(total[mask], 1e-3)
    return Anatomy(
        mask=mask,
        fractions=_with_lesions(tissue, lesion[mask]),
        texture=_own_texture(shape, rng)[mask] - maps[3][mask],  # brighter on the T1 template: shorter times
        t2_texture=_OWN_T2 * smooth_noise(shape, 8.0 / resolution_mm, rng)[mask] - rng.uniform(*_IRON) * maps[5][mask],
        grades=grades[:, mask],
        lesions=count,
        jacobian=jacobian,
    )


def grid_shape(template: Template, resolution_mm: float) -> tuple[int, int, int]:
    """Voxels an axis, from the template's first voxel on."""
    x, y, z = (int(np.ceil(n / resolution_mm)) for n in template.texture.shape)
    return x, y, z


def draw_displacement(extent: np.ndarray, *, rng: np.random.Generator, centre: np.ndarray) -> tuple[np.ndarray, float]:
    """A displacement in mm on the control lattice, ``(3, x, y, z)``, and its smallest Jacobian determinant.

    It is a turn and a scaling, two Gaussian fields, and a push that widens or narrows the ventricles. Should it fold
    anywhere, the whole is made smaller until it does not.
    """
    lattice = tuple(int(n) for n in np.ceil(extent / _CONTROL_MM) + 1)
    points = np.stack(np.meshgrid(*(np.arange(n) * _CONTROL_MM for n in lattice), indexing="ij"))  # (3, x, y, z)
    relative = points - centre[:, None, None, None]
    field = np.tensordot(_turn_and_scale(rng) - np.eye(3), relative, axes=1)
    for sigma, amplitude in _FIELDS_MM:
        field += amplitude * np.stack([smooth_noise(lattice, sigma / _CONTROL_MM, rng) for _ in range(3)])
    push = rng.uniform(-0.1, 0.35)
    field -= push * relative * np.exp(-(relative**2).sum(axis=0) / (2 * 24.0**2))
    while (smallest := _jacobian(field).min()) < _MIN_JACOBIAN:
        field *= 0.8
    return field.astype(np.float32), float(smallest)


def _jacobian(field: np.ndarray) -> np.ndarray:
    gradient = np.stack([np.stack(np.gradient(part, _CONTROL_MM)) for part in field])  # (3, 3, x, y, z)
    return np.linalg.det(np.moveaxis(gradient, (0, 1), (-2, -1)) + np.eye(3))


def _turn_and_scale(rng: np.random.Generator) -> np.ndarray:
    x, y, z = np.deg2rad(rng.uniform(-4, 4, 3))
    turn = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) + np.eye(3)  # small angles
    return turn @ np.diag(rng.uniform(0.95, 1.06, 3))


def smooth_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise smoothed by ``sigma`` voxels, mean 0 and standard deviation 1, float32."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="reflect", truncate=3.0)
    noise -= noise.mean()
    return noise / noise.std()


def _upsample(field: np.ndarray, shape: tuple[int, ...], resolution_mm: float) -> np.ndarray:
    step = resolution_mm / _CONTROL_MM
    return np.stack(
        [ndimage.affine_transform(part, [step] * 3, output_shape=shape, order=1, mode="nearest") for part in field]
    )


def _look_up(volume: np.ndarray, where: np.ndarray) -> np.ndarray:
    return ndimage.map_coordinates(volume, where, order=1, mode="constant", output=np.float32)


def _centre(template: Template) -> np.ndarray:
    """Template voxel (= mm) around which heads turn and ventricles widen: the middle of the lateral ventricles."""
    return np.linalg.solve(template.affine, np.array([0.0, -18.0, 16.0, 1.0]))[:3]


def _own_texture(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return 0.025 * smooth_noise(shape, 0.7, rng) + 0.025 * smooth_noise(shape, 4.0, rng)


def _with_lesions(tissue: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    """A lesion replaces the white matter of its voxels, and what of grey there is to 70 %; never fluid."""
    taken = tissue * (np.array([[0.0], [0.7], [1.0]], dtype=np.float32) * lesion)  # (3, N)
    return np.concatenate([tissue - taken, taken.sum(axis=0, keepdims=True)]).astype(np.float32)


def draw_lesions(
    weight: np.ndarray, *, resolution_mm: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, int]:
    """Ellipsoids with ragged borders, long axis away from the midline as Dawson's fingers are.

    Returns:
        Share of lesion a voxel in [0, 1] ``(X, Y, Z)``, its grades of T1 and T2 ``(2, X, Y, Z)``, and how many were
        drawn. Old lesions have lost tissue: dark on T1, and their T2 rose but little. Fresh ones swell: hardly seen on
        T1, brightest on T2. Most beside the ventricles are old and most others fresh, so that a grey value of T1 alone
        does not tell T2, but the place and what surrounds it do to a good part.
    """
    count = int(6 + rng.poisson(9))
    chance = weight.ravel().astype(np.float64)
    centres = rng.choice(chance.size, size=count, p=chance / chance.sum())
    ragged = smooth_noise(weight.shape, 1.2 / resolution_mm + 0.3, rng)
    share, grades = np.zeros(weight.shape, np.float32), np.ones((2, *weight.shape), np.float32)
    beside = weight > _BESIDE * weight.max()
    for centre in np.stack(np.unravel_index(centres, weight.shape), axis=1):
        radius = float(np.clip(rng.lognormal(np.log(3.2), 0.4), 2.4, 8.0))  # mm
        box = tuple(
            slice(max(int(c - 2 * radius / resolution_mm) - 1, 0), int(c + 2 * radius / resolution_mm) + 2)
            for c in centre
        )
        blob = _ellipsoid(box, centre, weight.shape, radius=radius, resolution_mm=resolution_mm, rng=rng)
        blob = np.clip((1 - blob + 0.22 * ragged[box]) * 0.6 * radius / resolution_mm + 0.5, 0, 1)
        old = rng.random() < (0.85 if beside[tuple(centre)] else 0.15)
        for part, ends in zip(grades, _OLD if old else _FRESH, strict=True):
            part[box] = np.where(blob > share[box], rng.uniform(*ends), part[box])
        share[box] = np.maximum(share[box], blob)
    return share, grades, count


def _ellipsoid(
    box: tuple[slice, ...],
    centre: np.ndarray,
    shape: tuple[int, ...],
    *,
    radius: float,
    resolution_mm: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Distance from the centre in radii; the axis is 1.7 times as long as the ellipsoid is thick."""
    ticks = [np.arange(part.start, min(part.stop, n)) - c for part, n, c in zip(box, shape, centre, strict=True)]
    offset = np.stack(np.meshgrid(*ticks, indexing="ij")) * resolution_mm  # (3, x, y, z)
    side = 1.0 if centre[0] > shape[0] / 2 else -1.0
    axis = np.array([side, 0.0, 0.0]) + 0.45 * rng.standard_normal(3)
    along = np.tensordot(axis / np.linalg.norm(axis), offset, axes=1)
    across = np.sqrt(np.maximum((offset**2).sum(axis=0) - along**2, 0))
    return np.hypot(along / 1.35, across / 0.8) / radius


def lesion_mask(anatomy: Anatomy) -> np.ndarray:
    """(X, Y, Z) uint8: voxels of which more than half is lesion."""
    volume = np.zeros(anatomy.mask.shape, np.uint8)
    volume[anatomy.mask] = anatomy.fractions[LESION] > 0.5
    return volume
