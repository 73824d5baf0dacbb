"""The section of heatmaps: what a classifier says of whole slides."""

from __future__ import annotations

from markupsafe import Markup

from medmae.data.evenly import evenly
from medmae.evaluate.slides.heatmap import FOLDER, RECORD
from medmae.report.enlargeable import enlargeable
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder, as_float
from medmae.report.page import Section, details, join, note, table
from medmae.report.text import count, number, plain, words

LEAD = (
    "What the classifier says of every tile, on the slide: not for diagnosis. All pictures have the same scale of "
    "colours. The .geojson files beside them are for QuPath. Select a picture to fill the screen."
)
SHOWN = 4


def heatmaps(folder: RunFolder) -> Section | None:
    """Build the section from ``heatmaps.json`` and the folder it lists."""
    pictures = folder.record(RECORD).get("pictures")
    if not isinstance(pictures, list) or not pictures:
        return None
    where = folder.path / "evaluation" / FOLDER
    chosen = [pictures[i] for i in evenly(len(pictures), SHOWN).tolist()]
    figures = [
        enlargeable(
            where / str(drawn["file"]).rpartition("/")[2],
            name=f"Heatmap of {plain(drawn['case'])}, {plain(drawn['class'])}",
            caption=Markup("<b>{}</b> {}, {}, mean {}").format(
                plain(drawn["case"]),
                plain(drawn["class"]),
                count(int(drawn["tiles"]), "tile"),
                number(as_float(drawn["mean"]), digits=2),
            ),
        )
        for drawn in chosen
    ]
    blocks = [Markup('<div class="panels montages">{}</div>').format(join(figures))]
    if len(chosen) < len(pictures):
        blocks.append(note(f"{len(chosen)} of {count(len(pictures), 'picture')}; all lie in evaluation/heatmaps."))
    for name in ("slides", "patients"):
        rows = folder.rows(f"{FOLDER}/{name}.csv")
        if rows:
            blocks.append(details(f"{name.capitalize()} ({len(rows):,})", _table_of(rows)))
    return Section(title="Heatmaps", lead=LEAD, blocks=blocks)


def mapped_sentence(folder: RunFolder) -> str:
    """How many slides were mapped."""
    slides = _mapped(folder)
    return f"was asked what each tile of {count(len(slides), 'slide')} shows." if slides else ""


def _mapped(folder: RunFolder) -> list[str]:
    """Slides of which there are maps, of a run that scored nothing."""
    pictures = folder.record(RECORD).get("pictures")
    if folder.scores or folder.panels or not isinstance(pictures, list):
        return []
    return list(dict.fromkeys(str(drawn["case"]) for drawn in pictures))


def _table_of(rows: list[dict[str, str]]) -> Markup:
    head = list(rows[0])
    shares = [name for name in head if name.startswith(("p_", "share_"))]
    body = [
        [number(as_float(value), digits=3) if name in shares else value for name, value in row.items()] for row in rows
    ]
    numeric = [i for i, name in enumerate(head) if name in (*shares, "tiles")]
    return table([words(name) for name in head], body, numeric=numeric)


register(
    Evaluation(
        name="heatmaps",
        files=(RECORD, *(f"{FOLDER}/*.{suffix}" for suffix in ("csv", "geojson", "png"))),
        sections={300: heatmaps},
        stands_in=lambda folder: bool(_mapped(folder)),
        sentence=mapped_sentence,
        tells_cohort=True,
    )
)
