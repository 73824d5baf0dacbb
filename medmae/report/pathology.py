"""What slides and tiles add to the page: heatmaps, a map of embeddings, stains."""

from __future__ import annotations

from markupsafe import Markup

from medmae.data.evenly import evenly
from medmae.report.folder import RunFolder, as_float, read_object, read_panels, read_rows
from medmae.report.gallery import panel_rows
from medmae.report.montages import enlargeable
from medmae.report.page import Section, details, join, note, table
from medmae.report.scatter import scatter_chart
from medmae.report.text import count, number, plain, words

HEATMAPS_LEAD = (
    "What the classifier says of every tile, on the slide: not for diagnosis. All pictures have the same scale of "
    "colours. The .geojson files beside them are for QuPath. Select a picture to fill the screen."
)
STAINS_LEAD = (
    "Dark is much of a stain. What both make together should look like the tile, on white (it is brightened first); "
    "what is missing there, such as blood, pigment or ink, two stains cannot explain."
)
LAYOUTS = {
    "pca": "The plane in which the features spread most.",
    "tsne": "t-SNE: what lies close together is alike; distances and sizes of groups mean nothing.",
}
SHOWN = 4  # heatmaps


def heatmaps(folder: RunFolder) -> Section | None:
    """Build the section from ``heatmaps.json`` and the folder it lists."""
    pictures = read_object(folder.path / "evaluation" / "heatmaps.json").get("pictures")
    if not isinstance(pictures, list) or not pictures:
        return None
    where = folder.path / "evaluation" / "heatmaps"
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
        rows = read_rows(where / f"{name}.csv")
        if rows:
            blocks.append(details(f"{name.capitalize()} ({len(rows):,})", _verdicts(rows)))
    return Section(title="Heatmaps", lead=HEATMAPS_LEAD, blocks=blocks)


def embedding_map(folder: RunFolder) -> Section | None:
    """Build the section from ``embedding_map.json``."""
    found = read_object(folder.path / "evaluation" / "embedding_map.json")
    if not found:
        return None
    shown = count(found["shown"], found.get("item", "tile")) + (
        "" if found["shown"] == found["of"] else f" of {found['of']:,}"
    )
    axes = ""
    if found.get("explained"):
        first, second = (f"{100 * share:.0f} %" for share in found["explained"])
        axes = f"across: {first} of the variance, up: {second}"
    drawn = scatter_chart(
        found["points"],
        labels=found["labels"],
        classes=found["classes"],
        title=words(found["encoder"]).capitalize(),
        remark=shown,
        x_label=axes,
    )
    lead = f"{LAYOUTS[found['layout']]} For the eye only: the scores are above."
    return Section(title="Embedding map", lead=lead, blocks=[Markup('<div class="map">{}</div>').format(drawn)])


def stains(folder: RunFolder) -> Section | None:
    """Build the section of tiles beside their stains."""
    info, panels = read_panels(folder.path / "evaluation" / "stains")
    if not any(panels):
        return None
    replaced = [row for row in info if row.get("flag")]
    blocks = [panel_rows(info, panels, figures=folder.path / "figures", stem="stain", abreast=True)]
    if replaced:
        reasons = ", ".join(sorted({words(str(row["flag"])) for row in replaced}))
        tiles = f"{count(len(replaced), 'tile')} of {len(info)}"
        blocks.append(note(f"{tiles} got the fallback matrix, because none of its own could be fitted: {reasons}."))
    return Section(title="Stains", lead=STAINS_LEAD, blocks=blocks)


def _verdicts(rows: list[dict[str, str]]) -> Markup:
    head = list(rows[0])
    shares = [name for name in head if name.startswith(("p_", "share_"))]
    body = [
        [number(as_float(value), digits=3) if name in shares else value for name, value in row.items()] for row in rows
    ]
    numeric = [i for i, name in enumerate(head) if name in (*shares, "tiles")]
    return table([words(name) for name in head], body, numeric=numeric)
