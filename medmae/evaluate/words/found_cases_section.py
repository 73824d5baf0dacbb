"""The section of queries: the best, typical and worst ones, with film strips of what was found and what belongs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from medmae.evaluate.words.found_cases import BELONGS, FOLDER
from medmae.report.evaluations import Evaluation, register
from medmae.report.figures import data_uri, encode_png, film, render_row
from medmae.report.folder import Panel, RunFolder, as_float, read_panels
from medmae.report.page import Section, join, note
from medmae.report.text import number, plain

LEAD = (
    "Queries of the best, of typical and of the worst ranks, each way: what was found first, right where it belongs to "
    "the query, and what belongs to it where that is none of these."
)


def found_cases(folder: RunFolder) -> Section | None:
    """Build the section from ``found_cases/``."""
    told, pictures = read_panels(folder.path / "evaluation" / FOLDER)
    if not told:
        return None
    blocks = []
    for way in dict.fromkeys(str(one["way"]) for one in told):
        own = [(one, row) for one, row in zip(told, pictures, strict=True) if one["way"] == way]
        blocks.append(note(f"{way[:1].upper()}{way[1:]}, a gallery of {own[0][0]['gallery']:,}:"))
        blocks.append(Markup('<div class="gallery">{}</div>').format(join(_case(one, row) for one, row in own)))
    return Section(title="Queries", lead=LEAD, blocks=blocks)


def _case(told: Mapping[str, Any], row: Panel) -> Markup:
    rank = number(as_float(told["rank"]), digits=1).removesuffix(".0")
    head = Markup("<header><h3><b>{}</b></h3> <span>{}, rank {}</span></header>").format(
        plain(told["query"]), told["which"], rank
    )
    frames = int(as_float(told.get("frames")) or 1)
    shown = {name: film(picture, frames=frames) for name, picture in render_row(row, limit=1.0).items()}
    asks = set(shown) == {BELONGS}  # a clip: what it found are sentences
    captions = {BELONGS: "the clip" if asks else f"belongs: {told['right']}"}
    captions |= {f"found_{place}": _found(place, one) for place, one in enumerate(told["first"], start=1)}
    figures = join(_figure(picture, captions[name]) for name, picture in shown.items())
    listed = _sentences(told) if asks else Markup("")
    return Markup('<article>{}<div class="panels strips" style="--n:1">{}</div>{}</article>').format(
        head, figures, listed
    )


def _figure(picture: Any, caption: str) -> Markup:  # noqa: ANN401 (a picture of Pillow)
    return Markup('<figure><img src="{}" width={} height={} alt="{}"><figcaption>{}</figcaption></figure>').format(
        data_uri(encode_png(picture)), *picture.size, caption, caption
    )


def _found(place: int, one: Mapping[str, Any]) -> str:
    return f"{place}. {one['name']}{', right' if one['right'] else ''}"


def _sentences(told: Mapping[str, Any]) -> Markup:
    lines = [_found(place, one) for place, one in enumerate(told["first"], start=1)]
    if not any(one["right"] for one in told["first"]):
        lines.append(f"belongs: {told['right']}")
    return join(Markup("<p>{}</p>").format(line) for line in lines)


register(Evaluation(name="found cases", files=(f"{FOLDER}/panels.*",), sections={131: found_cases}))
