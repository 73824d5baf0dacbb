"""Figures of benchmarks/face_occlusion.py, into docs/methods/occlusion_au.md: F1 with intervals over people and seeds.

``python benchmarks/face_occlusion_report.py runs/face_occlusion``. Thresholds of each unit and arm are those of
validation people, of whose faces half are whole and half hidden as in training.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from document import DOCS, table, write_section
from face_occlusion import ACTIVE, ARMS, LEVELS, PEOPLE, STEPS, UNITS, faces
from machine import describe

from medmae.evaluate.classify.scores import Fit, score_all
from medmae.evaluate.faces.plain_units import COLOUR, POINTS, RATE, PlainUnits
from medmae.evaluate.faces.unit_scores import UnitScores, at_half, best_thresholds
from medmae.masking.occlusion import OCCLUSIONS
from medmae.tokens.patches import Patches

CLEAN = ("clean-trained, filled", "clean-trained, dropped")
TASK = UnitScores(names=UNITS)
Shares = Mapping[tuple[str, int], Mapping[str, np.ndarray]]  # by arm and seed: of each condition


def said(out: Path, data: Mapping[str, Any]) -> Shares:
    """What every arm that is there says of test faces, thresholds at one half."""
    coded = (data["val"]["intensity"] >= ACTIVE).astype(float)
    found = {}
    for arm in (*CLEAN, *ARMS):
        for file in sorted(out.glob(f"said_{arm.replace(' ', '_')}_*.npz")):
            kept = {name: values.astype(float) for name, values in np.load(file).items()}
            judged = np.concatenate([kept["val/whole"], kept["val/mixture"]])
            limits = best_thresholds(np.concatenate([coded, coded]), judged)
            seed = int(file.stem.rpartition("_")[2])
            found[arm, seed] = {
                name.partition("/")[2]: at_half(values, limits)
                for name, values in kept.items()
                if name.startswith("test/")
            }
    return found


def plain(out: Path, data: Mapping[str, Any], seeds: Sequence[int]) -> dict[tuple[str, int], dict[str, np.ndarray]]:
    """Rates, the mean colour of what is seen, and landmarks of whole faces, by thresholds of validation."""
    patches = Patches.of(size=48, patch=8, channels=3)
    given = {split: _numbers(each, None, patches) for split, each in data.items()}
    targets = {split: (each["intensity"] >= ACTIVE).astype(float) for split, each in data.items()}
    models = PlainUnits.of(targets["train"], given["train"])
    found: dict[tuple[str, int], dict[str, np.ndarray]] = {}
    for seed in seeds:
        hidden = dict(np.load(out / f"hidden_{seed}.npz"))
        for name in (RATE, COLOUR, POINTS):
            said_of = (
                (lambda numbers, name=name: models.constant(len(numbers[COLOUR])))
                if name == RATE
                else (lambda numbers, name=name: models.said(name, numbers[name]))
            )
            limits = best_thresholds(targets["val"], said_of(given["val"]))
            found[name, seed] = {"whole": at_half(said_of(given["test"]), limits)}
            for condition, mask in hidden.items():
                numbers = _numbers(data["test"], torch.from_numpy(mask), patches)
                found[name, seed][condition] = at_half(said_of(numbers), limits)
    return found


def _numbers(data: Mapping[str, np.ndarray], hidden: torch.Tensor | None, patches: Patches) -> dict[str, np.ndarray]:
    image = torch.from_numpy(data["image"]).permute(0, 3, 1, 2).float() / 255
    seen = torch.ones_like(image[:, :1]) if hidden is None else (~patches.paint(hidden)).float()
    colour = (image * seen).sum(dim=(2, 3)) / seen.sum(dim=(2, 3))
    return {COLOUR: colour.numpy(), POINTS: data["landmarks"].reshape(len(image), -1)}


def scored(
    shares: Shares, condition: str, data: Mapping[str, Any], *, over: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Figures of every arm under one condition, and gains over the best of some; the mean over seeds."""
    arms = list(dict.fromkeys(arm for arm, _ in shares))
    every = np.arange(len(data["test"]["person"]))
    fits = {
        arm: [
            Fit(seed=seed, fold=0, samples=every, predictions=each[condition])
            for (name, seed), each in shares.items()
            if name == arm
        ]
        for arm in arms
    }
    targets = (data["test"]["intensity"] >= ACTIVE).astype(float)
    people = data["test"]["person"]
    return score_all(fits, targets, task=TASK, groups=people, pool_folds=False, baselines=over, resamples=500)


def _with_interval(figure: Mapping[str, Any], *, sign: bool = False) -> str:
    if figure["ci_low"] is None:
        return f"{figure['mean']:.3f}"
    ends = [f"{figure[key]:+.3f}" if sign else f"{figure[key]:.3f}" for key in ("mean", "ci_low", "ci_high")]
    return f"{ends[0]} ({ends[1]} to {ends[2]})"


def report(out: Path) -> str:
    """Two tables: F1 by level of the paper's occlusions, and of every occlusion at one half."""
    data = faces(out)
    shares: dict[tuple[str, int], Mapping[str, np.ndarray]] = dict(said(out, data))
    seeds = sorted({seed for _, seed in shares})
    shares |= plain(out, data, seeds)
    arms = list(dict.fromkeys(arm for arm, _ in shares))
    conditions = ["whole", *(f"{kind} {level}" for kind in ("patches", "block") for level in LEVELS)]
    by_condition = {name: scored(shares, name, data, over=["undistilled"]) for name in conditions}
    whole = {arm: by_condition["whole"][arm]["metrics"]["f1"]["mean"] for arm in arms}
    rows = [
        [_named(arm, shares), *(_with_interval(by_condition[name][arm]["metrics"]["f1"]) for name in conditions)]
        for arm in arms
    ]
    areas = [
        [_named(arm, shares), *(_with_interval(by_condition[name][arm]["metrics"]["auroc"]) for name in conditions)]
        for arm in arms
    ]
    kept = [
        [
            _named(arm, shares),
            *(f"{100 * by_condition[n][arm]['metrics']['f1']['mean'] / whole[arm]:.0f} %" for n in conditions[1:]),
        ]
        for arm in arms
        if whole[arm]
    ]
    gains = {
        metric: [
            [_named(a, shares), *(_with_interval(by_condition[n][a]["gains"][metric], sign=True) for n in conditions)]
            for a in arms
            if "gains" in by_condition["whole"][a] and a not in (RATE, COLOUR, POINTS)
        ]
        for metric in ("f1", "auroc")
    }
    halves = []
    for kind in OCCLUSIONS:
        one = scored(shares, f"{kind} 0.5", data, over=["undistilled"])
        halves.append([kind.replace("_", " "), *(f"{one[arm]['metrics']['f1']['mean']:.3f}" for arm in arms)])
    head = ["whole", *(f"{name.split()[0]}, {float(name.split()[1]):.0%}" for name in conditions[1:])]
    return "\n\n".join(
        [
            _lead(seeds),
            "F1, the mean over units and seeds, and 95 % intervals over people:",
            table(["", *head], rows),
            "AUROC, likewise; no threshold moves it:",
            table(["", *head], areas),
            "Share of its own F1 on whole faces that each keeps:",
            table(["", *head[1:]], kept),
            "F1 over the student of labels alone, paired by people and seeds:",
            table(["", *head], gains["f1"]),
            "AUROC over it, likewise:",
            table(["", *head], gains["auroc"]),
            "F1 with half of the patches hidden, by what hides them:",
            table(["", *(_named(arm, shares) for arm in arms)], halves),
        ]
    )


def _named(arm: str, shares: Shares) -> str:
    """With how many seeds, where not all are there."""
    words = {"undistilled": "student, labels alone", "distilled": "student, nodes and edges", "nodes": "student, nodes"}
    words |= {"edges": "student, edges"}
    own, most = (len({seed for name, seed in shares if name in some}) for some in ({arm}, {a for a, _ in shares}))
    return words.get(arm, arm) + (f" ({own} of {most} seeds)" if own < most else "")


def _lead(seeds: Sequence[int]) -> str:
    people = {split: count for split, (_, count, _) in PEOPLE.items()}
    return (
        f"Simulated faces of 48 px, {len(UNITS)} units, {people['train']} people to learn from, {people['val']} of "
        f"validation and {people['test']} tested; {STEPS['mae']} steps of pre-training, "
        f"{STEPS['first']} and {STEPS['second']} of the teacher's two stages, one teacher, and from there (the "
        f"clean-trained network) {STEPS['student']} of each student, of 24 faces; seeds of students and of what is "
        f"hidden: {', '.join(map(str, seeds))}; a ViT of 3 blocks of width 64. Drawings: nothing "
        f"here is of people. {describe()}."
    )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dry", action="store_true", help="leave the page alone")
    chosen = parser.parse_args()
    text = report(chosen.out)
    print(text)
    if not chosen.dry:
        write_section("face_occlusion", text, page=DOCS / "methods" / "occlusion_au.md")


if __name__ == "__main__":
    main()
