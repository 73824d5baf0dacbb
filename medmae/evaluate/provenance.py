"""Where a synthetic image comes from: written beside it, so that nobody has to guess or can forget."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medmae.data.volumes.cases import StoredCase
from medmae.data.volumes.intensity import Normalisation
from medmae.files import sha256_of, write_text
from medmae.report.folder import MADE_BY
from medmae.weights.quality import made_by

if TYPE_CHECKING:
    from medmae.evaluate.synthesis.calibration_file import (
        FittedSpread,  # scikit-learn is not wanted by all who describe a run
    )

WARNING = "synthetic, made by a neural network; not for diagnosis"
_PACKAGES = ("medmae", "torch", "monai", "pytorch-lightning", "timm", "numpy", "nibabel")


def recorded_versions() -> dict[str, str]:
    """Versions of the packages that shape results."""
    return {name: version(name) for name in _PACKAGES}


def describe_weights(path: str | Path | None) -> dict[str, Any] | None:
    """File name, sha256 and run of a weight file, and how good it was found to be."""
    return None if path is None else made_by(path)


def write_made_by(folder: str | Path, made: Mapping[str, Any]) -> None:
    """Writes ``made_by.json`` among tables and files that cannot say it themselves: of which run and weights they are.

    Args:
        folder: Of these files.
        made: ``run``, and, of what weights made, :func:`medmae.weights.quality.made_by`.
    """
    write_text(Path(folder) / MADE_BY, json.dumps(dict(made), indent=2) + "\n")


def describe_uncertainty(fitted: FittedSpread | None, *, path: str | Path | None) -> dict[str, Any]:
    """What the voxels of an uncertainty map are, and how that is known.

    Args:
        fitted: The calibration; None if there is none.
        path: Its file.
    """
    if fitted is None or path is None:
        return {"calibrated": False, "what": "standard deviation over flips and quarter turns, in units of the image"}
    return {
        "calibrated": True,
        "what": "absolute error to expect, in units of the image; 0 in the background",
        "file": Path(path).name,
        "sha256": sha256_of(path),
        "validation_subjects": len(fitted.subjects),
    }


def provenance(
    case: StoredCase,
    *,
    target: str,
    sources: tuple[str, ...],
    intensity: Normalisation | None,
    run: Mapping[str, Any],
) -> dict[str, Any]:
    """What is written beside a synthetic image. File names of sources are told, their folders are not.

    Args:
        case: What it was made from.
        target: The contrast made.
        sources: The contrasts that the network saw.
        intensity: How its values were mapped from [0, 1]; None if they are left there.
        run: What all images of a run share: weights, versions, settings.
    """
    return {
        "warning": WARNING,
        "case": case.name,
        "subject_origin": case.origin or "not known",
        "target": target,
        "sources": [
            {
                "contrast": name,
                "file": case.files[name][0],
                "sha256": case.files[name][1],
                "normalisation": case.normalisations[name].to_dict(),
            }
            for name in sources
        ],
        "intensity": "in [0, 1]: those of the target are unknown" if intensity is None else intensity.to_dict(),
        "grid": case.grid.to_dict(),
        **run,
    }
