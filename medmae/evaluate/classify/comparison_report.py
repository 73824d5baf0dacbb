"""What reports show of one evaluation: chart, table, verdict and notes, whatever was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from medmae.evaluate.classify.metric_names import metric_in_text, metric_name
from medmae.report.cells import interval_of, mean_of, signed_of
from medmae.report.dots import DotRow, dot_chart
from medmae.report.folder import as_float
from medmae.report.headline import FEW_SUBJECTS
from medmae.report.page import table
from medmae.report.text import NOTHING, count, number, words


def best_of(record: Mapping[str, Any]) -> tuple[str, str]:
    """The best estimator, and the best baseline."""
    headline, sign = record["task"]["headline"], 1 if record["task"]["higher_is_better"] else -1
    means = {name: as_float(found["metrics"][headline]["mean"]) for name, found in record["scores"].items()}

    def best(names: Sequence[str]) -> str:
        return max(names, key=lambda name: float("-inf") if (mean := means[name]) is None else sign * mean)

    return best([name for name in means if name not in record["baselines"]] or list(means)), best(record["baselines"])


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
                f"{ends_of(gain)}, holds 0."
            )
    own = record["scores"][ours]["metrics"][headline]
    units = own["n_units"]
    if lacking := record.get("lacking"):
        yield f"{count(lacking, 'sample')} lack a kind of data, and are in no comparison: of these nothing is known."
    if record["unit"] != "patient":
        yield "No patient is known: one may be on both sides. Figures are too good then, intervals too narrow."
    elif units < FEW_SUBJECTS:
        yield f"Only {count(units, 'patient')} to test on: figures and intervals are rough."
    if units > 1 and own["mean"] is not None and own["ci_low"] is None:
        yield f"No interval of {metric_in_text(headline)} ({name}): too few {record['unit']}s have one of the classes."


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
        shown: str | Markup = "" if gain is None else NOTHING if gain["mean"] is None else two_lines(gain, sign=True)
        cells = (two_lines(found["metrics"][metric]) for metric in record["definitions"])
        told = [number(as_float(found["metrics"][headline]["fits"]["std"]), digits=3)] if spread else []
        rows.append([label.format(words(name)), *cells, shown, *told])
    return table(head, rows, numeric=range(1, len(head)), wrap={0})


def two_lines(figure: Mapping[str, Any], *, sign: bool = False) -> Markup:
    """A figure above its interval."""
    value = signed_of(figure, "mean") if sign else mean_of(figure, "mean")
    return Markup('{}<span class="below">{}</span>').format(value, ends_of(figure))


def ends_of(figure: Mapping[str, Any]) -> str:
    """The interval of a figure, if there is one."""
    return "no interval" if as_float(figure["ci_low"]) is None else interval_of(figure)
