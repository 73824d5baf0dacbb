"""The real anatomy under the embedded cohort: MNI ICBM152 maps out of the nilearn package, no download."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from data_prep.mr_signal import CSF, GREY, WHITE
from medmae.errors import DataError

_SHARPEN = 1.6  # an average of 152 heads is blurred; a power > 1 brings one head's crisper borders back
_VENTRICLE_DEPTH_MM = 22.0
_PERIVENTRICULAR_MM = 6.0
_CORTEX_DEPTH_MM = 28.0  # below the surface of the brain, deeper than the insula


@dataclass(frozen=True, kw_only=True)
class Template:
    """Maps on the 1 mm template grid.

    Args:
        fractions: (3, X, Y, Z) in [0, 1]: fluid, grey, white; their sum is 1 in the brain and 0 outside.
        texture: (X, Y, Z), relative deviation of the real T1 image from a mixture of flat tissues, in [-0.3, 0.3].
        lesion_weight: (X, Y, Z), where white matter lesions like to be: highest beside the ventricles.
        iron: (X, Y, Z) in [0, 1], deep grey matter, where iron shortens T2.
        affine: Voxel index -> MNI152 coordinates in mm.
    """

    fractions: np.ndarray
    texture: np.ndarray
    lesion_weight: np.ndarray
    iron: np.ndarray
    affine: np.ndarray


def load_template(*, resolution_mm: float) -> Template:
    """Reads the maps and smooths them as a voxel of ``resolution_mm`` averages: coarse images have partial volume.

    Source: ICBM 2009a nonlinear symmetric (Fonov et al., NeuroImage 54:313, 2011) as carried by nilearn.

    Raises:
        ModuleNotFoundError: If nilearn is not installed.
        DataError: If the installed nilearn lacks the maps.
    """
    image, grey, white, affine = _read()
    fractions = _fractions(image, grey, white)
    texture = _texture(image, fractions)
    depth = ndimage.distance_transform_edt(fractions[:, ::2, ::2, ::2].sum(axis=0) > 0.5) * 2  # mm; 2 mm are enough
    weight = _lesion_weight(fractions, depth, affine)
    iron = fractions[GREY] * np.clip((_full(depth, fractions) - _CORTEX_DEPTH_MM) / 8, 0, 1)
    sigma = 0.42 * np.sqrt(max(resolution_mm**2 - 1, 0))  # FWHM of a voxel, less that of the template's own
    if sigma:
        fractions = np.stack([ndimage.gaussian_filter(part, sigma) for part in fractions])
        texture, iron = (ndimage.gaussian_filter(part, sigma) for part in (texture, iron))
    return Template(fractions=fractions, texture=texture, lesion_weight=weight, iron=iron, affine=affine)


def _read() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """T1 image, grey and white matter in [0, 1], and the affine."""
    try:
        data = resources.files("nilearn") / "datasets" / "data"  # importing nilearn.datasets would take seconds
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("the embedded cohort needs nilearn: pip install nilearn", name="nilearn") from error
    files = [Path(str(data / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz")) for kind in ("t1", "gm", "wm")]
    for path in files:
        if not path.is_file():
            raise DataError("nilearn no longer carries this map", path=path, remedy='pip install "nilearn>=0.11,<0.15"')
    images = [nib.load(path) for path in files]
    volumes = [np.asarray(image.dataobj, dtype=np.float32) for image in images]
    t1, grey, white = (volume / volume.max() for volume in volumes)
    return t1, grey, white, np.asarray(images[0].affine)


def _fractions(image: np.ndarray, grey: np.ndarray, white: np.ndarray) -> np.ndarray:
    """Fluid is what the two maps leave over, or what the T1 image shows darker than grey matter, if that is more."""
    brain = image > 0
    image, grey, white = image[brain], grey[brain], white[brain]  # (N,)
    rest = 1 - grey - white
    darker = (_mean(image, grey) - 0.04 - image) / (_mean(image, grey) - _mean(image, rest))
    fluid = np.clip(np.maximum(rest, darker * (1 - white)), 0, 1)
    solid = (1 - fluid) / np.maximum(grey + white, 1e-6)
    parts = np.stack([fluid, grey * solid, white * solid]) ** _SHARPEN  # (3, N): CSF, GREY, WHITE
    volume = np.zeros((3, *brain.shape), np.float32)
    volume[:, brain] = parts / np.maximum(parts.sum(axis=0), 1e-6)
    return volume


def _mean(image: np.ndarray, probability: np.ndarray) -> float:
    """Of the voxels that are sure."""
    return float(image[probability > 0.95].mean())


def _texture(image: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    means = [_mean(image, fractions[tissue]) for tissue in (CSF, GREY, WHITE)]
    flat = np.tensordot(np.asarray(means, dtype=np.float32), fractions, axes=1)
    deviation = np.divide(image - flat, flat, out=np.zeros_like(image), where=flat > 0)
    return np.clip(deviation, -0.3, 0.3) * (1 - fractions[CSF])


def _lesion_weight(fractions: np.ndarray, depth: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Decays with the distance from the ventricles; few in the midline, a floor for the deep white matter."""
    coarse = fractions[:, ::2, ::2, ::2]
    ventricles = ndimage.binary_opening((coarse[CSF] > 0.5) & (depth > _VENTRICLE_DEPTH_MM))
    distance = ndimage.distance_transform_edt(~ventricles) * 2
    weight = (coarse[WHITE] > 0.8) * (depth > 8) * (np.exp(-distance / _PERIVENTRICULAR_MM) + 0.004)
    left_right = affine[0, 0] * 2 * np.arange(coarse.shape[1]) + affine[0, 3]  # mm from the midline
    weight = weight * (1 - 0.95 * np.exp(-((left_right / 9) ** 2)))[:, None, None]
    return _full(weight, fractions)


def _full(coarse: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """A map of every other voxel on the grid of ``fractions``."""
    x, y, z = fractions.shape[1:]
    return coarse.repeat(2, 0).repeat(2, 1).repeat(2, 2)[:x, :y, :z].astype(np.float32)
