"""Labelled tiles and images as few-label evaluation takes them: labels, names and patients."""

from __future__ import annotations

import numpy as np

from medmae.data.labels import UNLABELLED
from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.classify.few_label_scores import Samples as Labelled
from medmae.evaluate.features.embeddings import rows_of

_COLUMNS = {"tile": ("case", "slide", "tile", "x", "y"), "image": ("case", "subject")}


def samples_of(tiles: Samples, test: Samples | None = None) -> Labelled:
    """Labels, names and patients of tiles or images, those of the test set last.

    Patients are the groups where they are known, slides where only these are; where neither is, there are none.

    Raises:
        DataError: If one has no label, or the sets have other classes.
    """
    sets = [tiles] if test is None else [tiles, test]
    item, first, last = tiles.view.noun, sets[0], sets[-1]
    if last.classes != first.classes:
        raise DataError(
            "the test set has other classes",
            path=last.source.path,
            field="classes",
            value=(first.classes, last.classes),
            remedy="name the same classes for both",
        )
    labels = np.concatenate([some.labels for some in sets])
    if (labels == UNLABELLED).any():
        raise DataError(
            f"{(labels == UNLABELLED).sum()} {item}s have no label",
            path=first.source.path,
            field="label",
            remedy=f"name the classes: {item}s of none of them are left out",
        )
    own = np.zeros(len(labels), dtype=bool)
    own[len(first) :] = True
    abouts = [some.describe(index) for some in sets for index in range(len(some))]
    grouped = all(some.source.unit == "patients" for some in sets)
    flags = {flag for some in sets if item == "tile" for row in rows_of(some) for flag in row.get("flags", ())}
    return Labelled(
        labels=labels,
        classes=first.classes,
        names=[{key: about.get(key, "") for key in _COLUMNS[item]} for about in abouts],
        groups=np.concatenate([some.subjects for some in sets]) if grouped else None,
        unit="slide" if "no_patient" in flags else "patient",
        test=own if len(sets) > 1 else None,
        item=item,
    )
