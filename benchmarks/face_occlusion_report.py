"""Figures of benchmarks/face_occlusion.py, into docs/methods/occlusion_au.md: F1 with intervals over people and seeds.

``python benchmarks/face_occlusion_report.py runs/face_occlusion`` (``--data`` as there). Thresholds of each unit and
arm are those of validation people, of whose faces half are whole and half hidden as in training. People of all folds
are judged together, each by the networks that never saw them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from document import DOCS, table, write_section
from face_occlusion import ARMS, LEVELS, folder_of
from face_sets import FOLDS, PEOPLE, Faces, Set, cropped, folds_of, people_of, read_faces, shared_faces
from machine import describe
from skimage.feature import hog

from medmae.evaluate.classify.scores import Fit, score_all
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.evaluate.faces.plain_units import COLOUR, POINTS, RATE, PlainUnits
from medmae.evaluate.faces.unit_scores import UnitScores, at_half, best_thresholds
from medmae.evaluate.features.probe import linear_probe
from medmae.masking.occlusion import OCCLUSIONS
from medmae.tokens.patches import Patches

CLEAN = ("clean-trained, filled", "clean-trained, dropped")
EDGES = "logistic regression on gradients of what is seen"
CONDITIONS = ("whole", *(f"{kind} {level}" for kind in ("patches", "block") for level in LEVELS))
WORDS = {"undistilled": "student, labels alone", "distilled": "student, nodes and edges", "nodes": "student, nodes"}
WORDS |= {"edges": "student, edges"}
SECTIONS = {"simulated": "face_occlusion", "expressions": "face_occlusion_expressions", "news": "face_occlusion_news"}
Shares = Mapping[str, np.ndarray]  # of each condition


@dataclass(frozen=True)
class Judged:
    """What everyone says of all test faces.

    Attributes:
        folds: Faces of each.
        said: By arm and seed: of each fold shares by condition ``(F, K)``, and thresholds ``(K,)`` of its validation.
            Seeds that lack a fold are left out.
    """

    folds: Sequence[Faces]
    said: Mapping[tuple[str, int], Sequence[tuple[Shares, np.ndarray]]]

    @property
    def arms(self) -> list[str]:
        """By name."""
        return list(dict.fromkeys(arm for arm, _ in self.said))

    @property
    def seeds(self) -> list[int]:
        """Of any arm."""
        return sorted({seed for _, seed in self.said})

    def scored(self, condition: str, *, one_label: bool = False) -> dict[str, dict[str, Any]]:
        """Figures of every arm under one condition, and gains over the student of labels alone; the mean over seeds.

        Of one label a face the greatest share is the answer, and thresholds are not asked.
        """
        ends = np.cumsum([0, *(len(one.sets["test"]["target"]) for one in self.folds)])
        places = [np.arange(first, last) for first, last in pairwise(ends)]
        fits: dict[str, list[Fit]] = {arm: [] for arm in self.arms}
        for (arm, seed), parts in self.said.items():
            for fold, (own, (shares, limits)) in enumerate(zip(places, parts, strict=True)):
                said = shares[condition] if one_label else at_half(shares[condition], limits)
                fits[arm].append(Fit(seed=seed, fold=fold, samples=own, predictions=said))
        targets, people = (np.concatenate([f.sets["test"][key] for f in self.folds]) for key in ("target", "person"))
        names = self.folds[0].names
        task = SingleLabel(classes=names) if one_label else UnitScores(names=names)
        true = targets.argmax(axis=1) if one_label else targets.astype(float)
        over = ["undistilled"]
        return score_all(fits, true, task=task, groups=people, pool_folds=True, baselines=over, resamples=500)

    def named(self, arm: str) -> str:
        """With how many seeds, where not all are there."""
        own = len({seed for name, seed in self.said if name == arm})
        return WORDS.get(arm, arm) + (f" ({own} of {len(self.seeds)} seeds)" if own < len(self.seeds) else "")


def judged(out: Path, data: str, folds: Sequence[Faces]) -> Judged:
    """Of all that is there."""
    parts: dict[tuple[str, int], list[tuple[Shares, np.ndarray]]] = {}
    for fold, faces in enumerate(folds):
        own = folder_of(out, data, fold)
        for arm in (*CLEAN, *ARMS):
            for file in sorted(own.glob(f"said_{arm.replace(' ', '_')}_*.npz")):
                seed = int(file.stem.rpartition("_")[2])
                parts.setdefault((arm, seed), []).append(_said(file, faces))
    said = {key: found for key, found in parts.items() if len(found) == len(folds)}
    seeds = {seed for _, seed in said}
    plain: dict[tuple[str, int], list[tuple[Shares, np.ndarray]]] = {}
    for fold, faces in enumerate(folds):
        for key, found in _plain(folder_of(out, data, fold), faces, sorted(seeds)).items():
            plain.setdefault(key, []).append(found)
    order = sorted(said, key=lambda key: [*CLEAN, *ARMS].index(key[0]))
    return Judged(folds, {key: said[key] for key in order} | plain)


def _said(file: Path, faces: Faces) -> tuple[Shares, np.ndarray]:
    kept = {name: values.astype(float) for name, values in np.load(file).items()}
    coded = faces.sets["val"]["target"].astype(float)
    limits = best_thresholds(np.concatenate([coded, coded]), np.concatenate([kept["val/whole"], kept["val/mixture"]]))
    return {name.partition("/")[2]: values for name, values in kept.items() if name.startswith("test/")}, limits


def _plain(out: Path, faces: Faces, seeds: Sequence[int]) -> dict[tuple[str, int], tuple[Shares, np.ndarray]]:
    """What needs no network, by thresholds of whole faces of validation."""
    patches = Patches.of(size=48, patch=8, channels=3)
    given = {split: _numbers(faces.sets[split], None, patches) for split in ("train", "val", "test")}
    targets = {split: faces.sets[split]["target"].astype(float) for split in ("train", "val")}
    models = PlainUnits.of(targets["train"], given["train"])
    said: dict[str, Callable[[Mapping[str, np.ndarray]], np.ndarray]] = {
        RATE: lambda numbers: models.constant(len(numbers[COLOUR])),
        **{name: lambda numbers, name=name: models.said(name, numbers[name]) for name in given["train"]},
    }
    if faces.one_label:
        probe = linear_probe().fit(given["train"][EDGES], targets["train"].argmax(axis=1))
        said[EDGES] = lambda numbers: probe.predict_proba(numbers[EDGES])
    found: dict[tuple[str, int], tuple[Shares, np.ndarray]] = {}
    for seed in seeds:
        tables = {name: torch.from_numpy(mask) for name, mask in np.load(out / f"hidden_{seed}.npz").items()}
        numbers = {"whole": given["test"]}
        numbers |= {name: _numbers(faces.sets["test"], hidden, patches) for name, hidden in tables.items()}
        for name, read in said.items():
            limits = best_thresholds(targets["val"], read(given["val"]))
            found[name, seed] = {condition: read(own) for condition, own in numbers.items()}, limits
    return found


def _numbers(data: Set, hidden: torch.Tensor | None, patches: Patches) -> dict[str, np.ndarray]:
    """The mean colour, landmarks of whole faces where they are known, and gradients where they are not."""
    image = torch.from_numpy(data["image"]).permute(0, 3, 1, 2).float() / 255
    seen = torch.ones_like(image[:, :1]) if hidden is None else (~patches.paint(hidden)).float()
    colour = (image * seen).sum(dim=(2, 3)) / seen.sum(dim=(2, 3))
    found = {COLOUR: colour.numpy()}
    if "landmarks" in data:
        return found | {POINTS: data["landmarks"].reshape(len(image), -1)}
    filled = (image * seen + colour[:, :, None, None] * (1 - seen)).mean(dim=1).numpy()
    return found | {EDGES: np.stack([hog(face, 8, pixels_per_cell=(8, 8), cells_per_block=(2, 2)) for face in filled])}


def with_interval(figure: Mapping[str, Any], *, sign: bool = False) -> str:
    """The mean, and its interval if there is one."""
    if figure["ci_low"] is None:
        return f"{figure['mean']:.3f}"
    ends = [f"{figure[key]:+.3f}" if sign else f"{figure[key]:.3f}" for key in ("mean", "ci_low", "ci_high")]
    return f"{ends[0]} ({ends[1]} to {ends[2]})"


def tables_of(metric: str, words: str, found: Mapping[str, Mapping[str, Any]], judged: Judged) -> list[str]:
    """A figure, its share of that of whole faces, and gains over the student of labels alone."""
    arms = judged.arms
    values = {(arm, name): found[name][arm]["metrics"][metric] for arm in arms for name in CONDITIONS}
    whole = {arm: values[arm, "whole"]["mean"] for arm in arms}
    head = ["whole", *(f"{name.split()[0]}, {float(name.split()[1]):.0%}" for name in CONDITIONS[1:])]
    rows = [[judged.named(arm), *(with_interval(values[arm, name]) for name in CONDITIONS)] for arm in arms]
    kept = [
        [judged.named(a), *(f"{100 * values[a, name]['mean'] / whole[a]:.0f} %" for name in CONDITIONS[1:])]
        for a in arms
        if whole[a]
    ]
    gains = [
        [judged.named(a), *(with_interval(found[name][a]["gains"][metric], sign=True) for name in CONDITIONS)]
        for a in arms
        if a in (*CLEAN, *ARMS, EDGES) and a != "undistilled"
    ]
    texts = [f"{words}, and 95 % intervals over people:", table(["", *head], rows)]
    if metric != "auroc":
        texts += ["Share of its own on whole faces that each keeps:", table(["", *head[1:]], kept)]
    return [*texts, "Over the student of labels alone, paired by people and seeds:", table(["", *head], gains)]


def by_kind(metric: str, words: str, judged: Judged, *, one_label: bool) -> list[str]:
    """A figure at each level of every occlusion."""
    rows = []
    for kind in OCCLUSIONS:
        levels = [judged.scored(f"{kind} {level}", one_label=one_label) for level in LEVELS]
        cells = [" / ".join(f"{each[arm]['metrics'][metric]['mean']:.3f}" for each in levels) for arm in judged.arms]
        rows.append([kind.replace("_", " "), *cells])
    shares = " / ".join(f"{level:.0%}" for level in LEVELS)
    return [f"{words}, by what hides {shares}:", table(["", *map(judged.named, judged.arms)], rows)]


def report(out: Path, data: str, real: Path, models: Path | None) -> str:
    """The whole section."""
    folds = [read_faces(data, models or out, fold=fold, real=real) for fold in folds_of(data)]
    found = judged(out, data, folds)
    texts = [_lead(data, found, out, real)]
    units = {name: found.scored(name) for name in CONDITIONS}
    if folds[0].one_label:
        single = {name: found.scored(name, one_label=True) for name in CONDITIONS}
        words = "Share of an expression that is named as people named it (the mean over expressions; chance is 1 in 6)"
        texts += tables_of("balanced_accuracy", words, single, found)
        texts += by_kind("balanced_accuracy", "The same", found, one_label=True)
        return "\n\n".join([*texts, *tables_of("f1", "F1, each expression a unit of its own", units, found)])
    texts += tables_of("f1", "F1, the mean over units and seeds", units, found)
    texts += tables_of("auroc", "AUROC, which no threshold moves", units, found)
    return "\n\n".join([*texts, *by_kind("f1", "F1", found, one_label=False)])


def _lead(data: str, found: Judged, out: Path, real: Path) -> str:
    seeds = f"seeds of students and of what is hidden: {', '.join(map(str, found.seeds))}"
    counts = {split: sum(len(one.sets[split]["target"]) for one in found.folds) for split in ("val", "test")}
    steps = found.folds[0].steps
    of_steps = (
        f"{steps['mae']} steps of pre-training, {steps['first']} and {steps['second']} of the teacher's two stages, "
        f"one teacher, and from there (the clean-trained network) {steps['student']} of each student, of 24 faces"
    )
    if data == "simulated":
        people = {split: count for split, (_, count, _) in PEOPLE.items()}
        return (
            f"Simulated faces of 48 px, {len(found.folds[0].names)} units, {people['train']} people to learn from, "
            f"{people['val']} of validation and {people['test']} tested; {of_steps}; {seeds}; a ViT of 3 blocks of "
            f"width 64. Drawings: nothing here is of people. {describe()}."
        )
    if data == "news":
        return (
            f"Faces drawn on the landmarks of {counts['test']} frames of {people_of(found.folds, 'test')} clips of "
            f"news, 48 px; what py-feat says of their units from 0.5 on is called active (AU15 nearly never is), and a "
            f"clip stands for a person. Networks, thresholds and baselines are those of the simulated faces above, "
            f"which never met them; {seeds}. {describe()}."
        )
    held = cropped(out, real)
    return (
        f"{counts['test']} photographs of {people_of(found.folds, 'test')} people, 48 px, six expressions as people "
        f"named them, {FOLDS} folds of people, everyone tested once; in each about "
        f"{len(found.folds[0].sets['train']['target'])} photographs to learn from. A detector found "
        f"{int(held['found'].sum())} of {len(held['found'])} faces, the others are the middle of their picture. "
        f"Pre-training saw the photographs of training people (fear, too) and as many drawings; {of_steps}; {seeds}; a "
        f"ViT of 3 blocks of width 64. {describe()}."
    )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", default="simulated", choices=list(SECTIONS))
    parser.add_argument("--models", type=Path, help="as of face_occlusion.py")
    parser.add_argument("--real", type=Path, default=shared_faces(), help="the shared faces")
    parser.add_argument("--dry", action="store_true", help="leave the page alone")
    chosen = parser.parse_args()
    text = report(chosen.out, chosen.data, chosen.real, chosen.models)
    print(text)
    if not chosen.dry:
        write_section(SECTIONS[chosen.data], text, page=DOCS / "methods" / "occlusion_au.md")


if __name__ == "__main__":
    main()
