"""Panels: a row a slice, a column a picture, as many of either as the evaluation wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from medmae.files import atomic_write
from medmae.report.figures import (
    BYTE_BUDGET,
    MAX_ROWS,
    WIDE,
    colour_bar,
    column_names,
    data_uri,
    encode_png,
    film,
    is_error,
    render_row,
    strip,
)
from medmae.report.folder import Panel, RunFolder, as_float
from medmae.report.metrics import KNOWN, families, label_of
from medmae.report.page import Section, join, note
from medmae.report.text import NOTHING, number, plain, slug, words
from medmae.report.ticks import with_axes

KEYS = ("case", "contrast", "slice")  # what names a row
# Slices are those of stored volumes, which are axial and seen from the feet (LPS): patient's right, patient's left.
SIDES = ("R", "L")
SIDES_KEY = Markup('<span class="key"><b>R</b> <b>L</b> right and left of the patient</span>')


def panel_section(
    folder: RunFolder,
    *,
    title: str,
    lead: str,
    error: str,
    limit: float,
    key: Markup | str = "",
    abreast: bool = False,
) -> Section:
    """Show the panels of an evaluation and write each row as a PNG strip into ``figures/``.

    Args:
        folder: The run; it has panels.
        title: Of the section.
        lead: Below the title.
        error: What the error map shows.
        limit: Upper end of its scale.
        key: What else the legend explains.
        abreast: Whether two rows stand beside each other where there is room.
    """
    key = join([key, SIDES_KEY]) if any(_sides(info) for info in folder.panel_info) else key
    bar = colour_bar(limit, error) if any(map(is_error, column_names(folder.panels))) else ""
    rows = panel_rows(
        folder.panel_info, folder.panels, figures=folder.path / "figures", stem="panel", limit=limit, abreast=abreast
    )
    return Section(title=title, lead=lead, blocks=[_legend(key, bar), rows])


def panel_rows(
    info: Sequence[Mapping[str, Any]],
    panels: Sequence[Panel],
    *,
    figures: Path,
    stem: str,
    limit: float = 1.0,
    abreast: bool = False,
) -> Markup:
    """Rows of pictures; each is also written as a PNG strip.

    Args:
        info: What stands beside each row.
        panels: Its pictures.
        figures: Folder of the strips; older ones of this stem are removed.
        stem: Begins their names.
        limit: Upper end of the error map's scale.
        abreast: Whether two rows stand beside each other where there is room.
    """
    for stale in figures.glob(f"{stem}_*.png"):
        stale.unlink()
    columns = column_names(panels)
    encoded = {
        i: _encode(panels[i], info[i], limit, figures / f"{stem}_{_file_name(i, info[i])}")
        for i in range(min(len(panels), MAX_ROWS))  # the first: they take turns in subjects, contrasts and classes
    }
    chosen = _within_budget(encoded)
    rows = join(_row(info[i], encoded[i], columns) for i in chosen)
    kind = "gallery abreast" if abreast else "gallery"
    shown = Markup('<div class="{}">{}</div>').format(kind, rows)
    if len(chosen) == len(panels):
        return shown
    return shown + note(f"{len(chosen)} of {len(panels)} rows are shown; all lie in panels.npz of the evaluation.")


@dataclass(frozen=True)
class _Png:
    content: bytes
    size: tuple[int, int]


def _encode(row: Panel, info: Mapping[str, Any], limit: float, path: Path) -> dict[str, _Png]:
    """Compress every picture of a row, and write all of them side by side to ``path``."""
    pictures, frames = render_row(row, limit=limit), int(as_float(info.get("frames")) or 1)
    if frames > 1:
        pictures = {name: film(picture, frames=frames) for name, picture in pictures.items()}
    if axes := info.get("axes"):
        pictures = {name: with_axes(picture, axes) for name, picture in pictures.items()}
    if pictures:
        with atomic_write(path) as file:
            file.write(encode_png(strip(list(pictures.values()), sides=_sides(info))))
    return {name: _Png(encode_png(picture), picture.size) for name, picture in pictures.items()}


def _sides(info: Mapping[str, Any]) -> tuple[str, str] | None:
    """What lies left and right in the pictures of a row, if that is known."""
    return SIDES if info.get("slice") is not None else None


def _file_name(i: int, info: Mapping[str, Any]) -> str:
    return f"{i:02d}_{slug('_'.join(plain(info.get(key)) for key in KEYS))}.png"


def _within_budget(encoded: Mapping[int, Mapping[str, _Png]]) -> list[int]:
    """The first rows whose pictures fit the page."""
    rows = [i for i, row in encoded.items() if row]
    total = sum(len(png.content) for row in encoded.values() for png in row.values())
    room = max(1, int(len(rows) * BYTE_BUDGET / max(total, 1)))
    return rows[:room]


def _legend(key: Markup | str, bar: Markup | str) -> Markup:
    return Markup(
        '<input type="checkbox" id="larger"><div class="legend">{}{}'
        '<label for="larger" class="toggle">Larger pictures</label></div>'
    ).format(key, bar)


def _row(info: Mapping[str, Any], pictures: Mapping[str, _Png], columns: list[str]) -> Markup:
    cells = join(_cell(name, pictures[name], info) for name in columns if name in pictures)
    wide = all(width > WIDE * height for width, height in (picture.size for picture in pictures.values()))
    return Markup(
        '<article><header><h3>{}</h3><p class="scores">{}</p></header><div class="{}" style="--n:{}">{}</div></article>'
    ).format(_where(info), _scores(info), "panels strips" if wide else "panels", len(columns), cells)


def _where(info: Mapping[str, Any]) -> Markup:
    case = Markup("<b>{}</b>").format(plain(info.get("case")))
    rest = [plain(info.get("contrast")), _place(info)]
    return join(
        [case, *(Markup('<span class="tag">{}</span>').format(text) for text in rest if text and text != NOTHING)]
    )


def _place(info: Mapping[str, Any]) -> str:
    """Where in its case a row lies: a slice, level-0 pixels of a slide, or the name of a tile."""
    if info.get("slice") is not None:
        return f"slice {info['slice']}"
    return f"{info['x']}, {info['y']}" if info.get("x") is not None else plain(info.get("tile"))


def _scores(info: Mapping[str, Any]) -> Markup:
    """The metrics of the row: the model's first and strongest, then the baselines, best first."""
    parts = []
    for stem, variant in families(info):
        if variant:
            continue  # one figure of each is enough above a picture; the tables have the rest
        found = {name: as_float(info[name]) for name in families(info)[stem, variant]}
        ranked = sorted(found.items(), key=lambda item: (not item[0].endswith("_model"), -(item[1] or 0.0)))
        unit = KNOWN.get(stem, ("", "", ""))[1]
        for name, score in ranked:
            kind = "ours" if name.endswith("_model") else "theirs"
            text = number(score, digits=1 if unit == "dB" else 3)
            # Alone, a figure needs no name of its owner, but one of its own.
            alone = len(found) == 1 and stem in KNOWN
            label = KNOWN[stem][0] if alone else label_of(name.removeprefix(f"{stem}_"))
            parts.append(Markup('<span class="{}">{} <b>{}</b> {}</span>').format(kind, label, text, unit))
    return join(parts)


def _cell(name: str, picture: _Png, info: Mapping[str, Any]) -> Markup:
    label = words(name)
    where = " ".join(plain(info.get(key)) for key in KEYS)
    sides = join(
        Markup('<span class="side {}">{}</span>').format(place, text)
        for place, text in zip(("left", "right"), _sides(info) or (), strict=False)
    )
    return Markup(
        '<figure><label><input type="checkbox" aria-label="Enlarge {label} of {where}">'
        '<img src="{src}" width={w} height={h} alt="{label} of {where}">{sides}</label>'
        "<figcaption>{label}</figcaption></figure>"
    ).format(label=label, where=where, src=data_uri(picture.content), w=picture.size[0], h=picture.size[1], sides=sides)
