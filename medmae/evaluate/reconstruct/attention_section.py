"""The section of attention: where a class token looks."""

from __future__ import annotations

from medmae.evaluate.reconstruct.attention import FOLDER
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder, read_panels
from medmae.report.gallery import panel_rows
from medmae.report.page import Section

LEAD = (
    "Attention of the class token to each patch in the last block: the mean over heads, and some heads. Each map goes "
    "from its least value (black) to its greatest (white), however little these differ; it shows what the encoder "
    "attends to, not why."
)


def attention(folder: RunFolder) -> Section | None:
    """Build the section from ``attention/panels.npz``."""
    info, panels = read_panels(folder.path / "evaluation" / FOLDER)
    if not any(panels):
        return None
    rows = panel_rows(info, panels, figures=folder.path / "figures", stem="attention")
    return Section(title="Attention maps", lead=LEAD, blocks=[rows])


register(Evaluation(name="attention", files=(f"{FOLDER}/panels.*",), sections={310: attention}))
