"""Shapes and the size that a network calls 1: clouds in another unit than it was trained for give nothing but noise."""

from __future__ import annotations

import warnings

import numpy as np

from medmae.data.manifest import Manifest
from medmae.errors import DataError
from medmae.methods.base import Method

_FITS = (0.05, 200.0)  # radius over what the network calls 1: beyond it is another unit
_SAY = "train with --millimetres RADIUS (or scale: {mean: [0], std: [RADIUS]}); 1 where size was removed"
_WELL = 20.0  # up to here it is well scaled


def check_size(method: Method, data: object) -> None:
    """Refuses shapes that are nothing like as large as a network expects them, and warns of those it does not scale.

    Args:
        method: Its kind ``points`` says what it calls 1.
        data: A source; other things than shapes are none of our business.

    Raises:
        DataError: With both sizes.
    """
    kind = method.kinds.get("points")
    rows = [row for row in data if row.get("kind") == "shape"] if isinstance(data, Manifest) else []
    if kind is None or not rows:
        return
    radius = float(np.median([row["radius"] if row["size"] == "kept" else 1.0 for row in rows]))
    one = kind.scale.std[0]
    told = f"the radius of these shapes is {radius:.3g}{' ' if rows[0]['unit'] else ''}{rows[0]['unit']}"
    if not _FITS[0] <= radius / one <= _FITS[1]:
        raise DataError(
            f"{told}, and the network calls {one:g} a 1",
            path=data.path if isinstance(data, Manifest) else None,
            field="radius",
            value=radius,
            remedy=f"prepare them with the --unit and --size of its training data, or {_SAY}",
        )
    if radius / one > _WELL:
        warnings.warn(f"{told}, and the network calls {one:g} a 1: {_SAY}", stacklevel=2)
