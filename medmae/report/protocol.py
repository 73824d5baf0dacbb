"""The sections of the protocol: every encoder by every classifier beside baselines, and segmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from medmae.report.dots import Contender, dot_chart
from medmae.report.folder import Row, RunFolder, as_float, read_rows
from medmae.report.page import Section, details, note, table
from medmae.report.text import NOTHING, count, number, signed, words

TITLE = "Protocol"
LEAD = (
    "Every encoder by the same classifiers on the same samples and steps, tested on a set of its own by which nothing "
    "is chosen. Figures are means over {seeds}, their intervals 95\u00a0% over {units}. {chance}"
)
CHANCE = "Guessing is right once in {classes}."
HEADLINE = "balanced_accuracy"
PAIRED = "Paired differences of accuracy, signed-rank tests over {units}, not corrected for their number ({rows})"
SEGMENTATION_LEAD = (
    "Dice by MONAI's UNETR on each encoder, folds of patients; intervals are 95\u00a0% over patients, and a patient's "
    "figure is that of all images together."
)


def protocol(folder: RunFolder) -> Section | None:
    """Build the section from ``protocol.json``."""
    tasks: Mapping[str, Any] = folder.judged.get("tasks", {})
    if not tasks:
        return None
    first = next(iter(tasks.values()))
    blocks = [block for name, record in tasks.items() for block in _task(name, record)]
    paired = folder.judged.get("paired") or []
    if paired:
        title = PAIRED.format(units=f"{first['unit']}s", rows=count(len(paired), "row"))
        blocks.append(details(title, _paired(paired)))
    lead = LEAD.format(
        seeds=count(len(first["seeds"]), "seed"),
        units=f"{first['unit']}s",
        chance=CHANCE.format(classes=len(first["classes"])),
    )
    if first["unit"] not in ("patient", "slide"):
        blocks.append(note("No patient is known: one may be on both sides, and intervals are then too narrow."))
    return Section(title=TITLE, lead=lead, blocks=blocks)


def segmentation(folder: RunFolder) -> Section | None:
    """Build the section from ``segmentation/summary.csv`` and ``paired.csv``."""
    where = folder.path / "evaluation" / "segmentation"
    summary, paired = read_rows(where / "summary.csv"), read_rows(where / "paired.csv")
    if not summary:
        return None
    rows = [[row["class"], row["encoder"], _mean_of(row, "mean"), _interval(row), row["n_subjects"]] for row in summary]
    blocks = [table(["Class", "Encoder", "Dice", "95 % CI", "Patients"], rows, numeric={2, 3, 4})]
    told = [
        [row["class"], f"{row['b']} minus {row['a']}", _signed_of(row, "b_minus_a"), _interval(row), _p(row)]
        for row in paired
    ]
    blocks.append(table(["Class", "Difference", "Dice", "95 % CI", "p"], told, numeric={2, 3, 4}))
    return Section(title="Segmentation", lead=SEGMENTATION_LEAD, blocks=blocks)


def _task(name: str, record: Mapping[str, Any]) -> list[Markup]:
    """A chart and a table of one task."""
    scores = record["scores"]
    chart = dot_chart(
        [
            Contender(label=words(each), dots={}, ours=each not in record["baselines"], **_ends(found))
            for each, found in scores.items()
            if found["metrics"][HEADLINE]["mean"] is not None
        ],
        title=f"Balanced accuracy, {name}",
        unit="higher is better",
        digits=3,
    )
    encoders = list(dict.fromkeys(each.rpartition(", ")[0] for each in scores))
    classifiers = list(dict.fromkeys(each.rpartition(", ")[2] for each in scores))
    rows = [
        [words(encoder), *(_cell(scores.get(f"{encoder}, {classifier}")) for classifier in classifiers)]
        for encoder in encoders
    ]
    told = f"{name}: {count(record['labels'], 'label')} to learn from"
    shown = table([told, *map(words, classifiers)], rows, numeric=range(1, len(classifiers) + 1))
    return [Markup('<div class="charts">{}</div>').format(chart), shown]


def _ends(found: Mapping[str, Any]) -> dict[str, Any]:
    figure = found["metrics"][HEADLINE]
    return {key: figure[key] for key in ("mean", "ci_low", "ci_high")}


def _cell(found: Mapping[str, Any] | None) -> str | Markup:
    if found is None:
        return NOTHING
    figure = found["metrics"][HEADLINE]
    return Markup('{}<span class="below">{}</span>').format(_mean_of(figure, "mean"), _interval(figure))


def _paired(rows: Sequence[Mapping[str, Any]]) -> Markup:
    body = [
        [
            row["task"],
            row["classifier"],
            f"{row['b']} minus {row['a']}",
            _signed_of(row, "b_minus_a"),
            _interval(row),
            _p(row),
        ]
        for row in rows
    ]
    return table(["Task", "Classifier", "Difference", "Accuracy", "95 % CI", "p"], body, numeric={3, 4, 5})


def _mean_of(row: Mapping[str, Any] | Row, key: str) -> str:
    return number(as_float(row[key]), digits=3)


def _signed_of(row: Mapping[str, Any] | Row, key: str) -> str:
    value = as_float(row[key])
    return NOTHING if value is None else signed(value, digits=3)


def _interval(row: Mapping[str, Any] | Row) -> str:
    low, high = as_float(row["ci_low"]), as_float(row["ci_high"])
    return NOTHING if low is None or high is None else f"{number(low, digits=3)} to {number(high, digits=3)}"


def _p(row: Mapping[str, Any] | Row) -> str:
    value = as_float(row["p_wilcoxon"])
    return NOTHING if value is None else f"{value:.2g}"
