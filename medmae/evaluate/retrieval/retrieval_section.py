"""The section of retrieval: recall and ranks both ways, beside chance and what needs no such training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from medmae.evaluate.classify.comparison_report import best_of, chart_of, figures_table, notes_of, verdict_of
from medmae.evaluate.classify.metric_names import metric_name
from medmae.evaluate.retrieval.evaluation import CHANCE, FOLDER, RECORD
from medmae.report.cells import interval_of, mean_of
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder
from medmae.report.page import Card, Section, note
from medmae.report.text import count, duration, number, plain, words

LEAD = (
    "Of everything in a gallery the most similar to a query is looked for. Whatever belongs to the query is right, and "
    "what is tied is in random order: the same similarity to all is chance. Intervals are 95\u00a0% over {units} of "
    "the queries; the gallery stays as it is."
)


def retrieval(folder: RunFolder) -> Section | None:
    """Build the section from ``retrieval.json``."""
    record = folder.record(RECORD)
    if not record:
        return None
    tasks: Mapping[str, Any] = record["tasks"]
    first = next(iter(tasks.values()))
    blocks = [block for name, task in tasks.items() for block in _way(name, task)]
    if cost := record.get("reranking"):
        blocks.append(note(_cost(cost)))
    blocks.append(note(" ".join(f"{metric_name(name)}: {text}." for name, text in first["definitions"].items())))
    return Section(title="Retrieval", lead=LEAD.format(units=f"{first['unit']}s"), blocks=blocks)


def _way(name: str, task: Mapping[str, Any]) -> Iterator[Markup]:
    yield Markup('<div class="charts">{}</div>').format(chart_of(name, task))
    yield note(f"{name[:1].upper()}{name[1:]}: {_sizes(task)}.")
    yield figures_table(task, spread=False)


def _sizes(task: Mapping[str, Any]) -> str:
    asked = count(task["queries"], "query", "queries")
    text = f"{asked} of {count(_units(task), task['unit'])}, a gallery of {task['gallery']:,}"
    if task["equal"]:
        text += f" (and {task['equal']:,} equal to one of these)"
    text += f", of which {number(task['belonging'], digits=1)} on average belong to a query"
    if left := task["never_asked"]:
        text += f"; {left:,} have nothing that belongs to them, and ask nothing"
    return text


def _cost(cost: Mapping[str, Any]) -> str:
    return (
        f"The best {cost['top']:,} of each query were ranked again, pair by pair: {count(cost['pairs'], 'pair')} in "
        f"{duration(cost['seconds'])}, where encoding both kinds had taken {duration(cost['encoding_seconds'])}."
    )


def _units(task: Mapping[str, Any]) -> int:
    figures = next(iter(task["scores"].values()))["metrics"]
    return int(next(iter(figures.values()))["n_units"])


def retrieval_cards(folder: RunFolder) -> list[list[Card]]:
    """The best of ours, the best baseline and chance, both ways."""
    return [_cards(name, task) for name, task in folder.record(RECORD).get("tasks", {}).items()]


def _cards(name: str, task: Mapping[str, Any]) -> list[Card]:
    ours, theirs = best_of(task)
    headline = task["task"]["headline"]
    own, other, chance = (task["scores"][who]["metrics"] for who in (ours, theirs, CHANCE))
    known = own[headline]["ci_low"] is not None
    interval = f"95\u00a0% CI {interval_of(own[headline])}" if known else "No interval"
    below = f"{words(ours)}. {interval} over {count(own[headline]['n_units'], task['unit'])}"
    best, median = mean_of(other[headline], "mean"), plain(own["median_rank"]["mean"])
    return [
        Card(label=f"{metric_name(headline)}, {name}", value=mean_of(own[headline], "mean"), detail=below, wide=True),
        Card(label=words(theirs).capitalize(), value=best, detail="Best baseline"),
        Card(label="Chance", value=mean_of(chance[headline], "mean")),
        Card(label="Median rank", value=median, detail=f"of {task['gallery']:,}"),
    ]


def retrieval_notes(folder: RunFolder) -> list[str]:
    """What a reader must know before believing a figure."""
    tasks = folder.record(RECORD).get("tasks", {})
    return list(dict.fromkeys(text for name, task in tasks.items() for text in notes_of(name, task)))


def retrieval_verdict(folder: RunFolder) -> str:
    """In words, whether anything that was trained is better than what needs no such training."""
    tasks = folder.record(RECORD).get("tasks", {})
    return " ".join(filter(None, (verdict_of(name, task) for name, task in tasks.items())))


def retrieval_sentence(folder: RunFolder) -> str:
    """What was asked, and on whom it was tested."""
    tasks = folder.record(RECORD).get("tasks", {})
    if not tasks:
        return ""
    name, task = next(iter(tasks.items()))
    return f"was evaluated on retrieval, {name} and back; it was tested on {count(_units(task), task['unit'])}."


register(
    Evaluation(
        name="retrieval",
        files=(RECORD, f"{FOLDER}/*.csv"),
        sections={130: retrieval},
        cards=retrieval_cards,
        notes=retrieval_notes,
        stands_in=lambda folder: bool(folder.record(RECORD)),
        verdict=retrieval_verdict,
        sentence=retrieval_sentence,
        tells_cohort=True,
    )
)
