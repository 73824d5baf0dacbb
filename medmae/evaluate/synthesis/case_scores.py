"""Which held-out cases a synthesis is evaluated on, and their arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medmae.data.contrasts import LabelKind, label_kind
from medmae.data.manifest import Manifest
from medmae.data.rows import Row
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.intensity import Normalisation
from medmae.data.volumes.selection import filled_slices, label_shards, usable, wanted_contrasts
from medmae.errors import DataError
from medmae.evaluate.synthesis.task import CaseVolumes, Task


class SynthesisCases:
    """The tasks of a split.

    Two contrasts make a pair: ``source`` is given, ``target`` is made. With ``contrasts`` (the channels of an
    any-to-any network) each target that a case has is made in turn from the sources that it has, without itself.

    Args:
        manifest: A prepared data set: ``manifest.jsonl``, its folder, or a :class:`Manifest`.
        split: ``train``, ``val`` or ``test``; None takes all.
        source: What is given; for any-to-any None gives all that there is.
        target: What is made; for any-to-any None makes each in turn.
        contrasts: Channels of an any-to-any network; None for a pair.
        min_foreground: Smallest share of foreground of a slice that counts as filled.

    Raises:
        DataError: If the data set lacks a contrast.
        ValueError: If a pair lacks its source or target, or a contrast is no channel.
    """

    def __init__(
        self,
        *,
        manifest: str | Path | Manifest,
        split: str | None,
        source: str | Sequence[str] | None,
        target: str | Sequence[str] | None,
        contrasts: Sequence[str] | None = None,
        min_foreground: float = 0.02,
    ) -> None:
        manifest = Manifest.of(manifest)
        sources, targets = _names(source), _names(target)
        if contrasts is None and (len(sources) != 1 or len(targets) != 1 or sources == targets):
            raise ValueError(f"a pair has one source and another target, got {source!r} and {target!r}")
        self.channels = tuple(contrasts) if contrasts is not None else sources
        self.sources, self.targets = sources or self.channels, targets or self.channels
        known = self.channels if contrasts is not None else (*sources, *targets)
        unknown = [name for name in (*self.sources, *self.targets) if name not in known]
        if unknown:
            raise ValueError(f"source and target must be some of the contrasts {known}, got {unknown}")
        names = wanted_contrasts(manifest, tuple(dict.fromkeys(known)), at_least=2)
        self.manifest, self.min_foreground = manifest, min_foreground
        self._cases = [(row, has) for row in manifest.select(split=split) if len(has := usable(row, names)) > 1]

    def tasks(self) -> list[Task]:
        """All of them, those of a case together."""
        return [task for row, has in self._cases for task in self._of(row, has)]

    def read(self, task: Task) -> CaseVolumes:
        """The arrays of a task."""
        row = task.row
        places = {contrast["name"]: position for position, contrast in enumerate(row["contrasts"])}
        shard = self.manifest.shards[row["shard"]]  # (S, C, H, W)
        image = np.zeros((len(shard), len(task.channels), *shard.shape[2:]), dtype=np.float32)
        for channel, name in enumerate(task.channels):
            if name in task.sources:
                image[:, channel] = shard[:, places[name]]
        real = np.asarray(shard[:, places[task.target]]).astype(np.float32)
        grid = Grid.from_dict(row["grid"])
        return CaseVolumes(
            image=image,
            source=image[:, task.channels.index(task.sources[0])],
            real=real,
            foreground=stored_foreground(real, row["contrasts"][places[task.target]]),
            lesion=self._marked(row, "lesion"),
            brain=self._marked(row, "brain"),
            filled=filled_slices(row, min_foreground=self.min_foreground),
            spacing=grid.spacing,
            start=grid.start,
        )

    @property
    def labels(self) -> dict[str, list[str]]:
        """Names of the label maps that any case of the split has: ``lesion``, ``brain`` and ``other``, if there are."""
        names = sorted({label["name"] for row, _ in self._cases for label in row["labels"]})
        kinds = {kind: [name for name in names if label_kind(name) == kind] for kind in ("lesion", "brain", "other")}
        return {kind: found for kind, found in kinds.items() if found}

    def _of(self, row: Row, has: Collection[str]) -> list[Task]:
        found = []
        for target in self.targets:
            sources = tuple(name for name in self.sources if name in has and name != target)
            if target in has and sources:
                found.append(Task(row=row, channels=self.channels, sources=sources, target=target))
        return found

    def _marked(self, row: Row, kind: LabelKind) -> np.ndarray | None:
        maps = [np.asarray(self.manifest.shards[shard]) > 0 for shard in label_shards(row, kind)]
        return np.logical_or.reduce(maps) if maps else None


def require_tasks(cases: SynthesisCases, *, split: str | None, why: str) -> list[Task]:
    """The tasks of a split.

    Raises:
        DataError: If there is none.
    """
    tasks = cases.tasks()
    if tasks:
        return tasks
    wanted: dict[str, Any] = {"source": cases.sources, "target": cases.targets}
    raise DataError(
        f"no case of the split has both source and target: {wanted}",
        path=cases.manifest.path,
        field="split",
        value=split,
        remedy=f"{why}; put at least one subject that has them into this split",
    )


def stored_foreground(array: np.ndarray, contrast: Mapping[str, Any]) -> np.ndarray:
    """Foreground of a stored contrast: above its threshold where the preparation found one, else above 0.

    Args:
        array: Intensities in [0, 1], as the shard holds them.
        contrast: The contrast's entry in the manifest, with its ``normalisation``.

    Returns:
        Bool, of the same shape.
    """
    fit = Normalisation.from_dict(contrast["normalisation"])
    # Of a window of CT, air may lie far below what is stored as 0.
    return array > (0.0 if fit.threshold is None else max((fit.threshold - fit.zero) / fit.maximum, 0.0))


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)
