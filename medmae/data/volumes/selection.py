"""Which rows, contrasts and slices of a manifest a data set reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medmae.data.manifest import Manifest, Row
from medmae.errors import DataError


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
        cls,
        manifest: str | Path | Manifest,
        *,
        split: str | None,
        contrasts: Sequence[str] | None,
        at_least: int,
        fraction: float = 1.0,
        fraction_seed: int | None = None,
        may_be_empty: bool = False,
    ) -> Selection:
        """Chooses the cases of a split that have enough of the contrasts.

        Args:
            manifest: ``manifest.jsonl``, its folder, or a :class:`Manifest`.
            split: ``train``, ``val`` or ``test``; None takes all.
            contrasts: Their names; None takes all of the manifest.
            at_least: How many of them a case must have.
            fraction: Share of the subjects to keep; see :func:`some_subjects`.
            fraction_seed: Of that choice.
            may_be_empty: Whether no case at all is fine.

        Raises:
            DataError: If the data set lacks a contrast, or no case is left and ``may_be_empty`` is false.
            ValueError: If a contrast is named twice or ``fraction`` is out of range.
        """
        manifest = Manifest.of(manifest)
        names = manifest.contrast_names if contrasts is None else manifest.known(contrasts)
        if len(set(names)) < len(names):
            raise ValueError(f"each contrast can be named once, got {list(names)}")
        if not 1 <= at_least <= len(names):
            raise ValueError(f"at_least must lie in [1, {len(names)}], the number of contrasts, got {at_least}")
        found = [(row, usable(row, names)) for row in manifest.select(split=split, contrasts=names)]
        found = [(row, places) for row, places in found if len(places) >= at_least]
        if not found and not may_be_empty:
            raise DataError(
                f"no case has {at_least} of the contrasts {', '.join(names)}",
                path=manifest.path,
                field="split",
                value=split,
                remedy=f"choose another split or other contrasts; cases have {_inventory(manifest, split)}",
            )
        kept = some_subjects((row["subject"] for row, _ in found), fraction=fraction, seed=fraction_seed)
        found = [(row, places) for row, places in found if row["subject"] in kept]
        positions = np.array([[places.get(name, -1) for name in names] for _, places in found], dtype=np.int32)
        return cls(
            manifest=manifest,
            contrasts=names,
            rows=tuple(row for row, _ in found),
            positions=positions.reshape(len(found), len(names)),
        )

    def of(self, subjects: Collection[str]) -> Selection:
        """Only the cases of some subjects; maybe none."""
        kept = [number for number, row in enumerate(self.rows) if row["subject"] in subjects]
        return replace(self, rows=tuple(self.rows[number] for number in kept), positions=self.positions[kept])


def some_subjects(subjects: Iterable[str], *, fraction: float, seed: int | None) -> frozenset[str]:
    """A share of the subjects, rounded to whole ones, at least one: a patient is never cut in two.

    Args:
        subjects: Names; repeats count once.
        fraction: In (0, 1].
        seed: None takes the first by name, as the reference of SLMT-Net does (they may all come from one site); a
            number shuffles them. With one seed, a smaller share is part of every larger one.

    Raises:
        ValueError: If the fraction is out of range.
    """
    check_fraction(fraction)
    names = sorted(set(subjects))
    count = max(round(fraction * len(names)), min(len(names), 1))
    order = np.arange(len(names)) if seed is None else np.random.default_rng(seed).permutation(len(names))
    return frozenset(names[i] for i in order[:count])


def check_fraction(fraction: float) -> None:
    """Refuses a share that keeps nothing or more than there is."""
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must lie in (0, 1], got {fraction}")


def _inventory(manifest: Manifest, split: str | None) -> str:
    sets = {", ".join(contrast["name"] for contrast in row["contrasts"]) for row in manifest.select(split=split)}
    return " or ".join(sorted(sets)[:5]) or "nothing: the split is empty"
