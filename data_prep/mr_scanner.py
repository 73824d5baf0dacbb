"""From anatomy to what a scanner stores: signal, partial volume, coil sensitivity, Rician noise, integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from data_prep.mr_anatomy import Anatomy, smooth_noise
from data_prep.mr_signal import CSF, LESION, WHITE, Sequence, Tissue, signal

_FIELD_GRID = 12  # lattice points an axis: coils change slowly
_OWN_BIAS = 0.02  # of a single scan, beside what all scans of a session share


@dataclass(frozen=True, kw_only=True)
class Coils:
    """The fields of a session: head and coils stay, so all of its scans see them; N is the number of brain voxels.

    Args:
        bias: (N,), logarithm of the receive sensitivity.
        flip: (N,), the transmit field, 1 where pulses turn as far as they should.
    """

    bias: np.ndarray
    flip: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One acquired volume.

    Args:
        array: (X, Y, Z) int16 in arbitrary units; 0 outside the brain and at least 1 inside.
        snr: Mean signal of white matter over the standard deviation of the noise of one receive channel.
        bias: Standard deviation of the logarithm of the coils' sensitivity over the brain.
    """

    array: np.ndarray
    snr: float
    bias: float


def place_coils(mask: np.ndarray, rng: np.random.Generator) -> Coils:
    """The fields of a session over the brain ``mask`` ``(X, Y, Z)``: at 3 T, 10 to 18 % and 4 to 8 %."""
    receive, transmit = rng.uniform(0.10, 0.18), rng.uniform(0.04, 0.08)
    flip = 1 + transmit * _field(mask, rng)
    return Coils(bias=receive * _field(mask, rng), flip=np.clip(flip, 0.8, 1.2))


def acquire(
    anatomy: Anatomy, *, coils: Coils, tissues: Mapping[int, Tissue], sequence: Sequence, rng: np.random.Generator
) -> Scan:
    """Scans a subject with one sequence."""
    snr, top = rng.uniform(30, 50), rng.uniform(500, 1500)
    clean = mixed_signal(anatomy, tissues=tissues, sequence=sequence, flip=coils.flip)  # (N,), signed
    sigma = abs(float(clean[anatomy.fractions[WHITE] > 0.9].mean())) / snr
    bias = coils.bias + _OWN_BIAS * _field(anatomy.mask, rng)
    clean = clean * np.exp(bias)
    noisy = rician(clean, sigma=sigma, rng=rng)
    scaled = np.rint(noisy * (top / np.percentile(noisy, 99.5)))
    array = np.zeros(anatomy.mask.shape, np.int16)
    array[anatomy.mask] = np.clip(scaled, 1, np.iinfo(np.int16).max)
    return Scan(array=array, snr=float(snr), bias=float(bias.std()))


def mixed_signal(
    anatomy: Anatomy, *, tissues: Mapping[int, Tissue], sequence: Sequence, flip: np.ndarray | float = 1.0
) -> np.ndarray:
    """Signed signal ``(N,)``: each tissue's own, weighted by its share of the voxel, under a transmit field ``flip``.

    The anatomy's texture stretches relaxation times: T1 as it stands, T2 by half and by what it has of its own, water
    content by a fifth. It leaves fluid alone.
    """
    total = np.zeros(anatomy.texture.shape, np.float32)
    for index, tissue in tissues.items():
        stretch, own = (0 if index == CSF else part for part in (anatomy.texture, anatomy.t2_texture))
        grades = anatomy.grades if index == LESION else np.ones((2, 1), np.float32)
        total += anatomy.fractions[index] * signal(
            sequence,
            t1=tissue.t1 * grades[0] * np.exp(stretch),
            t2=tissue.t2 * grades[1] * np.exp(stretch / 2 + own),
            pd=tissue.pd * np.exp(stretch / 5),
            flip=flip,
        )
    return total


def rician(values: np.ndarray, *, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of a signal under Gaussian noise of ``sigma`` in the real and the imaginary channel."""
    real, imaginary = sigma * rng.standard_normal((2, *values.shape), dtype=np.float32)
    return np.hypot(values + real, imaginary)


def _field(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth field over the brain voxels ``(N,)``, mean 0 and standard deviation 1 before it is cut to the brain."""
    lattice = smooth_noise((_FIELD_GRID,) * 3, 2.5, rng)
    where = [
        (np.arange(n) * (_FIELD_GRID - 1) / (n - 1))[index] for n, index in zip(mask.shape, mask.nonzero(), strict=True)
    ]
    return ndimage.map_coordinates(lattice, where, order=1, output=np.float32)
