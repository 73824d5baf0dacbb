"""The section of questions: accuracy beside baselines, what the clip is worth, and clips with answers to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from medmae.evaluate.classify.comparison_report import best_of, chart_of, figures_table, notes_of, verdict_of
from medmae.evaluate.words.answers import FOLDER, RECORD
from medmae.evaluate.words.asked_cases import FOLDER as CASES
from medmae.evaluate.words.said import OWN
from medmae.report.cells import interval_of, mean_of, signed_of
from medmae.report.evaluations import Evaluation, register
from medmae.report.figures import data_uri, encode_png, film, render_row
from medmae.report.folder import Panel, RunFolder, as_float, read_panels
from medmae.report.page import Card, Section, join, note, table
from medmae.report.text import count, listing, number, plain, words

LEAD = (
    "Share of questions that are answered rightly, on patients that were not learnt from; any of several accepted "
    "answers counts. Baselines see no clip, or plain features of it. Intervals are 95\u00a0% over patients."
)
CONTROLS = (
    "The same network, shown something else: the middle frame of the clip all the time, or the clip of another case. "
    "Where the own clip gains nothing over one frame, no answer needs the order of frames, or the network does not see "
    "it; where it gains nothing over another clip, answers are guessed from questions."
)
SHOWN = (
    "Clips with a question, its likeliest answer and how likely that is: the surest that are right, the surest that "
    "are wrong, and the least sure."
)

_RIGHT, _WRONG = Markup("<ins>{}</ins>"), Markup("<del>{}</del>")


def answers(folder: RunFolder) -> Section | None:
    """Build the section from ``answers.json`` and ``asked_cases/``."""
    tasks: Mapping[str, Any] = folder.record(RECORD).get("tasks", {})
    if not tasks:
        return None
    blocks = [block for name, task in tasks.items() for block in _task(name, task)]
    told, pictures = read_panels(folder.path / "evaluation" / CASES)
    cases = join(_case(one, row) for one, row in zip(told, pictures, strict=True))
    if told:
        blocks.append(note(SHOWN))
        blocks.append(Markup('<div class="gallery">{}</div>').format(cases))
    return Section(title="Questions", lead=LEAD, blocks=blocks)


def _task(name: str, task: Mapping[str, Any]) -> Iterator[Markup]:
    yield Markup('<div class="charts">{}</div>').format(chart_of(name, task))
    yield note(f"{name[:1].upper()}{name[1:]}: {_sizes(task)}.")
    yield figures_table(task, spread=False)
    if task["controls"]:
        yield note(CONTROLS)
        yield _controls(task)
    yield note(" ".join(f"{words(key).capitalize()}: {text}." for key, text in task["definitions"].items()))


def _sizes(task: Mapping[str, Any]) -> str:
    kinds = listing([f"{times:,} {kind}" for kind, times in task["types"].items()])
    text = f"{count(task['questions'], 'question')} of {count(task['videos'], 'video')} ({kinds}), "
    text += f"{task['distinct']:,} of them different"
    if task["listed"]:
        share = number(100 * task["answerable"], digits=0)
        text += f"; a list of {count(task['listed'], 'answer')}, by which {share}\u00a0% can be answered at all"
    return text


def _controls(task: Mapping[str, Any]) -> Markup:
    headline = task["task"]["headline"]
    rows = []
    for name, found in task["controls"].items():
        own, gain = found["metrics"][headline], found["gains"][headline]
        ends = (interval_of(each) if each["ci_low"] is not None else "no interval" for each in (own, gain))
        rows.append(
            [words(name), mean_of(own, "mean"), next(ends), signed_of(gain, "mean"), next(ends), found["questions"]]
        )
    head = ["Shown instead", "Accuracy", "95 % CI", "The own clip gains", "95 % CI", "Questions"]
    return table(head, rows, numeric={1, 2, 3, 4, 5})


def _case(told: Mapping[str, Any], pictures: Panel) -> Markup:
    frames = int(as_float(told.get("frames")) or 1)
    figures = join(
        Markup('<figure><img src="{}" width={} height={} alt="clip"></figure>').format(
            data_uri(encode_png(picture)), *picture.size
        )
        for picture in (film(each, frames=frames) for each in render_row(pictures, limit=1.0).values())
    )
    return Markup(
        '<article><header><h3><b>{}</b></h3> <span>{}</span></header><div class="panels strips" style="--n:1">{}</div>'
        "<p>{}</p></article>"
    ).format(plain(told.get("case")), told["which"], figures, _said(told))


def _said(told: Mapping[str, Any]) -> Markup:
    asked = plain(told["question"]) if told["question"] else "Which sentence fits?"
    choices = f" ({'; '.join(told['choices'])})" if told["choices"] else ""
    probability = f"{number(100 * told['probability'], digits=0)}\u00a0%"
    said, accepted = (_RIGHT, "") if told["right"] else (_WRONG, f"; accepted: {' or '.join(told['accepted'])}")
    answer = said.format(told["answer"])
    return Markup("{}{}<br>{} ({}){}").format(asked, choices, answer, probability, accepted)


def answers_cards(folder: RunFolder) -> list[list[Card]]:
    """The network, the best baseline, and what one frame is worth."""
    return [_cards(name, task) for name, task in folder.record(RECORD).get("tasks", {}).items()]


def _cards(name: str, task: Mapping[str, Any]) -> list[Card]:
    headline = task["task"]["headline"]
    own = task["scores"][OWN]["metrics"][headline]
    interval = "No interval" if own["ci_low"] is None else f"95\u00a0% CI {interval_of(own)}"
    patients = count(own["n_units"], task["unit"])
    found = [
        Card(label=f"Accuracy, {name}", value=mean_of(own, "mean"), detail=f"{interval} over {patients}", wide=True)
    ]
    if task["baselines"]:
        theirs = best_of(task)[1]
        other = task["scores"][theirs]["metrics"][headline]
        found.append(Card(label=words(theirs).capitalize(), value=mean_of(other, "mean"), detail="Best baseline"))
    for shown, control in task["controls"].items():
        value = mean_of(control["metrics"][headline], "mean")
        found.append(Card(label=words(shown).capitalize(), value=value, detail="The same network"))
    return found


def answers_notes(folder: RunFolder) -> list[str]:
    """What a reader must know before believing a figure."""
    tasks = folder.record(RECORD).get("tasks", {})
    return list(dict.fromkeys(t for name, task in tasks.items() if task["baselines"] for t in notes_of(name, task)))


def answers_verdict(folder: RunFolder) -> str:
    """In words, whether the network is better than what sees no clip, or little of it."""
    tasks = folder.record(RECORD).get("tasks", {})
    return " ".join(filter(None, (verdict_of(n, task) for n, task in tasks.items() if task["baselines"])))


def answers_sentence(folder: RunFolder) -> str:
    """What was asked, and on whom it was tested."""
    tasks = folder.record(RECORD).get("tasks", {})
    if not tasks:
        return ""
    name, task = next(iter(tasks.items()))
    units = next(iter(task["scores"].values()))["metrics"][task["task"]["headline"]]["n_units"]
    return f"was evaluated on {name}; it was tested on {count(units, task['unit'])}."


register(
    Evaluation(
        name="answers",
        files=(RECORD, f"{FOLDER}/*.csv", f"{CASES}/panels.*"),
        sections={140: answers},
        cards=answers_cards,
        notes=answers_notes,
        stands_in=lambda folder: bool(folder.record(RECORD)),
        verdict=answers_verdict,
        sentence=answers_sentence,
        tells_cohort=True,
    )
)
