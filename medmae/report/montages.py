"""The section of montages: a few cases from the best to the worst, as the evaluation drew them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

from medmae.data.evenly import evenly
from medmae.errors import DataError
from medmae.report.folder import RunFolder, as_float
from medmae.report.page import Section, join, note
from medmae.report.text import count, number, plain

TITLE = "Montages"
SHOWN = 4
MAX_WIDTH = 1000  # pixels; the files are larger
SCORE = "psnr_model_foreground"
LEAD = (
    "Cases from the best to the worst by PSNR in the foreground, evenly spaced in that order, not chosen by hand. "
    "Synthetic images are shown in the window of the real ones. Select a montage to fill the screen."
)


def montages(folder: RunFolder) -> Section | None:
    """Build the section from the pictures that ``metrics.json`` lists."""
    listed = folder.synthesis.get("montages")
    if not isinstance(listed, list) or not listed:
        return None
    scores = {(row.get("case"), row.get("target")): as_float(row.get(SCORE)) for row in folder.scores}
    ranked = sorted(listed, key=lambda drawn: -(scores.get((drawn["case"], drawn["target"])) or 0.0))
    chosen = [ranked[i] for i in evenly(len(ranked), SHOWN).tolist()]
    pictures = [_figure(folder, drawn, scores.get((drawn["case"], drawn["target"]))) for drawn in chosen]
    blocks = [Markup('<div class="panels montages">{}</div>').format(join(pictures))]
    if len(chosen) < len(listed):
        blocks.append(note(f"{len(chosen)} of {count(len(listed), 'montage')}; all lie in evaluation/montage."))
    return Section(title=TITLE, lead=LEAD, blocks=blocks)


def _figure(folder: RunFolder, drawn: Mapping[str, Any], score: float | None) -> Markup:
    case, target = plain(drawn["case"]), plain(drawn["target"])
    return enlargeable(
        folder.path / "evaluation" / "montage" / Path(str(drawn["file"])).name,
        name=f"Montage of {case}, {target}",
        caption=Markup("<b>{}</b> {}, {} dB").format(case, target, number(score, digits=1)),
    )


def enlargeable(path: Path, *, name: str, caption: Markup) -> Markup:
    """A picture that fills the screen when it is selected.

    Args:
        path: Of the picture; a smaller copy goes into the page.
        name: For those who do not see it.
        caption: Below it.

    Raises:
        DataError: If it cannot be read.
    """
    content, (width, height) = _jpeg(path)
    return Markup(
        '<figure><label><input type="checkbox" aria-label="Enlarge {name}">'
        '<img src="data:image/jpeg;base64,{data}" width={w} height={h} alt="{name}"></label>'
        "<figcaption>{caption}</figcaption></figure>"
    ).format(name=name, data=base64.b64encode(content).decode("ascii"), w=width, h=height, caption=caption)


def _jpeg(path: Path) -> tuple[bytes, tuple[int, int]]:
    """A smaller copy of a picture, and its size."""
    try:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        remedy = "run the evaluation again, then `medmae report` on this folder"
        raise DataError(f"the picture cannot be read ({error})", path=path, remedy=remedy) from error
    if small.width > MAX_WIDTH:
        small = small.resize((MAX_WIDTH, round(small.height * MAX_WIDTH / small.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=88, subsampling=0, optimize=True)
    return buffer.getvalue(), small.size
