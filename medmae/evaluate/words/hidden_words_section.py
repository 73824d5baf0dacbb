"""The section of words: what hidden ones cost, and film strips with words given, hidden and guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from medmae.evaluate.words.hidden_words import COMMON, OTHER, OWN, RECORD, ROWS
from medmae.evaluate.words.word_strips import FOLDER
from medmae.report.cells import interval_of, mean_of
from medmae.report.evaluations import Evaluation, register
from medmae.report.figures import data_uri, encode_png, film, render_row
from medmae.report.folder import Panel, RunFolder, as_float, read_panels
from medmae.report.page import Section, join, note, table
from medmae.report.text import count, plain
from medmae.report.text import words as spoken
from medmae.tokens.pieces import INSIDE

LEAD = (
    "Mean cross-entropy of hidden words in nats: lower is better, 0 is certainty. The same words are hidden whatever "
    "is read beside them; a clip of other words is what a caption costs that belongs to another clip, and a blank one "
    "is of one grey. Where the own clip gains nothing over these, words are guessed from words alone."
)
CUBES = (
    "The other way round: squared error of hidden cubes in the units of the target. The same cubes are hidden, and the "
    "words that are read are whole."
)
KEY = Markup('<p class="note">Hidden words: <ins>guessed rightly</ins>, or <ins>guess</ins> <del>hidden</del>.</p>')


def hidden_words(folder: RunFolder) -> Section | None:
    """Build the section from ``hidden_words.json`` and ``word_strips/``."""
    record = folder.record(RECORD)
    if not record:
        return None
    blocks = [_figures(record["scores"])] if record["scores"] else [note("No caption could be compared with another.")]
    if cubes := record.get("cubes"):
        blocks += [note(CUBES), _figures(cubes, "Words beside the clip")]
    if left := record["left_out"]:
        blocks.append(note(f"{count(left, 'sample')} left out: no word was hidden, or no clip of other words beside."))
    info, panels = read_panels(folder.path / "evaluation" / FOLDER)
    strips = [_strip(told, pictures) for told, pictures in zip(info, panels, strict=True)]
    if strips:
        blocks += [KEY, Markup('<div class="gallery">{}</div>').format(join(strips))]
    return Section(title="Hidden words", lead=LEAD, blocks=blocks)


def _figures(scores: Mapping[str, Mapping[str, Any]], what: str = "Read beside the caption, or instead") -> Markup:
    rows = [
        [name.capitalize(), mean_of(figure, "mean"), interval_of(figure), figure["n_subjects"]]
        for name, figure in scores.items()
    ]
    return table([what, "Mean", "95 % CI", "Subjects"], rows, numeric={1, 2, 3})


def _strip(told: Mapping[str, Any], pictures: Panel) -> Markup:
    frames = int(as_float(told.get("frames")) or 1)
    shown = {name: film(picture, frames=frames) for name, picture in render_row(pictures, limit=1.0).items()}
    said = told.get("said", {})
    figures = join(
        Markup('<figure><img src="{}" width={} height={} alt="{}"><figcaption>{}</figcaption></figure>').format(
            data_uri(encode_png(picture)),
            *picture.size,
            spoken(name),
            f"{spoken(name)}: {plain(said[name])}" if name in said else spoken(name),
        )
        for name, picture in shown.items()
    )
    sentence = join(_word(word, first=not place) for place, word in enumerate(told.get("words", ())))
    return Markup(
        '<article><header><h3><b>{}</b></h3></header><div class="panels strips" style="--n:1">{}</div>'
        "<p>{}</p></article>"
    ).format(plain(told.get("case")), figures, sentence)


def _word(word: Mapping[str, str], *, first: bool) -> Markup:
    given, guess = word["given"], word.get("guess")
    gap = "" if first or given.startswith(INSIDE) else " "
    if guess is None:
        return Markup("{}{}").format(gap, given.removeprefix(INSIDE))
    if guess == given:
        return Markup("{}<ins>{}</ins>").format(gap, given.removeprefix(INSIDE))
    return Markup("{}<ins>{}</ins> <del>{}</del>").format(gap, guess.removeprefix(INSIDE), given.removeprefix(INSIDE))


def hidden_words_notes(folder: RunFolder) -> list[str]:
    """What a reader must know before believing a figure."""
    scores = folder.record(RECORD).get("scores", {})
    if not scores:
        return []
    gain = scores["gain of the own clip"]
    if gain["ci_low"] is not None and gain["ci_low"] > 0:
        return []
    own, other, common = (mean_of(scores[name], "mean") for name in (OWN, OTHER, COMMON))
    return [
        f"Hidden words cost {own} with their own clip, {other} with another's and {common} by how often they occur: "
        "that the clip helps to find words may be chance."
    ]


register(
    Evaluation(
        name="hidden words",
        files=(RECORD, ROWS, f"{FOLDER}/panels.*"),
        sections={120: hidden_words},
        notes=hidden_words_notes,
    )
)
