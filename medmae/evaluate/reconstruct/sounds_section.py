"""The section of sounds: players of what was given, and of what was made of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from medmae.evaluate.reconstruct.sounds import FOLDER, RECORD
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder, read_json
from medmae.report.page import Section, table
from medmae.report.text import number

LEAD = (
    "Both sounds of a row were made from spectrograms by the algorithm of Griffin and Lim, which guesses phases: they "
    "differ by what was hidden and rebuilt. They are for the ear, not for a finding, and a figure of neither stands "
    "anywhere. Whoever has this page can hear them: of patients and of voices they are personal data."
)


def sounds(folder: RunFolder) -> Section | None:
    """Build the section of players; sounds are part of the page."""
    place = folder.path / "evaluation" / FOLDER
    rows = read_json(place / RECORD, default=[])
    if not isinstance(rows, list) or not rows:
        return None
    body = [
        [row.get("case", ""), row.get("label", ""), f"{number(100 * float(row['hidden']), digits=0)} %",
         _player(place, row, "given"), _player(place, row, "rebuilt")]
        for row in rows
    ]  # fmt: skip
    return Section(
        title="Sounds", lead=LEAD, blocks=[table(["Case", "Label", "Hidden", "Given", "Rebuilt"], body, numeric={2})]
    )


def _player(place: Path, row: Mapping[str, Any], name: str) -> Markup:
    content = base64.b64encode((place / Path(str(row[name])).name).read_bytes()).decode("ascii")
    label = f"{row.get('case', '')}, {name}"
    return Markup('<audio controls preload="none" aria-label="{}" src="data:audio/wav;base64,{}"></audio>').format(
        label, content
    )


register(Evaluation(name="sounds", files=(f"{FOLDER}/*",), sections={107: sounds}))
