"""The section of scores: the model beside its baselines, per subject, per contrast, and per case."""

from __future__ import annotations

from markupsafe import Markup

from medmae.report.dots import Contender, dot_chart
from medmae.report.folder import Row, RunFolder, as_float
from medmae.report.metrics import Comparison, Score, comparisons, mean_by, metric_names, other_scores
from medmae.report.page import NOT_EVALUATED, Section, details, join, note, table
from medmae.report.text import NOTHING, count, number, signed, words

TITLE = "Baselines"
LEAD = (
    "A dot is a subject, a thin line joins the same subject; the bar is the mean, its whiskers the 95\u00a0% interval."
)
MAX_ROWS = 1000  # of the table per case; a larger one is in the CSV


def results(folder: RunFolder) -> Section | None:
    """Build the section from ``summary.json`` and ``reconstruction.csv``."""
    if folder.synthesis or folder.mapped or ((folder.few_labels or folder.judged) and not folder.scores):
        return None
    found = comparisons(folder)
    charts = join(comparison_chart(comparison) for comparison in found)
    blocks = [Markup('<div class="charts">{}</div>').format(charts)] if charts else []
    blocks += [_numbers(folder, comparison) for comparison in found]
    blocks += _others(folder)
    if folder.scores:
        blocks.append(_every_case(folder))
    if not blocks:
        blocks = [note(f"No scores: {NOT_EVALUATED}")]
    blocks += [_plain_table(name, rows) for name, rows in folder.tables.items() if rows]
    return Section(title=TITLE, lead=LEAD if charts and folder.scores else "", blocks=blocks)


def comparison_chart(comparison: Comparison) -> Markup:
    """Draw the model and its baselines over the subjects."""
    rows = [
        Contender(label=s.label, mean=s.mean, ci_low=s.ci_low, ci_high=s.ci_high, dots=s.by_subject, ours=i == 0)
        for i, s in enumerate([comparison.model, *comparison.baselines])
        if s.mean is not None
    ]
    unit = comparison.unit or ("higher is better" if comparison.higher_is_better else "lower is better")
    return (
        dot_chart(rows, title=comparison.label, unit=unit, digits=2 if comparison.unit else 3) if rows else Markup("")
    )


def _numbers(folder: RunFolder, comparison: Comparison) -> Markup:
    """One table: the contenders down, the figures over all subjects and then each contrast's mean across."""
    scores = [comparison.model, *comparison.baselines]
    columns = {s.name: mean_by(folder.scores, s.name, "contrast") for s in scores}
    contrasts = [name for name in columns[comparison.model.name] if name]
    head = [comparison.label, "Mean", "SD", "95 % CI", "Model gains (95 % CI)", "Wins", *contrasts]
    rows = [
        [s.label, number(s.mean), number(s.std), interval(s), *gain(comparison, s),
         *(number(columns[s.name].get(name)) for name in contrasts)]
        for s in scores
    ]  # fmt: skip
    return table(head, rows, numeric=range(1, len(head)))


def _plain_table(name: str, rows: list[Row]) -> Markup:
    return details(words(name).capitalize(), table(list(rows[0]), [list(row.values()) for row in rows]))


def _others(folder: RunFolder) -> list[Markup]:
    rows = [[s.label.capitalize(), number(s.mean, digits=3), interval(s), s.n_subjects] for s in other_scores(folder)]
    return [table(["Metric", "Mean", "95 % CI", "Subjects"], rows, numeric={1, 2, 3})] if rows else []


def _every_case(folder: RunFolder) -> Markup:
    scored = set(metric_names(folder))
    head = list(folder.scores[0])
    rows = [[_cell(row[name], name in scored) for name in head] for row in folder.scores[:MAX_ROWS]]
    numeric = [i for i, name in enumerate(head) if name in scored or name == "slices"]
    body = [table([words(name) for name in head], rows, numeric=numeric)]
    if len(folder.scores) > MAX_ROWS:
        body.append(
            note(f"The first {MAX_ROWS:,} of {len(folder.scores):,} rows; all are in evaluation/reconstruction.csv.")
        )
    return details(f"Every case ({count(len(folder.scores), 'row')})", join(body))


def _cell(text: str, scored: bool) -> str:
    return number(as_float(text)) if scored else text


def interval(score: Score, *, digits: int = 2) -> str:
    """Write the 95 % interval of a mean."""
    if score.ci_low is None:
        return NOTHING
    return f"{number(score.ci_low, digits=digits)} to {number(score.ci_high, digits=digits)}"


def gain(comparison: Comparison, score: Score, *, digits: int = 2) -> tuple[str, str]:
    """Write the model's paired advantage over a baseline with its interval, and on how many subjects it is better."""
    found = None if score is comparison.model else comparison.gain(score)
    if found is None:
        return "", ""
    mean, wins, total = found
    ends = comparison.gains.get(score.name)
    between = f" ({number(ends[0], digits=digits)} to {number(ends[1], digits=digits)})" if ends else ""
    return signed(mean, digits=digits) + between, f"{wins}/{total}"
