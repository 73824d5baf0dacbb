"""The section of embeddings: what lies beside what."""

from __future__ import annotations

from markupsafe import Markup

from medmae.evaluate.features.embedding_map import RECORD
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder
from medmae.report.page import Section
from medmae.report.scatter import scatter_chart
from medmae.report.text import count, words

LAYOUTS = {
    "pca": "The plane in which the features spread most.",
    "tsne": "t-SNE: what lies close together is alike; distances and sizes of groups mean nothing.",
}


def embedding_map(folder: RunFolder) -> Section | None:
    """Build the section from ``embedding_map.json``."""
    found = folder.record(RECORD)
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


register(Evaluation(name="embedding map", files=(RECORD,), sections={320: embedding_map}))
