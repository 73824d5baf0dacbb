"""The section of few labels: what encoders make of them, beside what colour alone does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from medmae.evaluate.classify.few_labels import FOLDER, RECORD
from medmae.report.confusion import confusion_chart
from medmae.report.dots import Contender, dot_chart
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder, as_float
from medmae.report.headline import FEW_SUBJECTS
from medmae.report.page import Card, Section, details, note, table
from medmae.report.text import NOTHING, count, listing, number, plain, signed, words

TITLE = "Few labels"
ALL_LABELS = "Classification"  # the title if none is held back
LEAD = (
    "{labels} to learn from, {folds} {seeds}, tested on {tested_on}; guessing is right once in {chance}. "
    "A dot is a fit, a thin line joins the same fit; the bar is the mean, whiskers and intervals are 95\u00a0% over "
    "{units}."
)
POOLED = (
    "The predictions of all folds are judged together. With few patients an AUROC below one half is then no surprise: "
    "each fold has its own scale, and what one class lacks in testing it has in training."
)
HEADLINE = "balanced_accuracy"
METRICS: Mapping[str, str] = {
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "auroc": "AUROC",
    "accuracy": "Accuracy",
}
MAX_ROWS = 1000


def few_labels(folder: RunFolder) -> Section | None:
    """Build the section from ``few_labels.json`` and the tables beside it."""
    record = folder.record(RECORD)
    if not record:
        return None
    fits = folder.rows(f"{FOLDER}/fits.csv")
    blocks = [
        Markup('<div class="charts">{}</div>').format(_chart(record, fits)),
        _numbers(record),
        Markup('<div class="charts">{}{}</div>').format(*(_confusion(record, name) for name in _best(record))),
        note(" ".join(f"{METRICS[name]}: {text}." for name, text in record["definitions"].items())),
        *([note(POOLED)] if record["pooled"] else []),
    ]
    patients = folder.rows(f"{FOLDER}/patients.csv")
    if patients:
        blocks.append(_patients(patients))
    return Section(title=TITLE if record["budget"] else ALL_LABELS, lead=_lead(record), blocks=blocks)


def few_label_cards(folder: RunFolder) -> list[list[Card]]:
    """The best of ours, and the best baseline."""
    record = folder.record(RECORD)
    if not record:
        return []
    ours, theirs = _best(record)
    gain = record["scores"][ours]["gains"][HEADLINE]
    figures = {name: record["scores"][name]["metrics"] for name in (ours, theirs)}
    head = figures[ours][HEADLINE]
    told = f"{words(ours)}. 95\u00a0% CI {_interval(head)} over {count(head['n_units'], record['unit'])}"
    beside = f"Best baseline. Ours {_signed(gain)}"
    return [
        [
            Card(label=METRICS[HEADLINE], value=_mean(head), detail=told, wide=True),
            Card(label=words(theirs).capitalize(), value=_mean(figures[theirs][HEADLINE]), detail=beside),
            Card(
                label=METRICS["auroc"],
                value=_mean(figures[ours]["auroc"]),
                detail=f"{words(theirs)} {_mean(figures[theirs]['auroc'])}",
            ),
            Card(label="Labels", value=plain(record["labels"]), detail=f"of {listing(record['classes'])}"),
        ]
    ]


def few_label_notes(folder: RunFolder) -> list[str]:
    """What a reader must know before believing a figure."""
    record = folder.record(RECORD)
    if not record:
        return []
    notes = []
    ours, theirs = _best(record)
    gain = record["scores"][ours]["gains"][HEADLINE]
    if gain["mean"] is not None and gain["mean"] <= 0:
        notes.append(
            f"Nothing here beats {words(theirs)}, for which nothing was learnt: pre-training is of no use yet."
        )
    elif gain["ci_low"] is not None and gain["ci_low"] <= 0:
        notes.append(
            f"The gain of {words(ours)} over {words(theirs)} may be chance: its interval, {_interval(gain)}, holds 0."
        )
    units = record["scores"][ours]["metrics"][HEADLINE]["n_units"]
    if record["unit"] != "patient":
        notes.append("No patient is known: one may be on both sides. Figures are too good then, intervals too narrow.")
    elif units < FEW_SUBJECTS:
        notes.append(f"Only {count(units, 'patient')} to test on: figures and intervals are rough.")
    return notes


def few_label_sentence(folder: RunFolder) -> str:
    """What was asked, and on whom it was tested."""
    record = folder.record(RECORD)
    if not record:
        return ""
    figures = next(iter(record["scores"].values()))["metrics"]
    units = count(next(iter(figures.values()))["n_units"], record["unit"])
    kinds = listing(record["classes"])
    return f"was to tell {kinds} apart by {count(record['labels'], 'label')}; it was tested on {units}."


def _best(record: Mapping[str, Any]) -> tuple[str, str]:
    """The best contender, and the best baseline."""
    means = {name: as_float(found["metrics"][HEADLINE]["mean"]) or 0.0 for name, found in record["scores"].items()}
    ours = [name for name in means if name not in record["baselines"]] or list(means)
    return max(ours, key=lambda name: means[name]), max(record["baselines"], key=lambda name: means[name])


def _lead(record: Mapping[str, Any]) -> str:
    repeats = len(record["seeds"])
    return LEAD.format(
        labels=count(record["labels"], "label"),
        folds=count(record["folds"], "fold"),
        seeds="once" if repeats == 1 else f"{repeats} times",
        tested_on=record["tested_on"],
        chance=len(record["classes"]),
        units=f"{record['unit']}s",
    )


def _chart(record: Mapping[str, Any], fits: list[dict[str, str]]) -> Markup:
    rows = []
    for name, found in record["scores"].items():
        figure = found["metrics"][HEADLINE]
        dots = {
            f"seed {row['seed']}, fold {row['fold']}": value
            for row in fits
            if row["contender"] == name and (value := as_float(row[HEADLINE])) is not None
        }
        rows.append(
            Contender(
                label=words(name),
                mean=figure["mean"],
                ci_low=figure["ci_low"],
                ci_high=figure["ci_high"],
                dots=dots,
                ours=name not in record["baselines"],
            )
        )
    return dot_chart(rows, title=METRICS[HEADLINE], unit="higher is better", digits=3)


def _numbers(record: Mapping[str, Any]) -> Markup:
    head = ["", *METRICS.values(), "Gain over the best baseline", "SD over fits"]
    rows = []
    for name, found in record["scores"].items():
        baseline = name in record["baselines"]
        label = Markup('{} <span class="tag">baseline</span>') if baseline else Markup("<b>{}</b>")
        gain = None if baseline else found["gains"][HEADLINE]
        told: str | Markup = ""
        if gain is not None:
            told = NOTHING if gain["mean"] is None else _two_lines(signed(gain["mean"], digits=3), _interval(gain))
        cells = (_two_lines(_mean(figure), _interval(figure)) for figure in map(found["metrics"].get, METRICS))
        spread = number(as_float(found["metrics"][HEADLINE]["fits"]["std"]), digits=3)
        rows.append([label.format(words(name)), *cells, told, spread])
    return table(head, rows, numeric=range(1, len(head)))


def _confusion(record: Mapping[str, Any], name: str) -> Markup:
    remark = "% of a true class"
    counts = record["scores"][name]["confusion"]
    return confusion_chart(counts, classes=record["classes"], title=f"Confusion, {words(name)}", remark=remark)


def _patients(rows: list[dict[str, str]]) -> Markup:
    texts = ("contender", "patient", "label", "predicted")
    head = list(rows[0])
    body = [[_cell(value, name in texts) for name, value in row.items()] for row in rows[:MAX_ROWS]]
    shown = table([words(name) for name in head], body, numeric=[i for i, name in enumerate(head) if name not in texts])
    return details(f"Every patient ({count(len(rows), 'row')})", shown)


def _mean(figure: Mapping[str, Any]) -> str:
    return number(as_float(figure["mean"]), digits=3)


def _two_lines(value: str, interval: str) -> Markup:
    return Markup('{}<span class="below">{}</span>').format(value, interval)


def _signed(gain: Mapping[str, Any]) -> str:
    return NOTHING if gain["mean"] is None else f"{signed(gain['mean'], digits=3)} ({_interval(gain)})"


def _cell(value: str, is_text: bool) -> str:
    return value if is_text or "." not in value else number(as_float(value), digits=3)


def _interval(figure: Mapping[str, Any]) -> str:
    low, high = as_float(figure["ci_low"]), as_float(figure["ci_high"])
    return "no interval" if low is None else f"{number(low, digits=3)} to {number(high, digits=3)}"


register(
    Evaluation(
        name="few labels",
        files=(RECORD, f"{FOLDER}/*.csv"),
        sections={200: few_labels},
        cards=few_label_cards,
        notes=few_label_notes,
        stands_in=lambda folder: bool(folder.record(RECORD)),
        sentence=few_label_sentence,
        tells_cohort=True,
    )
)
