"""The run directory as the report reads it: ``run.json`` is required, every other file is optional.

Layout (written by a bundle run)::

    <run>/run.json                       title, method, bundle, config, versions, hashes, data, seconds, parameters
    <run>/logs/metrics.csv               Lightning's CSVLogger: sparse rows over step
    <run>/evaluation/summary.json        per metric: mean, std, ci_low, ci_high, n_subjects
    <run>/evaluation/<scores>.csv        one row per case and contrast, or case and target
    <run>/evaluation/panels.{npz,json}   images to look at, and what they show
    <run>/evaluation/<other>.csv         any further table; shown as it is
    <run>/evaluation/...                 whatever an evaluation declares (:mod:`medmae.report.evaluations`)

A missing optional file is ``None`` or empty here and is stated on the page; one that exists but cannot be read is a
:class:`~medmae.errors.DataError`, because a report that silently drops a result misleads.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medmae import files
from medmae.errors import DataError
from medmae.reading import reading

MADE_BY = "made_by.json"  # of which run, and of which weights, the files beside it are
Row = dict[str, str]
Panel = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class RunFolder:
    """What one run left behind.

    Args:
        path: The run directory.
        info: ``run.json``.
        log: Rows of the training log (empty when there is none).
        summary: ``evaluation/summary.json`` (empty when not evaluated).
        score_table: Name of the table of scores; empty if there is none.
        scores: Its rows.
        panels: One dict of named images (H, W) or (H, W, 3) per row of ``panel_info``.
        panel_info: ``evaluation/panels.json``.
        tables: Further CSV files in ``evaluation/``, by stem.
    """

    path: Path
    info: dict[str, Any]
    log: list[Row] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    score_table: str = ""
    scores: list[Row] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    panel_info: list[dict[str, Any]] = field(default_factory=list)
    tables: dict[str, list[Row]] = field(default_factory=dict)

    @classmethod
    def read(cls, run: str | Path, *, score_tables: Sequence[str] = ()) -> RunFolder:
        """Read a run directory.

        Args:
            run: The directory.
            score_tables: What a table of scores may be called; the first that is there counts.

        Raises:
            DataError: ``run`` is no run directory, or a file in it cannot be read.
        """
        path = Path(run)
        if not (path / "run.json").is_file():
            raise DataError(
                "this folder is not a run: it has no run.json",
                path=path,
                remedy="give the folder that `medmae run` or `medmae demo` wrote",
            )
        evaluation = path / "evaluation"
        info, images = read_panels(evaluation)
        scores = next((name for name in score_tables if (evaluation / name).is_file()), "")
        others = sorted(path for path in evaluation.glob("*.csv") if path.name != scores)
        return cls(
            path=path,
            info=read_object(path / "run.json"),
            log=read_rows(path / "logs" / "metrics.csv"),
            summary=read_object(evaluation / "summary.json"),
            score_table=scores,
            scores=read_rows(evaluation / scores) if scores else [],
            panels=images,
            panel_info=info,
            tables={file.stem: read_rows(file) for file in others},
        )

    @property
    def title(self) -> str:
        """What the run calls itself."""
        return str(self.info.get("title") or self.info.get("bundle") or self.path.name)

    def record(self, name: str) -> dict[str, Any]:
        """The JSON object ``evaluation/<name>``; empty if there is none."""
        return read_object(self.path / "evaluation" / name)

    def rows(self, name: str) -> list[Row]:
        """The table ``evaluation/<name>``; empty if there is none."""
        return read_rows(self.path / "evaluation" / name)

    @cached_property
    def data(self) -> dict[str, Any]:
        """The summary of the data set in ``run.json`` (see :func:`medmae.evaluate.data_summary.summarise_data`)."""
        data = self.info.get("data")
        return data if isinstance(data, dict) else {}

    def subjects(self, split: str) -> set[str]:
        """Subjects of a split, as far as ``run.json`` lists the cases."""
        return {str(case.get("subject")) for case in self.data.get("cases", []) if case.get("split") == split}

    @property
    def trained_on(self) -> set[str]:
        """Subjects that were learnt from: of the training split maybe not all; all of it where the run says no more."""
        told = self.info.get("trained_on") or {}
        return set(map(str, told.get("subjects", ()))) or self.subjects("train")

    def images(self, split: str | None = None) -> int:
        """Images of a split (or of all) whose patients nobody knows; 0 of other data."""
        cases = [case for case in self.data.get("cases", []) if split in (None, case.get("split"))]
        return sum(int(case.get("images") or 0) for case in cases if "split_by_image" in str(case.get("flags")))

    @cached_property
    def leaked(self) -> set[str]:
        """Subjects that are trained on and also validated or tested on: there should be none."""
        return self.subjects("train") & (self.subjects("val") | self.subjects("test"))

    @cached_property
    def evaluated(self) -> set[str]:
        """Subjects that the evaluation scored."""
        return {row["subject"] for row in self.scores if row.get("subject")}


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object; a missing file is empty."""
    return files.read_object(path, remedy=_AGAIN) if path.is_file() else {}


def run_in(folder: Path) -> str | None:
    """Id of the run that wrote into a folder; None where nobody says."""
    run = read_object(folder / MADE_BY).get("run")
    return None if run is None else str(run)


def read_json(path: Path, *, default: object) -> object:
    """Read a JSON file; a missing file gives ``default``."""
    if not path.is_file():
        return default
    try:
        return files.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:  # also covers text that is not UTF-8
        raise DataError(f"this file is not JSON ({error})", path=path, remedy=_AGAIN) from error


def read_rows(path: Path) -> list[Row]:
    """Read a CSV file with a header; a missing file is empty, a missing cell is ``""``."""
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, restval=""))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"this file is not a CSV table ({error})", path=path, remedy=_AGAIN) from error
    return [{key: value for key, value in row.items() if key is not None} for row in rows]


def read_panels(folder: Path) -> tuple[list[dict[str, Any]], list[Panel]]:
    """Read ``panels.json`` and the arrays ``"<i>/<name>"`` of ``panels.npz``, in the order they were written."""
    info = read_json(folder / "panels.json", default=[])
    path = folder / "panels.npz"
    if not info and not path.is_file():
        return [], []
    if not isinstance(info, list) or not all(isinstance(item, dict) for item in info):
        raise DataError("this file does not hold a list of objects", path=folder / "panels.json", remedy=_AGAIN)
    panels: list[Panel] = [{} for _ in info]
    for key, array in _read_arrays(path).items():
        row, _, name = key.partition("/")
        if not (row.isdecimal() and int(row) < len(panels)):
            reason = "this array belongs to no row of panels.json"
            raise DataError(reason, path=path, field="array", value=key, remedy=_AGAIN)
        panels[int(row)][name] = _as_picture(array, key=key, path=path)
    return info, panels


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    with reading(path, what="the panels", remedy=_AGAIN), np.load(path, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _as_picture(array: NDArray[Any], *, key: str, path: Path) -> NDArray[Any]:
    if array.ndim == 2 or (array.ndim == 3 and array.shape[-1] == 3):
        return array.astype(np.float32)
    raise DataError("a panel must be (H, W) or (H, W, 3)", path=path, field=key, value=array.shape, remedy=_AGAIN)


def as_float(text: object) -> float | None:
    """Read a cell as a finite number; empty, text, NaN and infinity are ``None``."""
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


_AGAIN = "run the evaluation again, then `medmae report` on this folder"
