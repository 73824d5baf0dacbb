"""The figures of one synthetic volume, and what each of them means.

Columns are ``<metric>_<whose>_<region>``: ``psnr_model_foreground`` stands beside ``psnr_table_foreground``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from medmae.data.volumes.slices import fit
from medmae.evaluate.statistics import summarise
from medmae.evaluate.synthesis.figures_of_merit import LABELS, REGIONS
from medmae.evaluate.synthesis.similarity import DEFINITIONS, METRICS, blockiness, similarity, ssim_map, stripe_ratio
from medmae.evaluate.synthesis.task import CaseVolumes
from medmae.evaluate.synthesis.volume_synthesis import Box, network_edge, source_box
from medmae.report.metrics import KNOWN

_BETTER = {metric: KNOWN[metric][2] for metric in LABELS}
# Regions that label maps mark, and how their masks are described.
LABELLED = {"lesion": "voxels that a label map marks", "brain": "voxels that a brain mask marks"}
_NATIVE = "as stored, at its own resolution, to which the network's slices are fitted back; nothing is clipped"


def score_case(
    volumes: CaseVolumes,
    *,
    synthetic: np.ndarray,
    baselines: Mapping[str, np.ndarray | None],
    outputs: Mapping[int, np.ndarray],
    edge: int | None,
    resize: bool = True,
    patch: int | None,
    labelled: Collection[str],
) -> dict[str, float | int]:
    """All figures of a case.

    Args:
        volumes: The case.
        synthetic: What the model made, ``(S, H, W)``.
        baselines: What each baseline made, likewise; None where it could not, and its cells are empty.
        outputs: What the network itself gave, ``(edge, edge)`` by number of the slice.
        edge: Of the slices that the network sees; None compares slices as they are stored.
        resize: Whether they are resized to that, or padded.
        patch: Edge of its blocks in these slices; None gives no blockiness.
        labelled: Regions of ``LABELLED`` that any case of the split has, so that there are columns for them.
    """
    row: dict[str, float | int] = {"slices": len(volumes.real), "slices_filled": len(volumes.filled)}
    marked = {"lesion": volumes.lesion, "brain": volumes.brain}
    nothing = np.zeros_like(volumes.foreground)
    labels = {region: nothing if mask is None else mask for region, mask in marked.items() if region in labelled}
    row |= {f"{region}_voxels": int(mask.sum()) for region, mask in labels.items()}
    regions = {"whole": None, "foreground": volumes.foreground, **labels}
    slices = partial(_slices, numbers=volumes.filled, box=source_box(volumes.image), edge=edge, resize=resize)
    real, own = slices(volumes.real), slices(synthetic)  # (F, H, W)
    for place, z in enumerate(volumes.filled.tolist()):
        own[place] = outputs.get(z, own[place])  # what was fitted back and fitted anew would have lost sharpness
    for name, volume in {"model": synthetic, **baselines}.items():
        if volume is None:
            ours = [column for column in row if "_model_" in column]
            row |= {column.replace("_model_", f"_{name}_"): math.nan for column in ours}
            continue
        quality = ssim_map(volume, volumes.real)
        for region, mask in regions.items():
            found = similarity(volume, volumes.real, mask=mask, quality=quality)
            row |= {f"{metric}_{name}_{region}": value for metric, value in found.items()}
        row[f"stripe_{name}_foreground"] = stripe_ratio(volume, volumes.real, mask=volumes.foreground)
        theirs = own if name == "model" else slices(volume)
        row |= {f"{metric}_{name}_reference": value for metric, value in _reference(theirs, real).items()}
        if patch is not None:
            row[f"blockiness_{name}_foreground"] = blockiness(theirs, real, patch=patch)
    return row


def definitions(
    *, edge: int | None, resize: bool = True, min_foreground: float, labels: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """What the columns of each region mean, for people and for :mod:`medmae.evaluate.compare`.

    A comparison wants them equal to the letter: to change a word here is to say that older figures mean something else.
    """
    standard = {
        "definition": "standard",
        "volume": _NATIVE,
        "intensities": "0 to 1: of each volume the 0.2 to 99.8 percentiles of its foreground",
        "data_range": 1.0,
        **DEFINITIONS["standard"],
    }
    how = "fitted to" if resize else "padded to at least"
    fitted = "as stored" if edge is None else f"the box around the source, {how} {edge} x {edge} pixels"
    slices = f"each slice with at least {min_foreground:.0%} foreground, {fitted}; mean over the slices of a case"
    found: dict[str, dict[str, Any]] = {
        "whole": {**standard, "mask": "none: the box around the head, background included"},
        "foreground": {
            **standard,
            "mask": "voxels where the real target shows the patient",
            "stripe": "sum of |differences of adjacent slices|, synthetic / real; 1 is as in the real volume",
            "blockiness": "mean jump across borders of patches / mean jump elsewhere, synthetic / real, in slices as "
            "the network gives them; 1 is as in the real slices",
        },
        "reference": {
            "definition": "reference",
            "volume": slices,
            "intensities": standard["intensities"],
            "data_range": "1 (psnr), 2 (ssim)",
            "mask": "none",
            **DEFINITIONS["reference"],
        },
    }
    marked = {region: f"{mask} ({', '.join(labels[region])})" for region, mask in LABELLED.items() if region in labels}
    return found | {region: {**standard, "mask": mask} for region, mask in marked.items()}


def summarise_scores(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each figure over subjects, and what the model gains over each baseline, paired; more is better in every gain.

    Args:
        rows: One a case and target, with ``subject`` and the columns of :func:`score_case`.
    """
    names = [name for name in rows[0] if name.partition("_")[0] in _BETTER]
    figures = {name: [row[name] for row in rows] for name in names}
    for name in names:
        metric, whose, region = name.split("_")
        if whose != "model" and metric in METRICS:
            sign = 1 if _BETTER[metric] == "higher" else -1
            model = figures[f"{metric}_model_{region}"]
            gains = [sign * (ours - theirs) for ours, theirs in zip(model, figures[name], strict=True)]
            figures[f"gain_over_{whose}_{metric}_{region}"] = gains
    return {name: found for name, values in figures.items() if (found := _summary(name, values, rows))}


def contestants(summary: Mapping[str, Mapping[str, Any]], *, target: str) -> list[dict[str, Any]]:
    """A row for each figure and whose it is, the model's with empty gains, from :func:`summarise_scores`."""
    rows = []
    for name, found in summary.items():
        metric, _, rest = name.partition("_")
        if metric in LABELS:
            whose, _, region = rest.partition("_")
            gain = summary.get(f"gain_over_{whose}_{metric}_{region}", {})
            row = {"target": target, "region": region, "metric": metric, "contestant": whose}
            row |= {key: found[key] for key in ("mean", "std", "median", "ci_low", "ci_high", "n_subjects")}
            rows.append(row | {f"model_gains_{key}": gain.get(key) for key in ("mean", "ci_low", "ci_high")})
    return sorted(rows, key=lambda row: (list(REGIONS).index(row["region"]), list(LABELS).index(row["metric"])))


def _summary(name: str, values: Sequence[float], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = [(value, row["subject"]) for value, row in zip(values, rows, strict=True) if not math.isnan(value)]
    if not known:
        return {}
    found = summarise(*map(list, zip(*known, strict=True))).as_dict()
    if name.startswith("gain_over_"):
        return found
    metric, _, region = name.split("_")
    label, unit = LABELS[metric]
    mixed = ", all contrasts" if len({row.get("target") for row in rows}) > 1 else ""
    return found | {"label": f"{label}, {REGIONS[region].lower()}{mixed}", "unit": unit, "better": _BETTER[metric]}


def _reference(prediction: np.ndarray, target: np.ndarray) -> dict[str, float]:
    if not len(target):
        return dict.fromkeys(METRICS, math.nan)
    return similarity(prediction, target, definition="reference")


def _slices(volume: np.ndarray, *, numbers: np.ndarray, box: Box, edge: int | None, resize: bool) -> np.ndarray:
    """Some slices of a volume, cut and fitted as the network's input is, ``(F, edge, edge)``; else as stored."""
    chosen = volume[numbers]
    if edge is None:
        return chosen
    cut = torch.from_numpy(chosen[:, box[1], box[2]])  # they travel as channels
    return fit(cut, size=network_edge(edge, shape=cut.shape, resize=resize), resize=resize).numpy()
