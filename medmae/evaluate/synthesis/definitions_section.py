"""The section of definitions: what each figure of a synthesis means, so that nobody compares unlike numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from medmae.evaluate.synthesis.figures_of_merit import LABELS, RECORD, REGIONS
from medmae.report.folder import RunFolder
from medmae.report.page import Section, details, table
from medmae.report.text import plain, words

TITLE = "Definitions"
LEAD = "Figures compare only with figures of the same definition, data range and mask."


def definitions(folder: RunFolder) -> Section | None:
    """Build the section from ``metrics.json``."""
    record = folder.record(RECORD)
    found = record.get("definitions")
    if not isinstance(found, dict):
        return None
    about = [name for name in ("split", "baselines", "baselines_fitted_on") if name in record]
    rows = [[words(name).capitalize(), plain(record[name])] for name in about]
    blocks = [table(["", ""], rows, wrap={1})] if rows else []
    return Section(title=TITLE, lead=LEAD, blocks=[*blocks, *(_region(name, how) for name, how in found.items())])


def _region(name: str, how: Mapping[str, Any]) -> Markup:
    rows = [[LABELS.get(key, (words(key).capitalize(),))[0], plain(value)] for key, value in how.items()]
    return details(REGIONS.get(name, words(name).capitalize()), table(["", ""], rows, wrap={1}))
