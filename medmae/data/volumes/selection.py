"""Which contrasts and slices of a manifest are read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from medmae.data.contrasts import LabelKind, label_kind
from medmae.data.manifest import Manifest, Row
from medmae.data.volumes.grid import Grid


def usable(row: Row, names: Collection[str]) -> dict[str, int]:
    """The contrasts of a row that are wanted and not constant: name -> position in its shard."""
    return {
        contrast["name"]: position
        for position, contrast in enumerate(row["contrasts"])
        if contrast["name"] in names and "constant" not in contrast.get("flags", ())
    }


def filled_slices(row: Row, *, min_foreground: float) -> np.ndarray:
    """Numbers of the slices that show enough of the head, ascending."""
    return np.flatnonzero(np.asarray(row["foreground"]) >= min_foreground)


def wanted_contrasts(manifest: Manifest, contrasts: Sequence[str] | None, *, at_least: int) -> tuple[str, ...]:
    """The contrasts as given, or all of a manifest, of which a case must have some.

    Raises:
        DataError: If the data set lacks one.
        ValueError: If one is named twice, or ``at_least`` is out of range.
    """
    names = manifest.contrast_names if contrasts is None else manifest.known(contrasts)
    if len(set(names)) < len(names):
        raise ValueError(f"each contrast can be named once, got {list(names)}")
    if not 1 <= at_least <= len(names):
        raise ValueError(f"at_least must lie in [1, {len(names)}], the number of contrasts, got {at_least}")
    return names


def places_of(row: Row, names: Sequence[str]) -> list[int]:
    """Position of each contrast in the row's shard; -1 where it lacks it or it is constant."""
    found = usable(row, names)
    return [found.get(name, -1) for name in names]


def inventory(rows: Iterable[Row]) -> str:
    """Which contrasts some cases have, for messages."""
    sets = {", ".join(contrast["name"] for contrast in row["contrasts"]) for row in rows}
    return " or ".join(sorted(sets)[:5]) or "nothing: the split is empty"


def label_shards(row: Row, kind: LabelKind) -> list[str]:
    """Shards of its label maps of one kind, ``(S, H, W)`` each; what is above 0 is marked."""
    return [label["shard"] for label in row["labels"] if label_kind(label["name"]) == kind]


def stored_shape(row: Row) -> tuple[int, int, int]:
    """(S, H, W) of a case, known without its shard, which may be unreadable."""
    return Grid.from_dict(row["grid"]).stored_shape
