"""The section of skeletons: how far hidden joints are off, joint by joint, and skeletons that move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from medmae.evaluate.skeletons.hidden_joints import GAIN, LINE, MODEL, PICTURES, RECORD, ROWS
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder
from medmae.report.moving import KEY, Moving, moving_figures
from medmae.report.page import Section, details, join, table
from medmae.report.text import number, plain, span
from medmae.report.text import words as spoken

LEAD = (
    "Mean distance of hidden joints from where they were: lower is better. Straight in time goes from where a joint "
    "was last seen to where it is seen next; the mean of training is that of the same joint over training samples."
)
MOVING = (
    "What was given; what the network saw; what it made of it; and, as lines, how far each hidden joint was put from "
    "its place. The longest axis is up, and that along which bodies move most across."
)


def hidden_joints(folder: RunFolder) -> Section | None:
    """Build the section from ``hidden_joints.json`` and ``moving_skeletons.json``."""
    record = folder.record(RECORD)
    if not record:
        return None
    rows = [
        [
            spoken(name).capitalize(),
            number(figure["mean"], digits=4),
            span(figure["ci_low"], figure["ci_high"], digits=4),
            figure["n_subjects"],
        ]
        for name, figure in record["scores"].items()
    ]
    head = [f"Distance ({record['unit'] or 'own unit'})", "Mean", "95 % CI", "Subjects"]
    blocks = [table(head, rows, numeric={1, 2, 3})]
    told = folder.record(PICTURES).get("skeletons", [])
    if told:
        shown = join(_article(one, record["unit"]) for one in told)
        legend = Markup('<p class="note">{}</p><div class="legend">{}</div>').format(MOVING, KEY)
        blocks += [legend, Markup('<div class="gallery">{}</div>').format(shown)]
    each = [
        [spoken(one["joint"]), number(one[MODEL], digits=4), number(one[LINE], digits=4)] for one in record["joints"]
    ]
    body = table(["Joint", spoken(MODEL).capitalize(), spoken(LINE).capitalize()], each, numeric={1, 2})
    blocks.append(details(f"Every joint ({len(each)})", body))
    return Section(title="Hidden joints", lead=LEAD, blocks=blocks)


def _article(one: Mapping[str, Any], unit: str) -> Markup:
    tags = [one["label"], "among the worst" if one["worst"] else None]
    spans = join(Markup('<span class="tag">{}</span>').format(plain(tag)) for tag in tags if tag)
    return Markup(
        '<article><header><h3><b>{}</b>{}</h3><p class="scores">{} {}</p></header>'
        '<div class="panels moving" style="--n:4">{}</div></article>'
    ).format(plain(one["case"]), spans, number(one["error"], digits=4), unit, moving_figures(Moving.from_json(one)))


def hidden_joints_notes(folder: RunFolder) -> list[str]:
    """What a reader must know before believing a figure."""
    scores = folder.record(RECORD).get("scores", {})
    gain = scores.get(GAIN)
    if not gain or (gain["ci_low"] is not None and gain["ci_low"] > 0):
        return []
    own, line = (number(scores[name]["mean"], digits=4) for name in (MODEL, LINE))
    if gain["ci_high"] is not None and gain["ci_high"] < 0:
        return [
            f"Hidden joints are {own} off, and {line} if each goes straight in time: that is better than the network."
        ]
    return [
        f"Hidden joints are {own} off, and {line} if each goes straight in time: that the network helps may be chance."
    ]


register(
    Evaluation(
        name="hidden joints",
        files=(RECORD, ROWS, PICTURES),
        sections={125: hidden_joints},
        stands_in=lambda folder: bool(folder.record(RECORD)),
        notes=hidden_joints_notes,
    )
)
