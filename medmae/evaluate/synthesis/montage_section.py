"""The section of montages: a few cases from the best to the worst, as the evaluation drew them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from medmae.data.evenly import evenly
from medmae.evaluate.synthesis.figures_of_merit import MONTAGES, RECORD
from medmae.report.enlargeable import enlargeable
from medmae.report.folder import RunFolder, as_float
from medmae.report.page import Section, join, note
from medmae.report.text import count, number, plain

TITLE = "Montages"
SHOWN = 4
SCORE = "psnr_model_foreground"
LEAD = (
    "Cases from the best to the worst by PSNR in the foreground, evenly spaced in that order, not chosen by hand. "
    "Synthetic images are shown in the window of the real ones. Select a montage to fill the screen."
)
OUTLINE = " The blue line is the outline of the lesion label, which the network is not given."


def montages(folder: RunFolder) -> Section | None:
    """Build the section from the pictures that ``metrics.json`` lists."""
    listed = folder.record(RECORD).get("montages")
    if not isinstance(listed, list) or not listed:
        return None
    scores = {(row.get("case"), row.get("target")): as_float(row.get(SCORE)) for row in folder.scores}
    ranked = sorted(listed, key=lambda drawn: -(scores.get((drawn["case"], drawn["target"])) or 0.0))
    chosen = [ranked[i] for i in evenly(len(ranked), SHOWN).tolist()]
    pictures = [_figure(folder, drawn, scores.get((drawn["case"], drawn["target"]))) for drawn in chosen]
    blocks = [Markup('<div class="panels montages">{}</div>').format(join(pictures))]
    if len(chosen) < len(listed):
        blocks.append(note(f"{len(chosen)} of {count(len(listed), 'montage')}; all lie in evaluation/montage."))
    outlined = "lesion" in (folder.record(RECORD).get("labels") or {})
    return Section(title=TITLE, lead=LEAD + OUTLINE * outlined, blocks=blocks)


def _figure(folder: RunFolder, drawn: Mapping[str, Any], score: float | None) -> Markup:
    case, target = plain(drawn["case"]), plain(drawn["target"])
    return enlargeable(
        folder.path / "evaluation" / MONTAGES / Path(str(drawn["file"])).name,
        name=f"Montage of {case}, {target}",
        caption=Markup("<b>{}</b> {}, {} dB").format(case, target, number(score, digits=1)),
    )
