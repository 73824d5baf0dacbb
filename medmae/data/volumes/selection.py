"""Which rows, contrasts and slices of a manifest a data set reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medmae.data.manifest import Manifest, Row


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


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Cases, and where their contrasts lie.

    Attributes:
        manifest: What was chosen from.
        contrasts: C names, in the order in which they were asked for.
        rows: The cases, sorted.
        positions: ``(cases, C)``: position of each contrast in the case's shard, -1 where the case lacks it.
    """

    manifest: Manifest
    contrasts: tuple[str, ...]
    rows: tuple[Row, ...]
    positions: np.ndarray

    @classmethod
    def choose(
        cls, manifest: str | Path | Manifest, *, split: str | None, contrasts: Sequence[str] | None, at_least: int
    ) -> Selection:
        """Chooses the cases of a split that have enough of the contrasts; maybe none.

        Args:
            manifest: ``manifest.jsonl``, its folder, or a :class:`Manifest`.
            split: ``train``, ``val`` or ``test``; None takes all.
            contrasts: Their names; None takes all of the manifest.
            at_least: How many of them a case must have.

        Raises:
            DataError: If the data set lacks a contrast.
            ValueError: If a contrast is named twice, or ``at_least`` is out of range.
        """
        manifest = Manifest.of(manifest)
        names = wanted_contrasts(manifest, contrasts, at_least=at_least)
        rows = [manifest.rows[place] for place in manifest.places(split)]
        positions = np.array([places_of(row, names) for row in rows], dtype=np.int32).reshape(len(rows), len(names))
        enough = (positions >= 0).sum(axis=1) >= at_least
        kept = tuple(row for row, there in zip(rows, enough, strict=True) if there)
        return cls(manifest=manifest, contrasts=names, rows=kept, positions=positions[enough])

    def of(self, subjects: Collection[str]) -> Selection:
        """Only the cases of some subjects; maybe none."""
        kept = [number for number, row in enumerate(self.rows) if row["subject"] in subjects]
        return replace(self, rows=tuple(self.rows[number] for number in kept), positions=self.positions[kept])
