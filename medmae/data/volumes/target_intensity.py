"""What intensities a contrast usually has: measured on training subjects, given to synthetic images."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from medmae.data.manifest import Manifest, Row
from medmae.data.volumes.hounsfield import UNIT
from medmae.data.volumes.intensity import Normalisation
from medmae.errors import DataError
from medmae.files import from_json, write_text

NAME = "target_intensity.json"
_NUMBERS = ("lower", "upper", "maximum", "background")


def median_normalisation(
    manifest: Manifest, *, contrast: str, split: str | None = "train", subjects: Collection[str] | None = None
) -> Normalisation:
    """The median of each constant over the subjects of a split; of several visits of a subject their median counts.

    Of CT those in Hounsfield units count, whose window is that of all of them.

    Args:
        manifest: Prepared data.
        contrast: Its name.
        split: None takes all.
        subjects: Whose to measure; None takes all of the split.

    Raises:
        DataError: If no case of theirs has the contrast.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(manifest, contrast, split=split, subjects=subjects):
        for entry in row["contrasts"]:
            if entry["name"] == contrast and "constant" not in entry.get("flags", ()):
                found.setdefault(row["subject"], []).append(entry["normalisation"])
    if not found:
        raise DataError(
            f"no case has {contrast}, so its intensities are unknown",
            path=manifest.path,
            field="split",
            value=split,
            remedy="measure them on a split that has it",
        )
    in_hu = {name: own for name, visits in found.items() if (own := [one for one in visits if one.get("unit") == UNIT])}
    found = in_hu or found
    of_subjects = [{name: median(visit[name] for visit in visits) for name in _NUMBERS} for visits in found.values()]
    lower, upper, maximum, background = (float(median(one[name] for one in of_subjects)) for name in _NUMBERS)
    declared: dict[str, Any] = {"darkest": lower, "unit": UNIT} if in_hu else {}
    return Normalisation(lower=lower, upper=upper, maximum=maximum, background=background, **declared)


def target_intensities(
    *,
    manifest: str | Path | Manifest,
    contrasts: Sequence[str],
    split: str | None = "train",
    subjects: Collection[str] | None = None,
) -> dict[str, Any]:
    """The median normalisation of some contrasts as JSON has it, for a model's weights.

    Args:
        manifest: What the model was trained on.
        contrasts: What it can make.
        split: Whose subjects.
        subjects: Some of them, such as those whose pairs the model learns from; None takes all.

    Raises:
        DataError: If the data set or the split lacks one of the contrasts.
    """
    manifest = Manifest.of(manifest)
    to_hu = " (of a window of CT, in HU: stored * maximum + darkest, and background where stored is 0)"
    measured = {name: _rows(manifest, name, split=split, subjects=subjects) for name in contrasts}
    found = {name: median_normalisation(manifest, contrast=name, split=split, subjects=subjects) for name in measured}
    return {
        "what": "median over subjects of what maps a contrast to [0, 1]; intensity = stored * maximum + background"
        + (to_hu if any(fit.unit for fit in found.values()) else ""),
        "manifest_sha256": manifest.sha256,
        "split": split,
        "contrasts": {
            name: found[name].to_dict() | {"subjects": len({row["subject"] for row in rows})}
            for name, rows in measured.items()
        },
    }


def write_target_intensities(path: str | Path, **measured: Any) -> None:
    """Writes :func:`target_intensities` (its arguments) to stand beside weights, by convention as :data:`NAME`."""
    write_text(path, json.dumps(target_intensities(**measured), indent=2) + "\n")


def _rows(manifest: Manifest, contrast: str, *, split: str | None, subjects: Collection[str] | None) -> list[Row]:
    found = manifest.select(split=split, contrasts=[contrast])
    return [row for row in found if subjects is None or row["subject"] in subjects]


def read_target_intensities(path: str | Path, *, record: Mapping[str, Any] | None = None) -> dict[str, Normalisation]:
    """The inverse of :func:`write_target_intensities`: normalisation by contrast.

    Args:
        path: The file; or that which says ``record``.
        record: What it says, where that is known.

    Raises:
        DataError: If the file is missing or not such a file.
    """
    remedy = "write it at training time with write_target_intensities, or leave it out for intensities in [0, 1]"
    try:
        said = from_json(Path(path).read_text(encoding="utf-8")) if record is None else record
        contrasts = said["contrasts"]
        return {
            name: Normalisation.from_dict({key: value for key, value in entry.items() if key != "subjects"})
            for name, entry in contrasts.items()
        }
    except OSError as error:
        raise DataError(f"it cannot be read ({error.strerror})", path=path, remedy=remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"this does not tell intensities of contrasts ({type(error).__name__}: {error})", path=path, remedy=remedy
        ) from error
