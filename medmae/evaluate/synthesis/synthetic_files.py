"""Synthetic images as files: NIfTI on the grid of the source, marked as synthetic, with a JSON that tells the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from medmae.data.volumes.grid import Grid
from medmae.data.volumes.intensity import Normalisation
from medmae.files import all_or_none, write_text

Dtype = Literal["float32", "int16"]
Kind = Literal["synthetic", "uncertainty", "uncalibrated"]
DESCRIP: dict[Kind, str] = {  # at most 79 bytes each
    "synthetic": "medmae: synthetic, made by a network, not for diagnosis",
    "uncertainty": "medmae: error to expect of a synthetic image, not for diagnosis",
    "uncalibrated": "medmae: uncalibrated spread of a synthetic image, not for diagnosis",
}
_INT16 = 32767


@dataclass(frozen=True, kw_only=True)
class Result:
    """One image to write.

    Attributes:
        target: The contrast.
        kind: The image itself, the error to expect of it, or the spread of the network's guesses as it comes.
        values: ``(S, H, W)`` float32, stored orientation, in the units of the file.
        background: Value outside the crop.
        about: What the JSON beside it says.
    """

    target: str
    kind: Kind
    values: np.ndarray
    background: float
    about: Mapping[str, Any]

    @classmethod
    def image(cls, values: np.ndarray, *, target: str, to: Normalisation | None, about: Mapping[str, Any]) -> Result:
        """A synthetic image ``(S, H, W)`` in [0, 1], given the intensities ``to`` of the target if they are known."""
        values, background = (values, 0.0) if to is None else (to.invert(values), to.background)
        return cls(target=target, kind="synthetic", values=values, background=background, about=about)

    @classmethod
    def spread(
        cls, values: np.ndarray, *, kind: Kind, target: str, to: Normalisation | None, about: Mapping[str, Any]
    ) -> Result:
        """How unsure the network is: a difference of intensities, stretched as they are, but not moved."""
        values = values * np.float32(1.0 if to is None else to.maximum)
        return cls(target=target, kind=kind, values=values, background=0.0, about=about)


def write_results(results: Sequence[Result], *, case: str, grid: Grid, folder: Path, dtype: Dtype) -> list[Path]:
    """Writes all results of a case, or none: ``<case>_desc-<kind><TARGET>.nii.gz`` and ``.json``.

    What an earlier run made of the same targets goes first: its spread is of another image than the new one.

    Args:
        results: The images.
        case: Name of the case.
        grid: Where their values lie in the source.
        folder: Receives the files.
        dtype: Of the voxels; ``int16`` with slope and intercept.

    Returns:
        The NIfTI files.
    """
    for target in {result.target for result in results}:
        for stale in (path for kind in DESCRIP for path in _paths(folder, case, kind, target)):
            stale.unlink(missing_ok=True)
    paths, notes = zip(*(_paths(folder, case, result.kind, result.target) for result in results), strict=True)
    with all_or_none([*paths, *notes]):
        for result, path, note in zip(results, paths, notes, strict=True):
            _write_image(result, path, grid=grid, dtype=dtype)
            write_text(note, json.dumps(result.about, indent=2) + "\n")
    return list(paths)


def _paths(folder: Path, case: str, kind: Kind, target: str) -> tuple[Path, Path]:
    """An image and its note."""
    stem = f"{case}_desc-{kind}{_label(target)}"
    return folder / f"{stem}.nii.gz", folder / f"{stem}.json"


def _write_image(result: Result, path: Path, *, grid: Grid, dtype: Dtype) -> None:
    if dtype == "float32":
        grid.write_nifti(result.values.astype(np.float32), path, descrip=DESCRIP[result.kind], fill=result.background)
        return
    # The intercept is the background, which so stays exact.
    above = result.values.astype(np.float64) - result.background
    slope = float(np.float32(np.abs(above).max() / _INT16)) or 1.0
    stored = np.rint(above / slope).clip(-_INT16, _INT16).astype(np.int16)
    grid.write_nifti(stored, path, descrip=DESCRIP[result.kind], fill=0, scaling=(slope, result.background))


def _label(target: str) -> str:
    """A contrast as BIDS wants it in a label: letters and digits only."""
    return re.sub(r"[^A-Za-z0-9]", "", target)
