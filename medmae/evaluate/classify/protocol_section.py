"""The section of the protocol: every encoder by every classifier beside baselines, on every evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from medmae.data.names import file_name_of
from medmae.evaluate.classify.comparison_report import (
    best_of,
    chart_of,
    ends_of,
    figures_table,
    notes_of,
    two_lines,
    verdict_of,
)
from medmae.evaluate.classify.metric_names import metric_name
from medmae.evaluate.classify.protocol_tables import FOLDER, RECORD
from medmae.report.cells import interval_of, mean_of, p_of, signed_of
from medmae.report.confusion import confusion_chart
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder, as_float
from medmae.report.page import Card, Section, details, note, table
from medmae.report.text import NOTHING, count, listing, number, plain, signed, words

LEAD = (
    "Every encoder by the same classifiers on the same samples and steps, tested on {tested_on}. Figures are means "
    "over {seeds}, their intervals 95\u00a0% over {units}; a dot is a fit.{chance}{views}{unlabelled}"
)
POOLED = (
    "The predictions of all folds are scored together. With few patients an AUROC below one half is then no surprise: "
    "each fold has its own scale, and what one class lacks in testing it has in training."
)
PAIRED = "Paired differences of {figure}, signed-rank tests over {units}, not corrected for their number ({rows})"
MAX_ROWS = 1000


def protocol(folder: RunFolder) -> Section | None:
    """Build the section from ``protocol.json`` and the tables beside it."""
    tasks: Mapping[str, Any] = folder.record(RECORD).get("tasks", {})
    if not tasks:
        return None
    first = next(iter(tasks.values()))
    blocks = [block for name, record in tasks.items() for block in _evaluation(folder, name, record)]
    paired = folder.record(RECORD).get("paired") or []
    if paired:
        title = PAIRED.format(figure=paired[0]["figure"], units=f"{first['unit']}s", rows=count(len(paired), "row"))
        blocks.append(details(title, _paired(paired)))
    blocks.append(note(" ".join(f"{metric_name(name)}: {text}." for name, text in first["definitions"].items())))
    if first["pooled"]:
        blocks.append(note(POOLED))
    classes, views = first["task"].get("classes"), first["views"]
    lead = LEAD.format(
        tested_on=first["tested_on"],
        seeds=count(len(first["seeds"]), "seed"),
        units=f"{first['unit']}s",
        chance=f" Guessing is right once in {len(classes)}." if first["task"]["kind"] == "single label" else "",
        unlabelled=f" {count(first['unlabelled'], 'sample')} without a value were left out."
        if first["unlabelled"]
        else "",
        views=f" Predictions are means over {views} views of a sample." if views > 1 else "",
    )
    return Section(title="Protocol", lead=lead, blocks=blocks)


def protocol_cards(folder: RunFolder) -> list[list[Card]]:
    """The best of ours and the best baseline, of every evaluation."""
    return [_cards(name, record) for name, record in folder.record(RECORD).get("tasks", {}).items()]


def protocol_notes(folder: RunFolder) -> list[str]:
    """What a reader must know before believing a figure."""
    tasks = folder.record(RECORD).get("tasks", {})
    return list(dict.fromkeys(text for name, record in tasks.items() for text in notes_of(name, record)))


def protocol_verdict(folder: RunFolder) -> str:
    """In words, whether anything that was trained is better than what needs no such training."""
    tasks = folder.record(RECORD).get("tasks", {})
    return " ".join(filter(None, (verdict_of(name, record) for name, record in tasks.items())))


def protocol_sentence(folder: RunFolder) -> str:
    """What was asked, and on whom it was tested."""
    tasks = folder.record(RECORD).get("tasks", {})
    if not tasks:
        return ""
    record = next(iter(tasks.values()))
    figures = next(iter(record["scores"].values()))["metrics"]
    units = count(next(iter(figures.values()))["n_units"], record["unit"])
    known = record["task"].get("classes") or record["task"].get("names") or ()
    learnt = " and ".join(count(each["labels"], "label") for each in tasks.values())
    return f"was evaluated on {listing(known) or record['task']['kind']} by {learnt}; it was tested on {units}."


def _evaluation(folder: RunFolder, name: str, record: Mapping[str, Any]) -> list[Markup]:
    """Chart and tables of one evaluation."""
    where = f"{FOLDER}/{file_name_of(name)}"
    blocks = [
        Markup('<div class="charts">{}</div>').format(chart_of(name, record, folder.rows(f"{where}/fits.csv"))),
        _headlines(name, record),
        details(f"All figures, {name}", figures_table(record)),
    ]
    best = best_of(record)
    if "confusion" in record["scores"][best[0]]:
        drawn = (_confusion(record, each) for each in dict.fromkeys(best))
        blocks.append(Markup('<div class="charts">{}</div>').format(Markup("").join(drawn)))
    if left := record["scores"][best[0]].get("without_figure"):
        blocks.append(note(f"No figure of {listing(left)}: none of the tested samples has it, or all have."))
    if patients := folder.rows(f"{where}/patients.csv"):
        blocks.append(_patients(name, patients))
    return blocks


def _headlines(name: str, record: Mapping[str, Any]) -> Markup:
    """Encoders down, classifiers across."""
    scores = record["scores"]
    encoders = list(dict.fromkeys(each.rpartition(", ")[0] for each in scores))
    classifiers = list(dict.fromkeys(each.rpartition(", ")[2] for each in scores))
    rows = [
        [words(encoder), *(_cell(record, scores.get(f"{encoder}, {classifier}")) for classifier in classifiers)]
        for encoder in encoders
    ]
    head = [f"{name}: {count(record['labels'], 'label')} to learn from", *map(words, classifiers)]
    return table(head, rows, numeric=range(1, len(head)))


def _cell(record: Mapping[str, Any], found: Mapping[str, Any] | None) -> str | Markup:
    return NOTHING if found is None else two_lines(found["metrics"][record["task"]["headline"]])


def _confusion(record: Mapping[str, Any], name: str) -> Markup:
    counts, classes = record["scores"][name]["confusion"], record["task"]["classes"]
    return confusion_chart(counts, classes=classes, title=f"Confusion, {words(name)}", remark="% of a true class")


def _patients(name: str, rows: Sequence[Mapping[str, str]]) -> Markup:
    head = list(rows[0])
    texts = [key for key in head if any(row[key] and as_float(row[key]) is None for row in rows)] + ["patient"]
    body = [
        [value if key in texts or "." not in value else number(as_float(value), digits=3) for key, value in row.items()]
        for row in rows[:MAX_ROWS]
    ]
    shown = table([words(key) for key in head], body, numeric=[i for i, key in enumerate(head) if key not in texts])
    return details(f"Every patient, {name} ({count(len(rows), 'row')})", shown)


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
    head = ["Evaluation", "Classifier", "Difference", str(rows[0]["figure"]).capitalize(), "95 % CI", "p"]
    return table(head, body, numeric={3, 4, 5})


def _cards(name: str, record: Mapping[str, Any]) -> list[Card]:
    ours, theirs = best_of(record)
    headline = record["task"]["headline"]
    gain, own = record["scores"][ours].get("gains", {}).get(headline), record["scores"][ours]["metrics"]
    other = record["scores"][theirs]["metrics"]
    shown = "" if gain is None or gain["mean"] is None else f". Ours {signed(gain['mean'], digits=3)} ({ends_of(gain)})"
    interval = "No interval" if own[headline]["ci_low"] is None else f"95\u00a0% CI {interval_of(own[headline])}"
    below = f"{words(ours)}. {interval} over {count(own[headline]['n_units'], record['unit'])}"
    second = list(record["definitions"])[1:3][-1]
    known = record["task"].get("classes") or record["task"].get("names") or ()
    return [
        Card(label=f"{metric_name(headline)}, {name}", value=mean_of(own[headline], "mean"), detail=below, wide=True),
        Card(
            label=words(theirs).capitalize(),
            value=mean_of(other[headline], "mean"),
            detail=f"Best baseline{shown}",
        ),
        Card(
            label=metric_name(second),
            value=mean_of(own[second], "mean"),
            detail=f"{words(theirs)} {mean_of(other[second], 'mean')}",
        ),
        Card(label="Labels", value=plain(record["labels"]), detail=f"of {listing(known)}" if known else ""),
    ]


register(
    Evaluation(
        name="protocol",
        files=(RECORD, f"{FOLDER}/*.csv", f"{FOLDER}/*/*.csv"),
        sections={200: protocol},
        cards=protocol_cards,
        notes=protocol_notes,
        stands_in=lambda folder: bool(folder.record(RECORD)),
        verdict=protocol_verdict,
        sentence=protocol_sentence,
        tells_cohort=True,
    )
)
