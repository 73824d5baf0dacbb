"""In words, whether a synthesis is better than what needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from medmae.evaluate.synthesis.figures_of_merit import LABELS
from medmae.report.metrics import NAMES, label_of
from medmae.report.text import number, signed, span

NO_BASELINE = "Compared with no baseline: no training subject has both what is given and what is made."
_PLACES = {"foreground": "within the head", "lesion": "inside lesions"}
_METRICS = {"psnr": 1, "ssim": 3}  # decimals
Figures = Mapping[str, Mapping[str, Any]]


class Standing(IntEnum):
    """How a paired gain lies to 0, the best first: its whole interval, or its mean where the interval reaches 0."""

    BETTER = 0
    NOT_BETTER = 1
    WORSE_ON_AVERAGE = 2
    WORSE = 3


_IN_LESIONS = {
    Standing.BETTER: "better",
    Standing.NOT_BETTER: "not better",
    Standing.WORSE_ON_AVERAGE: "on average worse",
    Standing.WORSE: "worse",
}


def verdict(summary: Figures) -> str:
    """Whether the model beats every baseline in PSNR and SSIM over the foreground, and by how much the best of them.

    A baseline is beaten where the whole interval of the paired gain lies above 0; of a single subject, the gain. Where
    lesions are known the first sentence says of them, too, with figures: who is ahead over all tissue may lose there.

    Args:
        summary: As :func:`medmae.evaluate.synthesis.synthesis_scores.summarise_scores` gives it.
    """
    known = baselines_of(summary, "foreground")
    if not known:
        return NO_BASELINE
    plainest_first = sorted(known, key=list(NAMES).index)
    unbeaten = [_called(name) for name in plainest_first if _standing(summary, name, "foreground") > Standing.BETTER]
    lead = f"Not better than {' or '.join(unbeaten)}" if unbeaten else "Better than every baseline"
    lesion = baselines_of(summary, "lesion")
    if lesion:
        tissue = _one_gain(summary, known[0], "psnr", "foreground")
        lead = f"{lead} over all tissue ({tissue}), {_inside_lesions(summary, lesion)}"
    inside = f" Inside lesions, {_gains(summary, lesion[0], 'lesion')}." if lesion else ""
    return f"{lead}. In the foreground, {_gains(summary, known[0], 'foreground')}.{inside}"


def _inside_lesions(summary: Figures, names: Sequence[str]) -> str:
    """How the model stands inside lesions where it stands worst, with that gain.

    Args:
        summary: As for :func:`verdict`.
        names: Baselines there, the best first.
    """
    pairs = [(name, metric) for name in names for metric in _METRICS]
    standings = [_standing_in(summary, name, metric, "lesion") for name, metric in pairs]
    worst = standings.index(max(standings))  # the first of equals
    name, metric = pairs[worst]
    return f"{_IN_LESIONS[standings[worst]]} inside lesions ({_one_gain(summary, name, metric, 'lesion')})"


def in_plain_words(summary: Figures, *, made: str) -> str:
    """How far grey values are off, beside the best baseline, for whoever knows no decibels; empty without figures.

    Args:
        summary: As for :func:`verdict`.
        made: What was made, to read.
    """
    parts = []
    for region, where in _PLACES.items():
        off = _mean(summary, "model", region)
        errors = {who: _mean(summary, who, region) for who in baselines_of(summary, region)}
        beside = {who: error for who, error in errors.items() if error is not None}
        best = min(beside, key=lambda who: beside[who]) if beside else None
        if off is not None:
            against = f" ({_called(best)}: {_percent(beside[best])})" if best else ""
            parts.append(f"{where} by {_percent(off)}{against}")
    if not parts:
        return ""
    return f"Grey values of the synthetic {made}, from 0 (black) to 100 % (white), are off {', '.join(parts)}."


def _percent(share: float) -> str:
    return f"{number(100 * share, digits=1)}\u00a0%"


def _mean(summary: Figures, who: str, region: str) -> float | None:
    """Mean absolute error of intensities from 0 to 1."""
    mean = summary.get(f"mae_{who}_{region}", {}).get("mean")
    return None if mean is None else float(mean)


def baselines_of(figures: Mapping[str, Any], region: str) -> list[str]:
    """Names of the baselines that have a PSNR over a region, the best first.

    Args:
        figures: ``psnr_<whose>_<region>`` by name: numbers, or summaries with their ``mean``.
        region: Such as ``foreground``.
    """
    found = [name.split("_")[1] for name in figures if name.startswith("psnr_") and name.endswith(f"_{region}")]
    means = {who: figures[f"psnr_{who}_{region}"] for who in found if who != "model"}
    return sorted(means, key=lambda who: -(means[who]["mean"] if isinstance(means[who], Mapping) else means[who]))


def _gains(summary: Figures, name: str, region: str) -> str:
    parts = []
    for metric in _METRICS:
        difference, ends = _gain(summary, name, metric, region)
        parts.append(f"{difference} ({ends})")
    return f"against {_called(name)}, the best there: {', '.join(parts)}"


def _one_gain(summary: Figures, name: str, metric: str, region: str) -> str:
    """A gain, its interval and on whom, to stand in brackets."""
    return f"against {_called(name)}: {', '.join(_gain(summary, name, metric, region))}"


def _gain(summary: Figures, name: str, metric: str, region: str) -> tuple[str, str]:
    """The mean gain with its unit, and its interval."""
    gain, digits, (label, unit) = _entry(summary, name, metric, region), _METRICS[metric], LABELS[metric]
    ends = "one subject" if gain["ci_low"] is None else span(gain["ci_low"], gain["ci_high"], digits=digits)
    return f"{label} {signed(gain['mean'], digits=digits)} {unit}".strip(), ends


def _standing(summary: Figures, name: str, region: str) -> Standing:
    """The worse of those in PSNR and in SSIM."""
    return max(_standing_in(summary, name, metric, region) for metric in _METRICS)


def _standing_in(summary: Figures, name: str, metric: str, region: str) -> Standing:
    gain = _entry(summary, name, metric, region)
    low, high = (gain["mean"], gain["mean"]) if gain["ci_low"] is None else (gain["ci_low"], gain["ci_high"])
    if low > 0:
        return Standing.BETTER
    if high < 0:
        return Standing.WORSE
    return Standing.WORSE_ON_AVERAGE if gain["mean"] < 0 else Standing.NOT_BETTER


def _entry(summary: Figures, name: str, metric: str, region: str) -> Mapping[str, Any]:
    return summary[f"gain_over_{name}_{metric}_{region}"]


def _called(name: str) -> str:
    return f"a {label_of(name).lower()}"
