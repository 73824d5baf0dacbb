"""The section of stains: tiles beside what they were separated into."""

from __future__ import annotations

from medmae.evaluate.reconstruct.stain_panels import FOLDER
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder, read_panels
from medmae.report.gallery import panel_rows
from medmae.report.page import Section, note
from medmae.report.text import count, words

LEAD = (
    "Dark is much of a stain. What both make together should look like the tile, on white (it is brightened first); "
    "what is missing there, such as blood, pigment or ink, two stains cannot explain."
)


def stains(folder: RunFolder) -> Section | None:
    """Build the section of tiles beside their stains."""
    info, panels = read_panels(folder.path / "evaluation" / FOLDER)
    if not any(panels):
        return None
    replaced = [row for row in info if row.get("flag")]
    blocks = [panel_rows(info, panels, figures=folder.path / "figures", stem="stain", abreast=True)]
    if replaced:
        reasons = ", ".join(sorted({words(str(row["flag"])) for row in replaced}))
        tiles = f"{count(len(replaced), 'tile')} of {len(info)}"
        blocks.append(note(f"{tiles} got the fallback matrix, because none of its own could be fitted: {reasons}."))
    return Section(title="Stains", lead=LEAD, blocks=blocks)


register(Evaluation(name="stains", files=(f"{FOLDER}/panels.*",), sections={330: stains}))
