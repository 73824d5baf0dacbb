"""A score of the model beside its baselines: a chart, intervals, gains."""

from __future__ import annotations

from markupsafe import Markup

from medmae.report.dots import DotRow, dot_chart
from medmae.report.metrics import Comparison, Score
from medmae.report.text import signed, span


def comparison_chart(comparison: Comparison) -> Markup:
    """Draw the model and its baselines over the subjects."""
    rows = [
        DotRow(label=s.label, mean=s.mean, ci_low=s.ci_low, ci_high=s.ci_high, dots=s.by_subject, ours=i == 0)
        for i, s in enumerate([comparison.model, *comparison.baselines])
        if s.mean is not None
    ]
    unit = comparison.unit or ("higher is better" if comparison.higher_is_better else "lower is better")
    return (
        dot_chart(rows, title=comparison.label, unit=unit, digits=2 if comparison.unit else 3) if rows else Markup("")
    )


def interval(score: Score, *, digits: int = 2) -> str:
    """Write the 95 % interval of a mean."""
    return span(score.ci_low, score.ci_high, digits=digits)


def gain(comparison: Comparison, score: Score, *, digits: int = 2) -> tuple[str, str]:
    """Write the model's paired advantage over a baseline with its interval, and on how many subjects it is better."""
    found = None if score is comparison.model else comparison.gain(score)
    if found is None:
        return "", ""
    mean, wins, total = found
    ends = comparison.gains.get(score.name)
    between = f" ({span(*ends, digits=digits)})" if ends else ""
    return signed(mean, digits=digits) + between, f"{wins}/{total}"
