"""What a synthesis adds to the page: cards, scores beside baselines, and the slices it gets most wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from markupsafe import Markup

from medmae.evaluate.synthesis.calibration_file import NAME as CALIBRATION
from medmae.evaluate.synthesis.definitions_section import definitions
from medmae.evaluate.synthesis.figures_of_merit import CONTESTANTS, ERROR_LIMIT, MONTAGES, RECORD, REGIONS, SCORES
from medmae.evaluate.synthesis.figures_of_merit import LABELS as NAMES
from medmae.evaluate.synthesis.montage_section import montages
from medmae.evaluate.synthesis.spread_section import spread
from medmae.evaluate.synthesis.verdict import in_plain_words
from medmae.report.comparison import comparison_chart, gain, interval
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder, as_float
from medmae.report.gallery import panel_section
from medmae.report.headline import result_row
from medmae.report.metrics import Comparison, Score, comparisons, mean_by
from medmae.report.page import Card, Section, details, join, note, table
from medmae.report.text import MINUS, count, listing, number, span, words

TITLE = "Scores"
LEAD = (
    "A dot is a subject, a thin line joins the same subject; the bar is the mean, its whiskers the 95\u00a0% interval. "
    "Baselines need no network; they are fitted on the training subjects and judged on the same voxels."
)
WORST_LEAD = (
    "The slices of the greatest mean absolute error in the foreground, worst first, without the slivers at the ends of "
    "the head: look at them before trusting any mean. Select a picture to fill the screen; select it again to close it."
)
REGION = "foreground"  # the headline's: background that is empty in every image flatters any network
LABELS = {stem: f"{label} ({unit})" if unit else label for stem, (label, unit) in NAMES.items()}
STRIPES = (
    "Stripe ratio: how much adjacent slices jump, in units of how much they do in the real volume. 1 is natural, above "
    "1 are stripes of a network that sees slices one by one, below 1 is a blur along the axis. Blockiness: how "
    "much more pixels jump across borders of the network's patches than elsewhere, in units of the real picture. Mean "
    "absolute errors are of intensities, which go from 0 to 1."
)
RATIOS = ("stripe", "blockiness")  # to 1, which no gain is counted of
MAX_ROWS = 1000


def synthesis_notes(folder: RunFolder) -> list[str]:
    """What must stand above every figure of a synthesis."""
    if not folder.record(RECORD):
        return []
    return [
        "Synthetic images, not for diagnosis: they show what a network expects, and lesions can be missing or invented."
    ]


def synthesis_cards(folder: RunFolder) -> list[list[Card]]:
    """PSNR and SSIM of the model beside the best baselines, then what else one asks first."""
    if not folder.record(RECORD):
        return []
    found = {(c.stem, c.variant): c for c in comparisons(folder)}
    rows = [result_row(folder, c, _aside(found.get((c.stem, "whole")))) for c in _headlines(folder)]
    return [*rows, list(_other_cards(found))]


def synthesis(folder: RunFolder) -> Section | None:
    """Build the section of scores from ``summary.json`` and ``metrics.csv``."""
    if not folder.record(RECORD):
        return None
    charts = join(comparison_chart(c) for c in _headlines(folder))
    blocks = [Markup('<div class="charts">{}</div>').format(charts), *_numbers(folder), note(STRIPES)]
    if len(_targets(folder)) > 1:
        blocks.append(_by_target(folder))
    lead = " ".join(filter(None, [_in_figures(folder), LEAD]))
    return Section(title=TITLE, lead=lead, blocks=[*blocks, _every_case(folder)])


def worst_slices(folder: RunFolder) -> Section | None:
    """Build the section of the slices of the greatest error."""
    if not folder.record(RECORD) or not any(folder.panels):
        return None
    error = f"|synthetic {MINUS} real|"
    return panel_section(folder, title="Worst slices", lead=WORST_LEAD, error=error, limit=ERROR_LIMIT, abreast=True)


def _headlines(folder: RunFolder) -> list[Comparison]:
    return [c for c in comparisons(folder) if c.variant == REGION and c.stem in ("psnr", "ssim")]


def _aside(whole: Comparison | None) -> Iterator[str]:
    if whole is not None:
        yield f"Whole volume {number(whole.model.mean, digits=whole.digits)}\u00a0{whole.unit}".strip()


def _other_cards(found: Mapping[tuple[str, str], Comparison]) -> Iterator[Card]:
    shown = {
        ("psnr", "lesion"): "PSNR in the lesion label",
        ("mae", REGION): "Mean absolute error, foreground",
        ("stripe", REGION): "Stripe ratio (1 is natural)",
        ("blockiness", REGION): "Blockiness (1 is natural)",
    }
    for key, label in shown.items():
        comparison = found.get(key)
        if comparison is not None:
            digits = 2 if key[0] in RATIOS else comparison.digits
            rivals = "".join(f". {s.label} {number(s.mean, digits=digits)}" for s in comparison.baselines)
            value = number(comparison.model.mean, digits=digits)
            detail = f"95\u00a0% CI {interval(comparison.model, digits=digits)}{rivals}"
            yield Card(label=label, value=value, unit=comparison.unit, detail=detail)


def _numbers(folder: RunFolder) -> Iterator[Markup]:
    """A table a region: metrics, and below each other the model and its baselines, the best first."""
    head = ["Metric", "", "Mean", "95 % CI", "Model gains (95 % CI)", "Model wins"]
    for region, title in REGIONS.items():
        inside = {c.stem: c for c in comparisons(folder) if c.variant == region}
        rows = [line for stem, name in LABELS.items() if stem in inside for line in _lines(inside[stem], name)]
        if rows:
            yield details(title, table(head, rows, numeric=range(2, len(head))), opened=region == REGION)


def _lines(comparison: Comparison, name: str) -> Iterator[list[str]]:
    digits = 2 if comparison.stem in ("psnr", *RATIOS) else 4
    for score in (comparison.model, *comparison.baselines):
        gained = ("", "") if comparison.stem in RATIOS else gain(comparison, score, digits=digits)
        yield [name, score.label, number(score.mean, digits=digits), interval(score, digits=digits), *gained]
        name = ""


def _by_target(folder: RunFolder) -> Markup:
    """The headline's figures for each contrast that was made: one may be easier than another."""
    columns = [score for c in _headlines(folder) for score in (c.model, *c.baselines)]
    names = [f"{LABELS[c.stem]}, {s.label.lower()}" for c in _headlines(folder) for s in (c.model, *c.baselines)]
    means = [mean_by(folder.scores, score.name, "target") for score in columns]
    cells = list(zip(columns, means, strict=True))
    rows = [
        [made, *(_of_target(folder, made, score.name, mean.get(made)) for score, mean in cells)]
        for made in _targets(folder)
    ]
    return table(["Made", *(f"{name} (95 % CI)" for name in names)], rows, numeric=range(1, len(names) + 1))


def _of_target(folder: RunFolder, made: str, column: str, mean: float | None) -> str:
    """A figure of one contrast; with the interval over its subjects where it was summarised."""
    found = folder.summary.get("by_target", {}).get(made, {}).get(column, {})
    low, high = as_float(found.get("ci_low")), as_float(found.get("ci_high"))
    ends = "" if low is None or high is None else f" ({span(low, high, digits=3)})"
    return f"{number(as_float(found.get('mean', mean)), digits=3)}{ends}"


def _every_case(folder: RunFolder) -> Markup:
    shown = [c for c in comparisons(folder) if c.variant in (REGION, "lesion")]
    digits = {score.name: 3 if c.unit == "" else 2 for c in shown for score in _shown(c)}
    head = [*(name for name in ("case", "subject", "source", "target") if name in folder.scores[0]), *digits]
    rows = [
        [number(as_float(row.get(name)), digits=digits[name]) if name in digits else row.get(name, "") for name in head]
        for row in folder.scores[:MAX_ROWS]
    ]
    body = table([words(name) for name in head], rows, numeric=[i for i, name in enumerate(head) if name in digits])
    more = note(
        "All rows and columns are in evaluation/metrics.csv; evaluation/contestants.csv has the tables above, with "
        "standard deviations and medians."
    )
    return details(f"Every case ({count(len(folder.scores), 'row')})", body, more)


def _shown(comparison: Comparison) -> list[Score]:
    return [comparison.model, *comparison.baselines] if comparison.stem in ("psnr", "ssim") else [comparison.model]


def _in_words(folder: RunFolder) -> str:
    """The verdict without its figures, and how far grey values are off, which needs no statistics to be read."""
    record = folder.record(RECORD)
    if not record:
        return ""
    lead, *_ = str(record.get("verdict", "")).split(". ", 1)
    plain = in_plain_words(folder.summary, made=listing(_targets(folder)))
    return " ".join(filter(None, [lead if not lead or lead.endswith(".") else f"{lead}.", plain]))


def _in_figures(folder: RunFolder) -> str:
    """The rest of the verdict: by how much."""
    _, _, rest = str(folder.record(RECORD).get("verdict", "")).partition(". ")
    return rest


def _aim(folder: RunFolder) -> str:
    """From which contrasts which are made."""
    if not folder.record(RECORD):
        return ""
    given = sorted({name for row in folder.scores for name in row.get("source", "").split("+") if name})
    return f"to make {listing(_targets(folder))} from {listing(given)}"


def _targets(folder: RunFolder) -> list[str]:
    """Contrasts that the synthesis makes."""
    return sorted({row["target"] for row in folder.scores if row.get("target")})


register(
    Evaluation(
        name="synthesis",
        files=(SCORES, CONTESTANTS, RECORD, "summary.json", "panels.*", CALIBRATION, f"{MONTAGES}/*.png"),
        scores=SCORES,
        sections={400: montages, 410: synthesis, 420: worst_slices, 430: spread, 920: definitions},
        cards=synthesis_cards,
        notes=synthesis_notes,
        stands_in=lambda folder: bool(folder.record(RECORD)),
        aim=_aim,
        verdict=_in_words,
    )
)
