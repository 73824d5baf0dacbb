"""The section of action units: F1 beside baselines, curves over occlusion, and faces with bars of their units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup
from PIL import Image

from medmae.evaluate.classify.comparison_report import best_of, chart_of, figures_table, notes_of, verdict_of
from medmae.evaluate.faces.evaluation import BASELINES, FOLDER, RECORD
from medmae.evaluate.faces.face_cases import FOLDER as CASES
from medmae.evaluate.faces.readers import OWN
from medmae.report.cells import interval_of, mean_of
from medmae.report.curves import Series, line_chart
from medmae.report.evaluations import Evaluation, register
from medmae.report.figures import data_uri, encode_png, render_row
from medmae.report.folder import Panel, RunFolder, read_panels
from medmae.report.page import Card, Section, details, join, note, table
from medmae.report.text import count, listing, number, plain, words

LEAD = (
    "F1 of facial action units on people who were not learnt from, by thresholds of validation. A unit is a movement "
    "and no feeling. Intervals are 95\u00a0% over people."
)
_HIDDEN = (
    "What is hidden is the same for all: the network is not given those patches, a network of whole faces gets them "
    "painted over with ImageNet's mean colour. Landmarks are those of the whole face, which nobody has of an occluded "
    "one: what geometry alone could tell."
)
_VEILED = (
    "Faces are drawn as their landmarks, or as a few coarse pixels where there are none; --show_faces true shows them."
)
_NEITHER = (
    " Neither says that a patch is the reason, nor what would be said without it, nor that a network looks where a "
    "person would. Hidden patches are hatched: the network is not given them."
)
_LOOKS = {
    "attention": "Below each face, where the network looks for each unit: how much its queries read of the latent of "
    "each visible patch, the strongest patch at full colour. Latents know of each other." + _NEITHER,
    "gradient": "Below each face, where the network looks for each unit: how much each visible patch moves its share, "
    "gradient times what is seen, without sign, the strongest patch at full colour." + _NEITHER,
}


def units(folder: RunFolder) -> Section | None:
    """Build the section from ``action_units.json`` and ``face_cases/``."""
    record = folder.record(RECORD)
    if not record:
        return None
    blocks: list[Markup] = []
    for name, task in record["tasks"].items():
        short = {
            **task,
            "definitions": {k: v for k, v in task["definitions"].items() if "_" not in k or k == "f1_shown"},
        }
        blocks += [
            Markup('<div class="charts">{}</div>').format(chart_of(name, task)),
            figures_table(short, spread=False),
        ]
        blocks.append(note(" ".join(f"{words(k).capitalize()}: {v}." for k, v in short["definitions"].items())))
    whole = record["tasks"]["whole faces"]
    blocks += [details("Each unit", _each_unit(whole)), note(f"Thresholds are of {whole['threshold_from']}.")]
    if record["occluded"]:
        blocks += [note(_HIDDEN), Markup('<div class="charts">{}</div>').format(join(_curves(record))), _table(record)]
    told, pictures = read_panels(folder.path / "evaluation" / CASES)
    if told:
        cards = join(_case(one, row, whole) for one, row in zip(told, pictures, strict=True))
        blocks += [Markup('<div class="gallery">{}</div>').format(cards)]
        blocks += [note(_LOOKS[how]) for how in dict.fromkeys(one["looks"] for one in told if "looks" in one)]
        blocks += [] if record["show_faces"] else [note(_VEILED)]
    return Section(title="Action units", lead=LEAD, blocks=blocks)


def _each_unit(task: Mapping[str, Any]) -> Markup:
    rows = []
    for name in task["task"]["units"]:
        own = task["scores"][OWN]["metrics"]
        figures = [own[f"{metric}_{name}"] for metric in ("f1", "auroc")]
        ends = [interval_of(each) if each["ci_low"] is not None else "no interval" for each in figures]
        rate, limit = task["rates"][name], task["thresholds"].get(OWN, {}).get(name, 0.5)
        cells = [value for each, end in zip(figures, ends, strict=True) for value in (mean_of(each, "mean"), end)]
        rows.append([name, f"{number(100 * rate, digits=0)}\u00a0%", *cells, number(limit)])
    head = ["Unit", "Active in", "F1", "95 % CI", "AUROC", "95 % CI", "Threshold"]
    return table(head, rows, numeric=range(1, len(head)))


def _curves(record: Mapping[str, Any]) -> Iterator[Markup]:
    """A chart for each kind of occlusion: F1 over the share that is hidden."""
    scores = record["tasks"]["whole faces"]["scores"]
    for occlusion in dict.fromkeys(row["occlusion"] for row in record["occluded"]):
        series = []
        for place, who in enumerate(scores):
            own = [r for r in record["occluded"] if (r["occlusion"], r["contestant"]) == (occlusion, who)]
            x = [0.0, *(100 * row["level"] for row in own)]
            y = [scores[who]["metrics"]["f1"]["mean"], *(row["f1"] for row in own)]
            series.append(Series(label=words(who), x=x, y=y, colour=place % 6, dashed=who in BASELINES))
        yield line_chart(series, title=f"F1, {words(occlusion)}", x_label="patches hidden, %", log_y=False)


def _table(record: Mapping[str, Any]) -> Markup:
    rows = [
        [
            words(row["occlusion"]),
            f"{number(100 * row['level'], digits=0)}\u00a0%",
            words(row["contestant"]),
            number(row["f1"], digits=3),
            "no interval"
            if row["f1_ci_low"] is None
            else interval_of({k: row[f"f1_{k}"] for k in ("ci_low", "ci_high")}),
            "" if row["kept"] is None else f"{number(100 * row['kept'], digits=0)}\u00a0%",
        ]
        for row in record["occluded"]
    ]
    head = ["Occlusion", "Hidden", "", "F1", "95 % CI", "Of its own F1 on whole faces"]
    return details("All occlusions", table(head, rows, numeric={1, 3, 4, 5}))


def _case(told: Mapping[str, Any], pictures: Panel, task: Mapping[str, Any]) -> Markup:
    drawn = render_row(pictures, limit=1.0)
    face, maps = _figure(drawn.pop("face"), told["shown"]), [_figure(each, name) for name, each in drawn.items()]
    hidden = (
        f"{words(told['occlusion'])}, {number(100 * told['level'], digits=0)}\u00a0% hidden"
        if told["level"]
        else "whole"
    )
    who = [name for name in told["said"] if name not in task["baselines"]]
    bars = table(["", "Coded", *map(words, who)], _bars(told, who))
    return Markup(
        '<article><header><h3><b>{}</b></h3> <span>{} {}</span></header><div class="panels" style="--n:3">{}</div>{}'
        '<div class="panels" style="--n:6">{}</div></article>'
    ).format(plain(told.get("case")), plain(told["frame"]), hidden, face, bars, join(maps))


def _figure(picture: Image.Image, caption: str) -> Markup:
    return Markup('<figure><img src="{}" width={} height={} alt="{}"><figcaption>{}</figcaption></figure>').format(
        data_uri(encode_png(picture)), *picture.size, caption, words(caption)
    )


def _bars(told: Mapping[str, Any], who: Sequence[str]) -> Iterator[list[str | Markup]]:
    """A row a unit: what was coded, and how sure each is; one half is the threshold."""
    for place, name in enumerate(told["units"]):
        coded = told["coded"][place]
        shown = "not coded" if coded is None else "active" if coded else ""
        yield [name, shown, *(_bar(told["said"][one][place]) for one in who)]


def _bar(share: float) -> Markup:
    return Markup('<meter min="0" max="1" low="0.5" value="{}"></meter> {}').format(f"{share:.3f}", number(share))


def units_cards(folder: RunFolder) -> list[list[Card]]:
    """F1 of whole faces, the best baseline, and how much is kept when half of a face is hidden."""
    record = folder.record(RECORD)
    if not record:
        return []
    task = record["tasks"]["whole faces"]
    own = task["scores"][OWN]["metrics"]["f1"]
    interval = "No interval" if own["ci_low"] is None else f"95\u00a0% CI {interval_of(own)}"
    found = [
        Card(
            label="F1, whole faces",
            value=mean_of(own, "mean"),
            detail=f"{interval} over {count(own['n_units'], 'person', 'people')}",
            wide=True,
        )
    ]
    if task["baselines"]:
        theirs = best_of(task)[1]
        value = mean_of(task["scores"][theirs]["metrics"]["f1"], "mean")
        found.append(Card(label=words(theirs).capitalize(), value=value, detail="Best baseline"))
    rows = [r for r in record["occluded"] if r["contestant"] == OWN and r["level"] == 0.5]
    for row in [r for r in rows if r["occlusion"] == "block"] or rows[:1]:
        kept = "" if row["kept"] is None else f"{number(100 * row['kept'], digits=0)}\u00a0% of its own"
        found.append(
            Card(label=f"F1, half hidden ({words(row['occlusion'])})", value=number(row["f1"], digits=3), detail=kept)
        )
    return [found]


def units_notes(folder: RunFolder) -> list[str]:
    """What a reader must know before believing a figure."""
    task = folder.record(RECORD).get("tasks", {}).get("whole faces")
    if not task:
        return []
    found = list(notes_of("whole faces", task)) if task["baselines"] else []
    lacking = task["scores"][OWN]["nobody_shows"]
    if lacking:
        found.append(f"Nobody shows {listing(lacking)} in the test: F1 of these counts 0 in the mean.")
    if task["threshold_from"] != "validation":
        found.append("There are no validation people: thresholds are one half, and figures lower than they might be.")
    return found


def units_verdict(folder: RunFolder) -> str:
    """In words, whether the network is better than what needs none."""
    task = folder.record(RECORD).get("tasks", {}).get("whole faces")
    return verdict_of("whole faces", task) if task and task["baselines"] else ""


def units_sentence(folder: RunFolder) -> str:
    """What was read, and of whom."""
    task = folder.record(RECORD).get("tasks", {}).get("whole faces")
    if not task:
        return ""
    people = task["scores"][OWN]["metrics"]["f1"]["n_units"]
    read = count(len(task["task"]["units"]), "facial action unit")
    return (
        f"was evaluated on {read} of whole and of occluded faces; it was tested on {count(people, 'person', 'people')}."
    )


register(
    Evaluation(
        name="action units",
        files=(RECORD, f"{FOLDER}/*.csv", f"{CASES}/panels.*"),
        sections={145: units},
        cards=units_cards,
        notes=units_notes,
        stands_in=lambda folder: bool(folder.record(RECORD)),
        verdict=units_verdict,
        sentence=units_sentence,
        tells_cohort=True,
    )
)
