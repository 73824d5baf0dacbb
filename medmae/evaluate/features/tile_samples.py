"""Labelled tiles and images as few-label evaluation takes them: labels, names and patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medmae.data.images.dataset import ImageDataset
from medmae.data.slides.tiles import UNLABELLED, TileDataset
from medmae.errors import DataError
from medmae.evaluate.classify.few_label_scores import Samples, Unit


def samples_of(tiles: TileDataset, test: TileDataset | None = None) -> Samples:
    """Labels, names and patients of the tiles, those of the test set last.

    Patients are the groups where they are known, slides where only these are; where neither is, there are none.

    Raises:
        DataError: If a tile has no label, or the sets have other classes.
    """
    sets = [tiles] if test is None else [tiles, test]
    flags = {flag for some in sets for row in some.rows for flag in row.get("flags", ())}
    return _samples(
        sets,
        grouped="split_by_image" not in flags,
        unit="slide" if "no_patient" in flags else "patient",
        item="tile",
        columns=("case", "slide", "tile", "x", "y"),
    )


def image_samples(train: ImageDataset, test: ImageDataset) -> Samples:
    """Labels, names and patients of images, those of the test set last; see :func:`samples_of`."""
    known = train.knows_patients and test.knows_patients
    return _samples([train, test], grouped=known, unit="patient", item="image", columns=("case", "subject"))


def _samples(
    sets: Sequence[TileDataset | ImageDataset], *, grouped: bool, unit: Unit, item: str, columns: Sequence[str]
) -> Samples:
    first, last = sets[0], sets[-1]
    if last.classes != first.classes:
        raise DataError(
            "the test set has other classes",
            path=last.manifest.path,
            field="classes",
            value=(first.classes, last.classes),
            remedy="name the same classes for both",
        )
    labels = np.concatenate([some.labels for some in sets]).astype(np.int64)
    if (labels == UNLABELLED).any():
        raise DataError(
            f"{(labels == UNLABELLED).sum()} {item}s have no label",
            path=first.manifest.path,
            field="label",
            remedy=f"name the classes: {item}s of none of them are left out",
        )
    own = np.zeros(len(labels), dtype=bool)
    own[len(first) :] = True
    abouts = [some.describe(index) for some in sets for index in range(len(some))]
    return Samples(
        labels=labels,
        classes=first.classes,
        names=[{key: about.get(key, "") for key in columns} for about in abouts],
        groups=np.concatenate([some.subjects for some in sets]) if grouped else None,
        unit=unit,
        test=own if len(sets) > 1 else None,
        item=item,
    )
