"""Images that are label maps by what they hold, whatever their names say; and label maps that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medmae.errors import DataError

LIKE_LABELS = "like_a_label_map"  # flag, where a user says that it is an image
_MOST_LABELS = 64
_SAMPLES = 200_000  # voxels of a first look, which ends it for every image
_EQUAL = 0.8  # share of neighbours of one value: of labels nearly all, of the noise of an image few


def holds_labels(array: np.ndarray) -> bool:
    """Whether the voxels of a volume are those of a mask or label map.

    They have two values at all, or besides the most frequent one few whole numbers, and what lies side by side mostly
    has the same.

    Args:
        array: ``(X, Y, Z)``, without NaN.
    """
    flat = array.reshape(-1)
    if len(np.unique(flat[:: max(flat.size // _SAMPLES, 1)])) > _MOST_LABELS + 1:
        return False
    values, counts = np.unique(flat, return_counts=True)
    if len(values) == 2:
        return True
    if not 2 < len(values) <= _MOST_LABELS + 1 or not np.array_equal(values, np.round(values)):
        return False
    inside = array != values[counts.argmax()]
    pairs = equal = 0
    for axis in range(array.ndim):
        before, after = (np.moveaxis(array, axis, 0)[cut] for cut in (slice(None, -1), slice(1, None)))
        both = np.moveaxis(inside, axis, 0)[:-1] & np.moveaxis(inside, axis, 0)[1:]
        pairs += int(both.sum())
        equal += int((both & (before == after)).sum())
    return equal > _EQUAL * pairs


def refuse_labels(array: np.ndarray, *, path: Path) -> None:
    """Refuses a label map that is called as an image.

    Raises:
        DataError: If it is one by what it holds.
    """
    if holds_labels(array):
        raise DataError(
            "it is called as an image, and holds a mask or label map",
            path=path,
            field="voxels",
            value=f"{len(np.unique(array))} values",
            remedy="call it _mask or _seg; if it is an image, say so in a table: --subjects, or subject,contrast,path",
        )


def check_label(values: np.ndarray, *, path: Path) -> None:
    """Refuses a label map that holds other numbers than labels.

    Raises:
        DataError: If it does.
    """
    if values.min() < 0 or values.max() > 255 or not np.array_equal(values, np.round(values)):
        raise DataError(
            "a label map holds whole numbers from 0 to 255",
            path=path,
            field="voxels",
            value=(float(values.min()), float(values.max())),
            remedy="renumber the labels, or rename the file if it is no label map",
        )
