"""From anatomy to what a scanner stores: signal, partial volume, coil sensitivity, Rician noise, integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from data_prep.mr_anatomy import Anatomy, smooth_noise
from data_prep.mr_signal import CSF, LESION, WHITE, Sequence, Tissue, signal

_BIAS_GRID = 12  # lattice points an axis: coils change slowly


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One acquired volume.

    Args:
        array: (X, Y, Z) int16 in arbitrary units; 0 outside the brain and at least 1 inside.
        snr: Mean signal of white matter over the standard deviation of the noise of one receive channel.
        bias: Standard deviation of the logarithm of the coil's sensitivity.
    """

    array: np.ndarray
    snr: float
    bias: float


def acquire(anatomy: Anatomy, *, tissues: Mapping[int, Tissue], sequence: Sequence, rng: np.random.Generator) -> Scan:
    """Scans a subject with one sequence."""
    snr, bias, top = rng.uniform(30, 50), rng.uniform(0.03, 0.08), rng.uniform(500, 1500)
    clean = mixed_signal(anatomy, tissues=tissues, sequence=sequence)  # (N,), signed
    sigma = abs(float(clean[anatomy.fractions[WHITE] > 0.9].mean())) / snr
    clean = clean * np.exp(bias * _sensitivity(anatomy.mask, rng))
    noisy = rician(clean, sigma=sigma, rng=rng)
    scaled = np.rint(noisy * (top / np.percentile(noisy, 99.5)))
    array = np.zeros(anatomy.mask.shape, np.int16)
    array[anatomy.mask] = np.clip(scaled, 1, np.iinfo(np.int16).max)
    return Scan(array=array, snr=float(snr), bias=float(bias))


def mixed_signal(anatomy: Anatomy, *, tissues: Mapping[int, Tissue], sequence: Sequence) -> np.ndarray:
    """Signed signal ``(N,)``: each tissue's own, weighted by its share of the voxel.

    The anatomy's texture stretches relaxation times: T1 as it stands, T2 by half, water content by a fifth. It leaves
    fluid alone.
    """
    total = np.zeros(anatomy.texture.shape, np.float32)
    for index, tissue in tissues.items():
        stretch = np.zeros_like(anatomy.texture) if index == CSF else anatomy.texture
        grade = anatomy.grade if index == LESION else np.float32(1)
        total += anatomy.fractions[index] * signal(
            sequence,
            t1=tissue.t1 * grade * np.exp(stretch),
            t2=tissue.t2 * grade * np.exp(stretch / 2),
            pd=tissue.pd * np.exp(stretch / 5),
        )
    return total


def rician(values: np.ndarray, *, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of a signal under Gaussian noise of ``sigma`` in the real and the imaginary channel."""
    real, imaginary = sigma * rng.standard_normal((2, *values.shape), dtype=np.float32)
    return np.hypot(values + real, imaginary)


def _sensitivity(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth field over the brain voxels ``(N,)``, mean 0 and standard deviation 1 before it is cut to the brain."""
    lattice = smooth_noise((_BIAS_GRID,) * 3, 2.5, rng)
    where = [
        (np.arange(n) * (_BIAS_GRID - 1) / (n - 1))[index] for n, index in zip(mask.shape, mask.nonzero(), strict=True)
    ]
    return ndimage.map_coordinates(lattice, where, order=1, output=np.float32)
