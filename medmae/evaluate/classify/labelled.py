"""Labelled samples of one or two data sets, as an evaluation takes them: targets, names, patients, a test set."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch.utils.data import ConcatDataset, Subset

from medmae.data.labels import UNLABELLED
from medmae.data.manifest import Manifest
from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.classify.multi_label import MultiLabel
from medmae.evaluate.classify.regression import Regression
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.evaluate.classify.task import Trainable
from medmae.evaluate.features.embedding_cases import rows_of
from medmae.evaluate.features.views_of_units import ViewsOfUnits
from medmae.kinds import Kind
from medmae.training.reading import Items

Unit = Literal["patient", "slide"]
_LABELS = ("label", "contrast")  # columns that repeat what the targets say


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What is learnt from and tested on.

    Args:
        sets: The data sets, in order; the last is the test set if there is one of its own.
        targets: Of all samples, ``(N, ...)``, as their task has them.
        names: What names each sample, for tables: rows of the same keys, such as slide, x, y.
        groups: Patient of each sample; None where none is known.
        unit: What a group is.
        test: True where a sample belongs to a test set of its own; None has none.
        item: What a sample is, for tables.
        views: Of each sample that is tested; what is predicted of them is averaged.
        unlabelled: How many more there are, without a label, that were left out.
        lacking: Likewise, without one of the kinds of data that are compared.
    """

    sets: Sequence[Items[Mapping[str, Any]]]
    targets: np.ndarray
    names: Sequence[Mapping[str, str | int]]
    groups: np.ndarray | None = None
    unit: Unit = "patient"
    test: np.ndarray | None = None
    item: str = "sample"
    views: int = 1
    unlabelled: int = 0
    lacking: int = 0

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def samples(self) -> Items[Mapping[str, Any]]:
        """All of them, counted through."""
        return ConcatDataset(self.sets)  # type: ignore[arg-type]

    def without(self, lost: Sequence[int]) -> Labelled:
        """The same without some samples, by number."""
        if not lost:
            return self
        keep = np.setdiff1d(np.arange(len(self)), lost)
        first, sets = 0, list[Items[Mapping[str, Any]]]()
        for some in self.sets:
            own = keep[(keep >= first) & (keep < first + len(some))] - first
            sets.append(Subset(some, own.tolist()))  # type: ignore[arg-type]
            first += len(some)
        return replace(
            self,
            sets=sets,
            targets=self.targets[keep],
            names=[self.names[place] for place in keep],
            groups=None if self.groups is None else self.groups[keep],
            test=None if self.test is None else self.test[keep],
        )


def labelled(train: Samples, test: Samples | None = None) -> Labelled:
    """Targets, names and patients of the samples, those of the test set last.

    Patients are the groups where they are known, slides where only these are; where neither is, there are none. Views
    of one unit, such as clips of a video, are one sample. A sample that lacks one of several labels, or its number, is
    left out with a warning.

    Raises:
        DataError: If a sample has no class, none of a set has its number, or the sets have other classes.
    """
    sets = [train] if test is None else [train, test]
    if sets[-1].classes != train.classes:
        raise DataError(
            "the test set has other classes",
            path=sets[-1].source.path,
            field="classes",
            value=(train.classes, sets[-1].classes),
            remedy="name the same classes for both",
        )
    units = [ViewsOfUnits.of(some) for some in sets]
    places = [np.arange(len(s)) if u is None else np.array(u.first) for s, u in zip(sets, units, strict=True)]
    targets = np.concatenate([some.labels[own] for some, own in zip(sets, places, strict=True)])
    noun = train.view.noun
    unknown = targets == UNLABELLED if targets.ndim == 1 else np.isnan(targets).any(axis=1)
    if targets.ndim == 1 and unknown.any():
        raise DataError(
            f"{unknown.sum()} {noun}s have no label",
            path=train.source.path,
            field="label",
            remedy=f"name the classes: {noun}s of none of them are left out",
        )
    known = {_unit(some) for some in sets}
    whose = np.concatenate([some.subjects[own] for some, own in zip(sets, places, strict=True)])
    abouts = [dict(some.describe(place)) for some, own in zip(sets, places, strict=True) for place in own.tolist()]
    hidden = {*_LABELS, *(("view", "frame", "second") if any(units) else ())}
    columns = [key for key in dict.fromkeys(key for about in abouts for key in about) if key not in hidden]
    found = Labelled(
        sets=[some if unit is None else unit for some, unit in zip(sets, units, strict=True)],
        targets=targets,
        names=[{key: about.get(key, "") for key in columns} for about in abouts],
        groups=None if None in known else whose,
        unit="slide" if "slide" in known else "patient",
        test=np.arange(len(targets)) >= len(places[0]) if test is not None else None,
        item=noun,
        views=units[-1].views if units[-1] is not None else 1,
        unlabelled=int(unknown.sum()),
    )
    return _with_values(found, unknown, path=train.source.path) if unknown.any() else found


def _with_values(data: Labelled, unknown: np.ndarray, *, path: Path) -> Labelled:
    """Only those that have all their numbers; a set of which nothing is left is refused."""
    tested = np.zeros(len(data), dtype=bool) if data.test is None else data.test
    for of, members in (("learn from", ~tested), ("be tested on", tested)):
        if members.any() and unknown[members].all():
            raise DataError(
                f"no {data.item} to {of} has a value",
                path=path,
                field="label",
                remedy="write the values into the table that it is prepared by, or read from",
            )
    warnings.warn(f"{unknown.sum()} of {len(data)} {data.item}s have no value: they are left out", stacklevel=3)
    return data.without(np.flatnonzero(unknown).tolist())


def task_of(train: Samples) -> Trainable:
    """What the labels of a data set are for.

    Raises:
        DataError: If it has none.
    """
    if train.task is None:
        raise DataError("samples have no labels", path=train.source.path, field="label", remedy="give labels to learn")
    if train.task == "regression":
        return Regression(names=train.classes)
    return (SingleLabel if train.task == "single_label" else MultiLabel)(classes=train.classes)


def kind_of(train: Samples) -> Kind:
    """What the data of a data set is.

    Raises:
        DataError: If a sample has data of several kinds.
    """
    if len(train.kinds) != 1:
        raise DataError(
            f"samples have {', '.join(train.kinds)}, and what is said of them without a network is of one kind",
            path=train.source.path,
            remedy="take a view of one kind",
        )
    (kind,) = train.kinds.values()
    return kind


def _unit(some: Samples) -> Unit | None:
    """What groups are; None where nobody knows whose samples these are."""
    if some.source.unit != "patients":
        return None
    rows = rows_of(some) if isinstance(some.source, Manifest) else []
    return "slide" if any("no_patient" in row.get("flags", ()) for row in rows) else "patient"
