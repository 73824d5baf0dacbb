"""In words, whether a synthesis is better than what needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medmae.evaluate.synthesis.figures_of_merit import LABELS
from medmae.report.metrics import NAMES, label_of
from medmae.report.text import number, signed, span

NO_BASELINE = "Compared with no baseline: no training subject has both what is given and what is made."
_PLACES = {"foreground": "within the head", "lesion": "inside lesions"}
_METRICS = {"psnr": 1, "ssim": 3}  # decimals
Figures = Mapping[str, Mapping[str, Any]]


def verdict(summary: Figures) -> str:
    """Whether the model beats every baseline in PSNR and SSIM over the foreground, and by how much the best of them.

    A baseline is beaten where the whole interval of the paired gain lies above 0; of a single subject, the gain. What
    is better in the foreground and not inside lesions is not called better without saying so.

    Args:
        summary: As :func:`medmae.evaluate.synthesis.synthesis_scores.summarise_scores` gives it.
    """
    known = baselines_of(summary, "foreground")
    if not known:
        return NO_BASELINE
    unbeaten, lesion = _unbeaten(summary, "foreground"), baselines_of(summary, "lesion")
    lead = f"Not better than {' or '.join(unbeaten)}" if unbeaten else "Better than every baseline"
    if not unbeaten and (there := _unbeaten(summary, "lesion")):
        lead += f", but inside lesions not better than {' or '.join(there)}"
    inside = f" Inside lesions, {_gains(summary, lesion[0], 'lesion')}." if lesion else ""
    return f"{lead}. In the foreground, {_gains(summary, known[0], 'foreground')}.{inside}"


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
    for metric, digits in _METRICS.items():
        gain, (label, unit) = summary[f"gain_over_{name}_{metric}_{region}"], LABELS[metric]
        ends = "one subject" if gain["ci_low"] is None else span(gain["ci_low"], gain["ci_high"], digits=digits)
        difference = f"{label} {signed(gain['mean'], digits=digits)} {unit}".strip()
        parts.append(f"{difference} ({ends})")
    return f"against {_called(name)}, the best there: {', '.join(parts)}"


def _unbeaten(summary: Figures, region: str) -> list[str]:
    """The baselines that the model does not beat over a region, the plainest first."""
    plainest_first = sorted(baselines_of(summary, region), key=list(NAMES).index)
    return [_called(name) for name in plainest_first if not all(_beats(summary, name, m, region) for m in _METRICS)]


def _beats(summary: Figures, name: str, metric: str, region: str) -> bool:
    gain = summary[f"gain_over_{name}_{metric}_{region}"]
    return bool((gain["mean"] if gain["ci_low"] is None else gain["ci_low"]) > 0)


def _called(name: str) -> str:
    return f"a {label_of(name).lower()}"
