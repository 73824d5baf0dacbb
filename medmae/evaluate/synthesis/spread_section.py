"""The section of uncertainty: whether the spread of a network's guesses tells how far they are off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from medmae.evaluate.synthesis.calibration_file import NAME
from medmae.report.curves import Series, line_chart
from medmae.report.dots import DotRow, dot_chart
from medmae.report.folder import RunFolder, as_float
from medmae.report.page import Section, note, table
from medmae.report.text import count, number, plain, span

TITLE = "Uncertainty"
LEAD = (
    "The spread of the network's guesses over test-time augmentations should tell how far they are off. A monotone map "
    "from spread to error is fitted on {fitted} and tested here on the others."
)
CALIBRATION_ERROR = "Calibration error: mean distance of the curve from the ideal one, in units of intensity."
LABELS = {"before": "Spread as it comes", "after": "Calibrated"}


def spread(folder: RunFolder) -> Section | None:
    """Build the section from ``calibration.json``."""
    found = folder.record(NAME)
    if not found:
        return None
    how = found.get("definition", {})
    nominal = f"{number(100 * float(how.get('nominal_coverage', 0.9545)), digits=1)} %"
    texts = [f"{name.capitalize()}: {plain(how[name])}." for name in ("spread", "error") if name in how]
    blocks = [
        Markup('<div class="charts">{}{}</div>').format(_curves(found), _coverage(found, nominal)),
        table(
            ["", "Calibration error", "95 % CI", f"Within 2 sigma (nominal {nominal})", "95 % CI", "Subjects"],
            [_row(name, found[when]) for when, name in LABELS.items()],
            numeric={1, 2, 3, 4, 5},
        ),
        note(" ".join([CALIBRATION_ERROR, *texts])),
    ]
    lead = LEAD.format(fitted=count(len(found.get("fitted_on", [])), "validation subject"))
    return Section(title=TITLE, lead=lead, blocks=blocks)


def _curves(found: Mapping[str, Any]) -> Markup:
    curves = {when: found[when]["curve"] for when in LABELS}
    top = max(max(curve["expected"] + curve["observed"]) for curve in curves.values())
    series = [
        Series(label=LABELS[when].lower(), x=curve["expected"], y=curve["observed"], colour=colour)
        for colour, (when, curve) in zip((1, 0), curves.items(), strict=True)
    ]
    series.append(Series(label="ideal", x=[0.0, top], y=[0.0, top], colour=4, dashed=True))
    return line_chart(series, title="Observed error", x_label="expected absolute error", log_y=False)


def _coverage(found: Mapping[str, Any], nominal: str) -> Markup:
    rows = []
    for when, name in reversed(LABELS.items()):
        inside = {key: _percent(value) for key, value in found[when]["coverage"].items() if key != "by_case"}
        dots = {case: 100 * value for case, value in found[when]["coverage"]["by_case"].items()}
        ends = {"ci_low": inside["ci_low"], "ci_high": inside["ci_high"]}
        rows.append(DotRow(label=name, mean=inside["mean"] or 0.0, dots=dots, ours=when == "after", **ends))
    return dot_chart(rows, title="Voxels within 2 sigma", unit=f"% (nominal {nominal})", digits=1)


def _row(name: str, figures: Mapping[str, Any]) -> list[object]:
    error = figures["calibration_error"]
    inside = {key: _percent(value) for key, value in figures["coverage"].items()}
    return [
        name,
        number(as_float(error.get("mean")), digits=4),
        span(as_float(error.get("ci_low")), as_float(error.get("ci_high")), digits=4),
        f"{number(inside.get('mean'), digits=1)} %",
        span(inside.get("ci_low"), inside.get("ci_high"), digits=1),
        error.get("n_subjects"),
    ]


def _percent(share: object) -> float | None:
    value = as_float(share)
    return None if value is None else 100 * value
