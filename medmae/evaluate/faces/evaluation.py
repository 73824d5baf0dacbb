"""Action units of test people, whole and occluded: F1 by kind and level of occlusion, beside what must be beaten."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.classify.scores import Fit, score_all
from medmae.evaluate.faces.face_cases import write_cases
from medmae.evaluate.faces.gathered import Condition, Gathered, gather, learnt_plainly
from medmae.evaluate.faces.plain_units import COLOUR, POINTS, RATE, PlainUnits
from medmae.evaluate.faces.readers import OWN, UnitMethod, patches_of
from medmae.evaluate.faces.unit_scores import IntensityScores, UnitScores, at_half, best_thresholds
from medmae.evaluate.left_out import write_left_out
from medmae.evaluate.tables import write_csv
from medmae.files import write_text
from medmae.masking.occlusion import OCCLUSIONS, Occlusion

RECORD, FOLDER = "action_units.json", "action_units"
BASELINES = (RATE, COLOUR, POINTS)
LEVELS = (0.25, 0.5, 0.75)
WHOLE = Condition()


def evaluate_units(
    *,
    method: UnitMethod,
    held_out: Samples,
    validation: Samples,
    train: Samples,
    out: str | Path,
    occlusions: Sequence[Occlusion] = OCCLUSIONS,
    levels: Sequence[float] = LEVELS,
    seeds: Sequence[int] = (0,),
    show_faces: bool = False,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
    resamples: int = 1000,
) -> dict[str, Any]:
    """F1 of units on whole and occluded faces, by thresholds of validation; intervals draw people.

    Args:
        method: Reads units.
        held_out: Faces of test people, of a view that draws nothing.
        validation: Those from whose whole faces thresholds come, likewise; if empty, thresholds are one half.
        train: Those that baselines learn from, likewise; if empty there are none.
        out: Evaluation folder of a run: receives ``action_units.json``, ``action_units/scores.csv`` (a row a kind and
            level), ``action_units/units.csv`` (a row a frame and unit), and cases to look at.
        occlusions: Kinds.
        levels: Shares of patches that are hidden.
        seeds: Of draws; figures are means over them.
        show_faces: Whether pictures show faces; else their landmarks are drawn, or a few coarse pixels.
        device: Where to compute.
        batch_size: Faces at once.
        resamples: Of the bootstrap of whole faces; of each occlusion a fifth.

    Returns:
        What ``action_units.json`` holds.

    Raises:
        DataError: If no face can be read.
    """
    failed: dict[int, str] = {}
    how: dict[str, Any] = {"device": device, "batch_size": batch_size, "left_out": failed}
    plain = learnt_plainly(train, patches=patches_of(method), batch_size=batch_size)
    conditions = [WHOLE, *(Condition(o, level, seed) for o in occlusions for level in levels for seed in seeds)]
    found = gather(method, held_out, conditions, plain=plain, **how)
    write_left_out(out, failed, of=len(held_out))
    if not found.numbers:
        raise DataError(
            f"none of {len(held_out)} faces can be read: {next(iter(failed.values()), 'there are none')}",
            remedy="prepare them again",
        )
    names = tuple(method.names)
    limits = _limits(method, validation, plain, names, {**how, "left_out": {}})
    shares = {key: at_half(rows, limits[key[0]]) for key, rows in found.shares.items()}
    scoring = _Scoring(found, shares, held_out.subjects[found.numbers], UnitScores(names=names))
    record = scoring.whole(resamples) | {
        "thresholds": {who: dict(zip(names, map(float, rows), strict=True)) for who, rows in limits.items()},
        "threshold_from": "validation" if len(validation) else "one half",
        "frames": len(found.numbers),
        "rates": dict(zip(names, np.nanmean(found.targets, axis=0).tolist(), strict=True)),
    }
    rows = list(scoring.occluded(occlusions, levels, resamples // 5))
    intensities = _intensities(found, scoring.people, names, resamples)
    write_csv(Path(out) / FOLDER / "scores.csv", [*_whole_rows(record), *rows])
    write_csv(Path(out) / FOLDER / "units.csv", list(_unit_rows(held_out, found, shares, names)))
    write_cases(method, held_out, found, shares, out=out, show_faces=show_faces)
    whole = {"tasks": {"whole faces": record, **intensities}, "occluded": rows, "show_faces": show_faces}
    write_text(Path(out) / RECORD, json.dumps(whole, indent=2))  # last: it is there only when all is
    return whole


class _Scoring:
    """Figures over people of whoever said something."""

    def __init__(
        self, found: Gathered, shares: Mapping[tuple[str, Condition], np.ndarray], people: np.ndarray, task: UnitScores
    ) -> None:
        self.targets, self.shares, self.people, self.task = found.targets, shares, people, task
        self.who = list(dict.fromkeys(name for name, _ in shares))

    def of(self, conditions: Sequence[Condition], *, resamples: int) -> dict[str, dict[str, Any]]:
        """Of everyone; the mean over conditions, which differ in nothing but their seeds."""
        every = np.arange(len(self.targets))
        fits = {
            who: [Fit(seed=one.seed, fold=0, samples=every, predictions=self.shares[who, one]) for one in conditions]
            for who in self.who
        }
        return score_all(
            fits,
            self.targets,
            task=self.task,
            groups=self.people,
            pool_folds=False,
            baselines=[name for name in self.who if name in BASELINES],
            resamples=resamples,
        )

    def whole(self, resamples: int) -> dict[str, Any]:
        """The record of whole faces."""
        return {
            "task": self.task.about(),
            "definitions": dict(self.task.definitions),
            "unit": "patient",
            "baselines": [name for name in self.who if name in BASELINES],
            "scores": self.of([WHOLE], resamples=resamples),
        }

    def occluded(
        self, occlusions: Sequence[str], levels: Sequence[float], resamples: int
    ) -> Iterator[dict[str, object]]:
        """A row for each kind, level and whoever reads."""
        clean = {who: self._f1(who, [WHOLE]) for who in self.who}
        for occlusion in occlusions:
            for level in levels:
                some = sorted({c for _, c in self.shares if (c.occlusion, c.level) == (occlusion, level)})
                for who, each in self.of(some, resamples=resamples).items():
                    own = each["metrics"]["f1"]
                    yield {
                        "contestant": who,
                        "baseline": who in BASELINES,
                        "occlusion": occlusion,
                        "level": level,
                        **{f"f1_{key}" if key != "mean" else "f1": own[key] for key in ("mean", "ci_low", "ci_high")},
                        "kept": own["mean"] / clean[who] if clean[who] else None,
                        "auroc": each["metrics"]["auroc"]["mean"],
                        "people": own["n_units"],
                    }

    def _f1(self, who: str, conditions: Sequence[Condition]) -> float:
        return float(np.mean([self.task.scores(self.targets, self.shares[who, one])["f1"] for one in conditions]))


def _limits(
    method: UnitMethod,
    validation: Samples,
    plain: PlainUnits | None,
    names: Sequence[str],
    how: Mapping[str, Any],
) -> dict[str, np.ndarray]:
    """Thresholds of everyone, from whole faces of validation alone."""
    if not len(validation):
        return _Halves(len(names))
    judged = gather(method, validation, [WHOLE], plain=plain, **how)
    return {who: best_thresholds(judged.targets, rows) for (who, _), rows in judged.shares.items()}


class _Halves(dict[str, np.ndarray]):
    """One half of every unit, whoever asks."""

    def __init__(self, units: int) -> None:
        self._units = units

    def __missing__(self, who: str) -> np.ndarray:
        self[who] = np.full(self._units, 0.5)
        return self[who]


def _intensities(found: Gathered, people: np.ndarray, names: Sequence[str], resamples: int) -> dict[str, Any]:
    """ICC of intensities where networks say and people coded them."""
    if not found.strengths or not np.isfinite(found.intensities).any():
        return {}
    task, every = IntensityScores(names=names), np.arange(len(people))
    fits = {
        who: [Fit(seed=0, fold=0, samples=every, predictions=rows.clip(0, 5))] for who, rows in found.strengths.items()
    }
    scores = score_all(
        fits, found.intensities, task=task, groups=people, pool_folds=False, baselines=(), resamples=resamples
    )
    about = {"task": task.about(), "definitions": dict(task.definitions), "unit": "patient", "baselines": []}
    return {"intensities": {**about, "scores": scores}}


def _whole_rows(record: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    for who, each in record["scores"].items():
        own = each["metrics"]["f1"]
        yield {
            "contestant": who,
            "baseline": who in record["baselines"],
            "occlusion": "",
            "level": 0.0,
            "f1": own["mean"],
            "f1_ci_low": own["ci_low"],
            "f1_ci_high": own["ci_high"],
            "kept": 1.0,
            "auroc": each["metrics"]["auroc"]["mean"],
            "people": own["n_units"],
        }


def _unit_rows(
    samples: Samples, found: Gathered, shares: Mapping[tuple[str, Condition], np.ndarray], names: Sequence[str]
) -> Iterator[dict[str, object]]:
    """Of whole faces: what was coded, and what this network says, its threshold at one half."""
    for row, number in enumerate(found.numbers):
        about = samples.describe(number)
        for place, name in enumerate(names):
            coded, strength = found.targets[row, place], found.intensities[row, place]
            yield {
                "case": about.case,
                "patient": about.subject,
                "frame": about.place.get("frame", ""),
                "unit": name,
                "coded": "" if np.isnan(coded) else int(coded),
                "intensity": "" if np.isnan(strength) else round(float(strength), 3),
                "share": round(float(shares[OWN, WHOLE][row, place]), 4),
            }
