"""How well a network makes one contrast out of others, on held-out cases: figures, pictures, and where it is worst."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import track

from medmae.data.manifest import Manifest
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.synthesis.baselines import DESCRIPTIONS, Baselines
from medmae.evaluate.synthesis.calibration_file import NAME as CALIBRATION
from medmae.evaluate.synthesis.calibration_file import FittedSpread
from medmae.evaluate.synthesis.case_scores import SynthesisCases, require_tasks
from medmae.evaluate.synthesis.figures_of_merit import CONTESTANTS, MONTAGES, RECORD, SCORES
from medmae.evaluate.synthesis.montage import draw_montage
from medmae.evaluate.synthesis.network import Synthesiser
from medmae.evaluate.synthesis.synthesis_scores import LABELLED, contestants, definitions, score_case, summarise_scores
from medmae.evaluate.synthesis.task import Task
from medmae.evaluate.synthesis.uncertainty import evaluate_spread, fit_spread, refuse_shared
from medmae.evaluate.synthesis.verdict import verdict
from medmae.evaluate.synthesis.worst import Worst
from medmae.evaluate.tables import write_csv
from medmae.files import write_text
from medmae.report.text import slug
from medmae.training.guard import require_writable

log = logging.getLogger(__name__)


def evaluate_synthesis(
    *,
    synthesiser: Synthesiser,
    manifest: str | Path | Manifest,
    out: str | Path,
    source: str | Sequence[str] | None = None,
    target: str | Sequence[str] | None = None,
    contrasts: Sequence[str] | None = None,
    split: str = "test",
    min_foreground: float = 0.02,
    uncertainty: bool = False,
    calibration: FittedSpread | None = None,
    paired: Collection[str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Makes whole volumes of held-out cases and compares them with the real ones, beside baselines without a network.

    Writes to ``out``: ``metrics.csv`` (a row a case and target), ``contestants.csv`` (a row for each figure of the
    model and of each baseline), ``metrics.json`` (what the columns mean, and the verdict), ``summary.json``,
    ``montage/<case>.png``, the ten worst slices as ``panels.npz`` and ``panels.json``, and with ``uncertainty``
    ``calibration.json``.

    Args:
        synthesiser: The network, and how it is applied.
        manifest: A prepared data set.
        out: Folder.
        source: What is given; for any-to-any None gives every contrast of a case but the target.
        target: What is made; for any-to-any None makes each contrast of a case in turn.
        contrasts: Channels of an any-to-any network, in order; None for a pair.
        split: Whom to evaluate on.
        min_foreground: Smallest share of foreground of a slice that the reference definition and the worst count.
        uncertainty: Also evaluate the spread of test-time augmentation.
        calibration: Of that spread, as inference applies it; None fits one on the validation split.
        paired: Training subjects whose pairs the network learnt from: the baselines are fitted on them, and no others.
            None takes all training subjects.

    Returns:
        The summary: mean, standard deviation, median, interval and number of subjects of each column. Where several
        contrasts are made these are over all of them, and ``by_target`` has the same for each.

    Raises:
        DataError: If no case has both source and target, every one failed, or the spread would be tested on subjects
            that it is calibrated on.
        SomeFailedError: At the end, when all is written, if some case could not be read or made.
    """
    require_writable(Path(out))
    manifest = Manifest.of(manifest)
    cases_of = partial(
        SynthesisCases,
        manifest=manifest,
        source=source,
        target=target,
        contrasts=contrasts,
        min_foreground=min_foreground,
    )
    cases = cases_of(split=split)
    tasks = require_tasks(cases, split=split, why="there is nothing to evaluate on")
    val = cases_of(split="val")
    fit = _calibration_tasks(val, tasks, calibration=calibration, split=split) if uncertainty else []
    baselines = Baselines(train=cases_of(split="train"), subjects=paired)
    evaluation = _Evaluation(cases=cases, synthesiser=synthesiser, baselines=baselines, out=Path(out))
    for task in track(tasks, description="Evaluating", transient=True):
        evaluation.add(task)
    summary = evaluation.write(about={"split": split, "manifest_sha256": manifest.sha256, "smooth": synthesiser.smooth})
    if uncertainty:
        evaluation.score_spread(calibration, fit=fit)
    evaluation.raise_for_failed()
    return summary


class _Evaluation:
    """What the cases add up to."""

    def __init__(self, *, cases: SynthesisCases, synthesiser: Synthesiser, baselines: Baselines, out: Path) -> None:
        self.cases, self.synthesiser, self.baselines, self.out = cases, synthesiser, baselines, out
        self.worst = Worst()
        self.done: list[Task] = []
        self.rows: list[dict[str, Any]] = []
        self.montages: list[dict[str, str]] = []
        self.failed: list[str] = []
        self.unmeasured: list[str] = []  # what the calibration of the spread had to leave out
        for stale in (*(out / MONTAGES).glob("*.png"), out / CALIBRATION):
            stale.unlink(missing_ok=True)

    def add(self, task: Task) -> None:
        """Scores one task; one that cannot be read or made is logged and left out."""
        try:
            volumes = self.cases.read(task)
            synthetic, outputs = self.synthesiser(task, volumes.image)
        except DataError as error:
            log.error("left out: %s", error)
            self.failed.append(str(error))
            return
        scores = score_case(
            volumes,
            synthetic=synthetic,
            baselines=self.baselines(task, volumes.image),
            outputs=outputs,
            edge=self.synthesiser.edge,
            resize=self.synthesiser.resize,
            patch=self.synthesiser.patch,
            labelled=LABELLED.keys() & self.cases.labels.keys(),
        )
        self.done.append(task)
        self.rows.append({**task.about, **scores})
        about = {"case": task.row["case"], "subject": task.row["subject"], "contrast": task.way}
        self.worst.add(about, volumes=volumes, synthetic=synthetic)
        path = self._montage_path(task)
        draw_montage(volumes, synthetic=synthetic, task=task, scores=scores, path=path)
        self.montages.append({"case": task.row["case"], "target": task.target, "file": path.name})

    def write(self, *, about: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Writes tables and pictures."""
        if not self.rows:
            raise DataError(
                f"none of the {len(self.failed)} cases can be evaluated; the first: {self.failed[0]}",
                path=self.cases.manifest.path,
            )
        summary = summarise_scores(self.rows)
        made = sorted({row["target"] for row in self.rows})
        table = contestants(summary, target="all" if len(made) > 1 else made[0])
        if len(made) > 1:  # one contrast may be easier than another: their mean alone tells little
            each = {target: [row for row in self.rows if row["target"] == target] for target in made}
            summary["by_target"] = {target: summarise_scores(rows) for target, rows in each.items()}
            table += [
                row for target, found in summary["by_target"].items() for row in contestants(found, target=target)
            ]
        record = {
            **about,
            "channels": list(self.cases.channels),
            "verdict": verdict(summary),
            "baselines": {name: DESCRIPTIONS[name] for name in self.baselines.names},
            "baselines_fitted_on": {way: f"{n} training cases" for way, n in self.baselines.fitted_on.items()},
            "definitions": definitions(
                edge=self.synthesiser.edge,
                resize=self.synthesiser.resize,
                min_foreground=self.cases.min_foreground,
                labels=self.cases.labels,
            ),
            "labels": self.cases.labels,
            "montages": self.montages,
            "failed": self.failed,
        }
        self.worst.write(self.out)
        write_csv(self.out / SCORES, self.rows)
        write_csv(self.out / CONTESTANTS, table)
        write_text(self.out / RECORD, json.dumps(record, indent=2))
        write_text(self.out / "summary.json", json.dumps(summary, indent=2))
        return summary

    def score_spread(self, calibration: FittedSpread | None, *, fit: list[Task]) -> None:
        """Evaluates a calibration, or one that it fits, on the cases that could be evaluated."""
        failed: list[str] = []
        fitted = calibration
        if fitted is None:
            fitted, failed = fit_spread(self.synthesiser, tasks=fit, cases=self.cases)
        if fitted is not None:
            failed = evaluate_spread(
                self.synthesiser, fitted=fitted, test=self.done, cases=self.cases, out=self.out, failed=failed
            )
        self.unmeasured = failed

    def raise_for_failed(self) -> None:
        """Raises if anything was left out."""
        parts = []
        if self.failed:
            total = len(self.failed) + len(self.rows)
            parts.append(f"{len(self.failed)} of {total} volumes were left out: " + "; ".join(self.failed))
        if self.unmeasured:
            parts.append("the spread was not measured everywhere: " + "; ".join(self.unmeasured))
        if parts:
            raise SomeFailedError(". ".join(parts))

    def _montage_path(self, task: Task) -> Path:
        stem = slug(f"{task.row['case']}__{task.target}" if task.any_to_any else task.row["case"])
        if any(drawn["file"] == f"{stem}.png" for drawn in self.montages):
            stem = f"{stem}_{len(self.montages)}"  # two names that differ only in what a file name cannot hold
        return self.out / MONTAGES / f"{stem}.png"


def _calibration_tasks(
    val: SynthesisCases, tested: list[Task], *, calibration: FittedSpread | None, split: str
) -> list[Task]:
    """Validation tasks to fit a calibration on; none where one is given. Whom it was fitted on cannot be tested."""
    fit = [] if calibration else require_tasks(val, split="val", why="the spread is calibrated on it")
    subjects = calibration.subjects if calibration else {task.row["subject"] for task in fit}
    refuse_shared(subjects, tested, split=split, path=val.manifest.path)
    return fit
