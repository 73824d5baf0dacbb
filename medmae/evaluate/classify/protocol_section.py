"""The section of the protocol: every encoder by every classifier beside baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from medmae.evaluate.classify.protocol_tables import FOLDER, RECORD
from medmae.report.cells import interval_of, mean_of, p_of, signed_of
from medmae.report.dots import Contender, dot_chart
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder
from medmae.report.page import Section, details, note, table
from medmae.report.text import NOTHING, count, words

TITLE = "Protocol"
LEAD = (
    "Every encoder by the same classifiers on the same samples and steps, tested on a set of its own by which nothing "
    "is chosen. Figures are means over {seeds}, their intervals 95\u00a0% over {units}. {chance}"
)
CHANCE = "Guessing is right once in {classes}."
HEADLINE = "balanced_accuracy"
PAIRED = "Paired differences of accuracy, signed-rank tests over {units}, not corrected for their number ({rows})"


def protocol(folder: RunFolder) -> Section | None:
    """Build the section from ``protocol.json``."""
    found = folder.record(RECORD)
    tasks: Mapping[str, Any] = found.get("tasks", {})
    if not tasks:
        return None
    first = next(iter(tasks.values()))
    blocks = [block for name, record in tasks.items() for block in _task(name, record)]
    paired = found.get("paired") or []
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
    return Markup('{}<span class="below">{}</span>').format(mean_of(figure, "mean"), interval_of(figure))


def _paired(rows: Sequence[Mapping[str, Any]]) -> Markup:
    body = [
        [
            row["task"],
            row["classifier"],
            f"{row['b']} minus {row['a']}",
            signed_of(row, "b_minus_a"),
            interval_of(row),
            p_of(row),
        ]
        for row in rows
    ]
    return table(["Task", "Classifier", "Difference", "Accuracy", "95 % CI", "p"], body, numeric={3, 4, 5})


register(
    Evaluation(
        name="protocol",
        files=(RECORD, f"{FOLDER}/*.csv", f"{FOLDER}/*/few_labels/*.csv", f"{FOLDER}/*/few_labels.json"),
        sections={210: protocol},
        stands_in=lambda folder: bool(folder.record(RECORD)),
    )
)
