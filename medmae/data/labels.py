"""What is to be learnt of each sample: its class, several classes, or numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medmae.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

Task = Literal["single_label", "multi_label", "regression"]
Target = Literal["label", "classes", "value"]
Row = Mapping[str, Any]
UNLABELLED = -1


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labels of N samples.

    Attributes:
        task: ``single_label`` (one class each), ``multi_label`` (each of K classes is there or not), ``regression``.
        names: Of the classes, in the order of their numbers; of the numbers to be predicted.
        values: int64 ``(N,)``, -1 where there is none; or float32 ``(N, K)`` of 0 and 1, or of numbers, NaN where one
            is not known.
    """

    task: Task
    names: tuple[str, ...]
    values: np.ndarray

    @classmethod
    def of_classes(cls, labels: Sequence[str | None], *, known: Sequence[str]) -> Labels:
        """One class each, of the known ones."""
        number: dict[str | None, int] = {name: place for place, name in enumerate(known)}
        values = np.array([number.get(label, UNLABELLED) for label in labels], dtype=np.int64)
        return cls(task="single_label", names=tuple(known), values=values)

    @classmethod
    def of_columns(
        cls, lines: Sequence[Mapping[str, str]], *, columns: Sequence[str], task: Task, path: Path
    ) -> Labels:
        """0 and 1, or numbers, of some columns of a table; an empty field is not known.

        Raises:
            DataError: If the table lacks a column, or a field holds something else.
        """
        missing = sorted({column for column in columns for line in lines if column not in line})
        if missing or not columns:
            raise DataError(
                "the labels have no such column" if missing else f"{task} labels stand in columns: name them",
                path=path,
                field="labels",
                value=missing or list(columns),
                remedy=f"choose among {', '.join(sorted(lines[0]) if lines else ())}",
            )
        texts = [[line[column].strip() for column in columns] for line in lines]
        try:
            values = np.array([[float(text or "nan") for text in row] for row in texts], dtype=np.float32)
        except ValueError as error:
            raise DataError(
                f"a label is no number ({error})",
                path=path,
                field=", ".join(columns),
                remedy="leave unknown ones empty",
            ) from error
        return cls.of_values(values, names=columns, task=task, path=path)

    @classmethod
    def of_values(cls, values: np.ndarray, *, names: Sequence[str], task: Task, path: Path) -> Labels:
        """Of an array ``(N, K)``; NaN is not known.

        Raises:
            DataError: If it is of another shape, infinite, or, of several labels, holds other numbers than 0 and 1.
        """
        known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        wanted = {"multi_label": (known == 0) | (known == 1), "regression": np.isfinite(known)}[task]
        if values.ndim != 2 or values.shape[1] != len(names) or not wanted.all():
            raise DataError(
                f"{task} labels are {'0 or 1' if task == 'multi_label' else 'finite numbers'}, (N, {len(names)})",
                path=path,
                field="labels",
                value=(values.shape, sorted(set(known[~wanted].tolist()))[:5] if values.ndim == 2 else None),
                remedy="mend them, or say what they are: task='single_label', 'multi_label' or 'regression'",
            )
        return cls(task=task, names=tuple(names), values=values.astype(np.float32))

    @classmethod
    def of_rows(cls, rows: Sequence[Row], *, every: Iterable[Row], target: Target) -> Labels:
        """Of rows of a manifest: their ``label``, their ``classes`` (several), or their ``value``.

        Args:
            rows: A row a sample.
            every: All rows of the manifest, so that numbers of classes are alike in every split.
            target: Which of the three; NaN of a row of which nobody says its value, or its classes.
        """
        if target == "value":
            values = [np.nan if row.get("value") is None else row["value"] for row in rows]
            return cls(task="regression", names=("value",), values=np.array(values, dtype=np.float32)[:, None])
        if target == "classes":
            names = tuple(sorted({name for row in every for name in row.get("classes") or ()}))
            return cls(task="multi_label", names=names, values=_several(rows, names))
        known = sorted({row["label"] for row in every if row.get("label") is not None})
        return cls.of_classes([row.get("label") for row in rows], known=known)

    def chosen(self, classes: Sequence[str], *, path: Path) -> Labels:
        """The same with these classes only, in this order; -1 for samples of others. Several are but put in order.

        Raises:
            DataError: If one is not known, or labels are not of one class each.
        """
        unknown = [name for name in classes if name not in self.names]
        if unknown:
            raise DataError(
                f"no class {', '.join(unknown)} in this data set",
                path=path,
                field="classes",
                value=list(self.names),
                remedy="choose among these",
            )
        if self.task == "multi_label" and sorted(classes) == sorted(self.names):
            order = [self.names.index(name) for name in classes]
            return replace(self, names=tuple(classes), values=self.values[:, order])
        if self.task != "single_label":
            raise DataError(
                f"classes cannot be left out of {self.task} labels",
                path=path,
                field="classes",
                value=list(classes),
                remedy="name the columns of labels when the source is read",
            )
        number = np.full(len(self.names) + 1, UNLABELLED, dtype=np.int64)  # the last is that of -1
        number[[self.names.index(name) for name in classes]] = np.arange(len(classes))
        return replace(self, names=tuple(classes), values=number[self.values])

    @property
    def known(self) -> np.ndarray:
        """Which samples have all of theirs: bool ``(N,)``."""
        if self.task == "single_label":
            return self.values != UNLABELLED
        return ~np.isnan(self.values).any(axis=1)

    def __getitem__(self, samples: Any) -> Labels:  # noqa: ANN401 - whatever numpy takes
        """Those of some samples."""
        return replace(self, values=self.values[samples])

    def tensor(self, sample: int) -> Tensor:
        """Of one sample: int64 scalar, or float32 ``(K,)``."""
        import torch  # seconds, which who only lists samples does not pay

        return torch.tensor(self.values[sample])


def _several(rows: Sequence[Row], names: Sequence[str]) -> np.ndarray:
    """0 and 1 ``(N, K)``; NaN of a row of which nobody says its classes."""
    number = {name: place for place, name in enumerate(names)}
    values = np.zeros((len(rows), len(names)), dtype=np.float32)
    for line, row in zip(values, rows, strict=True):
        if row.get("classes") is None:
            line[:] = np.nan
        else:
            line[[number[name] for name in row["classes"]]] = 1
    return values
