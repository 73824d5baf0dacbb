"""A calibration kept beside the weights whose spread it translates, so that inference gives errors and not spreads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medmae.errors import DataError
from medmae.evaluate.synthesis.calibration import Calibration
from medmae.files import from_json, sha256_of, write_text

NAME = "calibration.json"


@dataclass(frozen=True, kw_only=True)
class FittedSpread:
    """A calibration, and whose spread and error it was fitted on.

    Attributes:
        calibration: From spread to expected absolute error, both of intensities in [0, 1].
        subjects: Validation subjects, sorted; on them it tells nothing.
    """

    calibration: Calibration
    subjects: tuple[str, ...]


def write_calibration(path: str | Path, fitted: FittedSpread, *, weights_sha256: str) -> None:
    """Writes a calibration as JSON, atomically.

    Args:
        path: The file; ``calibration.json`` in the model's folder by convention.
        fitted: What was fitted.
        weights_sha256: Of the weights whose spread was measured: those of others spread otherwise.
    """
    record = {
        "what": "spread of test-time augmentation (a standard deviation) -> expected absolute error, both in [0, 1]",
        "weights_sha256": weights_sha256,
        "fitted_on": list(fitted.subjects),
        "map": fitted.calibration.as_dict(),
    }
    write_text(path, json.dumps(record, indent=2) + "\n")


def read_calibration(path: str | Path, *, weights: str | Path | None) -> FittedSpread:
    """The inverse of :func:`write_calibration`; also reads the map in the ``calibration.json`` of an evaluation.

    Args:
        path: The file.
        weights: What it must be of, if it says of what it is; None if they came without a file.

    Raises:
        DataError: If the file is missing, tells no rising map, or is of other weights.
    """
    remedy = "train with --uncertainty true, which writes it, or pass --calibration null for the spread as it comes"
    try:
        record = from_json(Path(path).read_text(encoding="utf-8"))
        fitted = FittedSpread(calibration=_rising(record["map"]), subjects=tuple(map(str, record["fitted_on"])))
        of = record.get("weights_sha256")
    except OSError as error:
        raise DataError(f"it cannot be read ({error.strerror})", path=path, remedy=remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"this is no calibration of a spread ({type(error).__name__}: {error})", path=path, remedy=remedy
        ) from error
    if of is not None and weights is not None and of != sha256_of(weights):
        raise DataError(
            f"it was fitted to other weights than {Path(weights).name}",
            path=path,
            field="weights_sha256",
            value=of,
            remedy=remedy,
        )
    return fitted


def _rising(values: dict[str, list[float]]) -> Calibration:
    calibration = Calibration.from_dict(values)
    knots = np.array([calibration.std, calibration.error], dtype=np.float64)  # (2, K); ragged ones are refused
    if not knots.size or not np.isfinite(knots).all() or (np.diff(knots, axis=1) < 0).any() or (knots < 0).any():
        raise ValueError("std and error must be finite, not negative, and rise")
    return calibration
