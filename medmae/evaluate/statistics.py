"""Means with confidence intervals over subjects, never over slices; paired differences of two runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import wilcoxon


@dataclass(frozen=True)
class Summary:
    """A figure of merit over subjects.

    Attributes:
        mean: Mean over subjects.
        std: Sample standard deviation over subjects; None for one subject.
        median: Median over subjects.
        ci_low: Lower end of the 95 % bootstrap interval; None for one subject.
        ci_high: Upper end.
        n_subjects: How many.
    """

    mean: float
    std: float | None
    median: float
    ci_low: float | None
    ci_high: float | None
    n_subjects: int

    def as_dict(self) -> dict[str, float | int | None]:
        """For JSON."""
        return asdict(self)


def summarise(values: Sequence[float], subjects: Sequence[str], *, resamples: int = 5000, seed: int = 0) -> Summary:
    """Mean over subjects with a percentile bootstrap interval that draws whole subjects.

    Args:
        values: One figure a row (a slice, a contrast, ...).
        subjects: Whose row it is.
        resamples: Bootstrap samples.
        seed: Of the bootstrap.

    Raises:
        ValueError: If there is nothing to summarise, or the lengths differ.
    """
    if len(values) != len(subjects) or not len(values):
        raise ValueError(f"need as many values as subjects, at least one; got {len(values)} and {len(subjects)}")
    means = np.array(list(_means_by_subject(values, subjects).values()))
    if len(means) == 1:
        return Summary(float(means[0]), None, float(means[0]), None, None, 1)
    draws = np.random.default_rng(seed).integers(0, len(means), size=(resamples, len(means)))
    low, high = np.quantile(means[draws].mean(axis=1), [0.025, 0.975])
    return Summary(
        mean=float(means.mean()),
        std=float(means.std(ddof=1)),
        median=float(np.median(means)),
        ci_low=float(low),
        ci_high=float(high),
        n_subjects=len(means),
    )


def signed_rank_p(differences: Sequence[float], subjects: Sequence[str]) -> float:
    """Two-sided Wilcoxon signed-rank test that paired differences lie around zero, on each subject's mean.

    Exact up to 50 subjects without ties or zeros. The smallest p that n subjects can give is ``2 ** (1 - n)``: five
    subjects never reach 0.05. Where nothing differs, p is 1.

    Args:
        differences: One a row, of the same row in two runs.
        subjects: Whose row it is.
    """
    means = np.array(list(_means_by_subject(differences, subjects).values()))
    return float(wilcoxon(means).pvalue) if means.any() else 1.0


def patient_draws(groups: np.ndarray, *, resamples: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A bootstrap that draws whole patients.

    Args:
        groups: Patient of each sample ``(N,)``.
        resamples: R.
        seed: Of the draws.

    Returns:
        How often each of P patients is drawn, ``(R, P)``, and whose each sample is, ``(N,)``: ``draws[:, member]`` are
        weights of samples ``(R, N)``.
    """
    names, member = np.unique(groups, return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return draws.astype(np.float64), member


def _means_by_subject(values: Sequence[float], subjects: Sequence[str]) -> Mapping[str, float]:
    grouped: dict[str, list[float]] = {}
    for value, subject in zip(values, subjects, strict=True):
        grouped.setdefault(subject, []).append(value)
    return {subject: float(np.mean(group)) for subject, group in sorted(grouped.items())}
