"""The section of the protocol: every encoder by every classifier beside baselines, on every evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from medmae.data.names import file_name_of
from medmae.evaluate.classify.protocol_tables import FOLDER, RECORD
from medmae.evaluate.classify.retrieval import RECALLS
from medmae.report.cells import interval_of, mean_of, p_of, signed_of
from medmae.report.confusion import confusion_chart
from medmae.report.dots import DotRow, dot_chart
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder, as_float
from medmae.report.headline import FEW_SUBJECTS
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
NAMES = {"auroc": "AUROC", "macro_f1": "Macro F1", "map": "mAP", "mae": "MAE", "r2": "R\u00b2", "r": "r"}
NAMES |= {f"r_at_{k}": f"R@{k}" for k in RECALLS}
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


def verdict_of(name: str, record: Mapping[str, Any]) -> str:
    """In words, of one evaluation."""
    ours, theirs = best_of(record)
    headline = record["task"]["headline"]
    gain = record["scores"][ours].get("gains", {}).get(headline)
    if gain is None or gain["mean"] is None:
        return ""
    own, other = (mean_of(record["scores"][who]["metrics"][headline], "mean") for who in (ours, theirs))
    figures = f"{metric_in_text(headline)} {own} against {other}"
    if gain["mean"] <= 0:
        return f"With {name}, nothing that was trained is better than {words(theirs)} ({figures})."
    if gain["ci_low"] is None or gain["ci_low"] <= 0:
        return f"With {name}, chance may explain why {words(ours)} is ahead of {words(theirs)} ({figures})."
    return f"With {name}, {words(ours)} is better than every baseline: {figures} of {words(theirs)}, the best of them."


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


def chart_of(name: str, record: Mapping[str, Any], fits: Sequence[Mapping[str, str]] = ()) -> Markup:
    """The headline of every estimator with its interval; a dot is a fit."""
    headline = record["task"]["headline"]
    rows = []
    for each, found in record["scores"].items():
        figure = found["metrics"][headline]
        dots = {
            f"seed {row['seed']}, fold {row['fold']}": value
            for row in fits
            if f"{row['encoder']}, {row['classifier']}" == each and (value := as_float(row[headline])) is not None
        }
        ends = {key: figure[key] for key in ("mean", "ci_low", "ci_high")}
        if figure["mean"] is not None:
            rows.append(DotRow(label=words(each), dots=dots, ours=each not in record["baselines"], **ends))
    unit = "higher is better" if record["task"]["higher_is_better"] else "lower is better"
    return dot_chart(rows, title=f"{metric_name(headline)}, {name}", unit=unit, digits=3)


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
    return NOTHING if found is None else _two_lines(found["metrics"][record["task"]["headline"]])


def figures_table(record: Mapping[str, Any], *, spread: bool = True) -> Markup:
    """Estimators down, figures across.

    Args:
        record: Of one evaluation.
        spread: Whether to tell the deviation over fits.
    """
    headline = record["task"]["headline"]
    head = ["", *map(metric_name, record["definitions"]), "Gain over the best baseline", *(["SD over fits"] * spread)]
    rows = []
    for name, found in record["scores"].items():
        baseline = name in record["baselines"]
        label = Markup('{} <span class="tag">baseline</span>') if baseline else Markup("<b>{}</b>")
        gain = None if baseline else found["gains"][headline]
        shown: str | Markup = "" if gain is None else NOTHING if gain["mean"] is None else _two_lines(gain, sign=True)
        cells = (_two_lines(found["metrics"][metric]) for metric in record["definitions"])
        told = [number(as_float(found["metrics"][headline]["fits"]["std"]), digits=3)] if spread else []
        rows.append([label.format(words(name)), *cells, shown, *told])
    return table(head, rows, numeric=range(1, len(head)))


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
    shown = "" if gain is None or gain["mean"] is None else f". Ours {signed(gain['mean'], digits=3)} ({_ends(gain)})"
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


def notes_of(name: str, record: Mapping[str, Any]) -> Iterator[str]:
    """What a reader must know before believing a figure of one evaluation."""
    ours, theirs = best_of(record)
    headline = record["task"]["headline"]
    gain = record["scores"][ours].get("gains", {}).get(headline)
    if gain is not None and gain["mean"] is not None:
        if gain["mean"] <= 0:
            yield f"Nothing here beats {words(theirs)} ({name}): what was trained is of no use yet."
        elif gain["ci_low"] is not None and gain["ci_low"] <= 0:
            yield (
                f"The gain of {words(ours)} over {words(theirs)} ({name}) may be chance: its interval, "
                f"{_ends(gain)}, holds 0."
            )
    own = record["scores"][ours]["metrics"][headline]
    units = own["n_units"]
    if record["unit"] != "patient":
        yield "No patient is known: one may be on both sides. Figures are too good then, intervals too narrow."
    elif units < FEW_SUBJECTS:
        yield f"Only {count(units, 'patient')} to test on: figures and intervals are rough."
    if units > 1 and own["mean"] is not None and own["ci_low"] is None:
        yield f"No interval of {metric_in_text(headline)} ({name}): too few {record['unit']}s have one of the classes."


def best_of(record: Mapping[str, Any]) -> tuple[str, str]:
    """The best estimator, and the best baseline."""
    headline, sign = record["task"]["headline"], 1 if record["task"]["higher_is_better"] else -1
    means = {name: as_float(found["metrics"][headline]["mean"]) for name, found in record["scores"].items()}

    def best(names: Sequence[str]) -> str:
        return max(names, key=lambda name: float("-inf") if (mean := means[name]) is None else sign * mean)

    return best([name for name in means if name not in record["baselines"]] or list(means)), best(record["baselines"])


def _two_lines(figure: Mapping[str, Any], *, sign: bool = False) -> Markup:
    value = signed_of(figure, "mean") if sign else mean_of(figure, "mean")
    return Markup('{}<span class="below">{}</span>').format(value, _ends(figure))


def _ends(figure: Mapping[str, Any]) -> str:
    return "no interval" if as_float(figure["ci_low"]) is None else interval_of(figure)


def metric_name(name: str) -> str:
    """Of a figure, as a heading."""
    return metric_in_text(name) if name in NAMES else words(name).capitalize()


def metric_in_text(name: str) -> str:
    """Of a figure, within a sentence."""
    return NAMES.get(name, words(name))


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
