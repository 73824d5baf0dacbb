"""The sections of reconstructions: pictures, and the model beside its baselines by subject, contrast and case."""

from __future__ import annotations

from markupsafe import Markup

from medmae.evaluate.left_out import RECORD as LEFT_OUT
from medmae.evaluate.reconstruct.panels import TRUE_STATISTICS
from medmae.evaluate.reconstruct.reconstruction_scores import SCORES
from medmae.evaluate.reconstruct.verdict import verdict
from medmae.report.comparison import comparison_chart, gain, interval
from medmae.report.evaluations import Evaluation, register, stands_in
from medmae.report.figures import HIDDEN, column_names, error_limit
from medmae.report.folder import Row, RunFolder, as_float
from medmae.report.gallery import panel_section
from medmae.report.metrics import Comparison, comparisons, mean_by, metric_names, other_scores
from medmae.report.page import NOT_EVALUATED, Section, details, join, note, table
from medmae.report.text import MINUS, count, number, words

PICTURES = "Reconstructions"
PICTURES_LEAD = (
    "Visible patches are pasted from the input: only hidden patches are predicted and scored. "
    "Select a picture to fill the screen; select it again to close it."
)
TRUE_LEAD = (
    " A normalised target says nothing of a patch's brightness and contrast: the reconstruction, which is scored, "
    "takes them from visible patches; “true mean and deviation” is given those of the hidden patch, as authors draw "
    "it, and is for the eye alone."
)
EDGE_LEAD = " Edges, which are predicted too, are magnitudes of intensity gradients."
TITLE = "Baselines"
LEAD = (
    "A dot is a subject, a thin line joins the same subject; the bar is the mean, its whiskers the 95\u00a0% interval."
)
MAX_ROWS = 1000  # of the table per case; a larger one is in the CSV


def gallery(folder: RunFolder) -> Section | None:
    """Build the section of reconstructions and write each row as a PNG strip into ``figures/``."""
    if not _ours(folder) or (not folder.panels and stands_in(folder)):
        return None
    if not any(folder.panels):
        return Section(title=PICTURES, blocks=[note(f"No panels: {NOT_EVALUATED}")])
    swatch = Markup('<i class="swatch" style="background:rgb{}"></i>').format(HIDDEN)
    hidden = Markup('<span class="key">{}hidden patch</span>').format(swatch)
    error, given_back = f"|input {MINUS} reconstruction|", TRUE_STATISTICS in column_names(folder.panels)
    error += " / peak" if any(row.get("error_of") == "peak" for row in folder.panel_info) else ""
    edges = any(name.startswith("edge_") for name in column_names(folder.panels))
    lead = PICTURES_LEAD + EDGE_LEAD * edges + TRUE_LEAD * given_back
    return panel_section(folder, title=PICTURES, lead=lead, error=error, limit=error_limit(folder.panels), key=hidden)


def results(folder: RunFolder) -> Section | None:
    """Build the section of scores from ``summary.json`` and ``reconstruction.csv``."""
    if not _ours(folder) or (not folder.scores and stands_in(folder)):
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


def _ours(folder: RunFolder) -> bool:
    """Whether the table of scores, if there is one, is not another evaluation's."""
    return folder.score_table in ("", SCORES)


def _numbers(folder: RunFolder, comparison: Comparison) -> Markup:
    """One table: model and baselines down, the figures over all subjects, then each contrast's mean, across."""
    scores = [comparison.model, *comparison.baselines]
    columns = {s.name: mean_by(folder.scores, s.name, "contrast") for s in scores}
    contrasts = [name for name in columns[comparison.model.name] if name]
    unit = f" ({comparison.unit})" if comparison.unit else ""
    head = [f"{comparison.label}{unit}", "Mean", "SD", "95 % CI", "Model gains (95 % CI)", "Wins", *contrasts]
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
    numeric = [i for i, name in enumerate(head) if name in scored or name == "samples"]
    body = [table([words(name) for name in head], rows, numeric=numeric)]
    if len(folder.scores) > MAX_ROWS:
        body.append(note(f"The first {MAX_ROWS:,} of {len(folder.scores):,} rows; all are in evaluation/{SCORES}."))
    return details(f"Every case ({count(len(folder.scores), 'row')})", join(body))


def _cell(text: str, scored: bool) -> str:
    return number(as_float(text)) if scored else text


register(
    Evaluation(
        name="reconstruction",
        files=(SCORES, "summary.json", "panels.*", LEFT_OUT),
        scores=SCORES,
        sections={100: gallery, 110: results},
        verdict=lambda folder: verdict(folder) if _ours(folder) and not stands_in(folder) else "",
    )
)
