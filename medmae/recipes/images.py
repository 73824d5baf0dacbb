"""Images of any source, as a recipe names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from medmae.data.images.source import read_images
from medmae.data.splits import FRACTIONS
from medmae.data.table import Table
from medmae.weights.about import read_about


class Images(Table):
    """What :func:`~medmae.data.images.source.read_images` finds, with a split for every image.

    Args:
        source: See there, as for the others.
        subject_from: Regular expression on file names, whose first group is the patient.
        fractions: Shares of train, val, test, where the source names no splits.
        seed: Of that draw.
        weights_in: Folder of the weights that are used on them. If nothing else is said of patients and shares, and
            these are the images that the training read, they are split as they were there; None asks no weights.

    Attributes:
        splitting: The options that were taken, by name.
    """

    def __init__(
        self,
        *,
        source: str | Path,
        subject_from: str | None = None,
        fractions: Sequence[float] = FRACTIONS,
        seed: int = 0,
        weights_in: str | Path | None = None,
    ) -> None:
        own = {"subject_from": subject_from, "fractions": list(fractions), "seed": seed}
        known = _splits_in(weights_in) if weights_in is not None and own == _UNSAID else []
        splitting, found = next(_of_training(source, known), (own, None))
        if found is None:
            found = read_images(source, subject_from=subject_from, fractions=fractions, seed=seed)
        super().__init__(**{column.name: getattr(found, column.name) for column in fields(found)})
        object.__setattr__(self, "splitting", splitting)  # of a frozen class


_UNSAID = {"subject_from": None, "fractions": list(FRACTIONS), "seed": 0}


def _splits_in(folder: str | Path) -> list[Mapping[str, Any]]:
    """What the weights in a folder say of their training, of those that say how its images were split."""
    said = [read_about(path) for path in sorted(Path(folder).glob("*.safetensors"))]
    return [about for about in said if about.get("splits") and about["splits"] != _UNSAID]


def _of_training(source: str | Path, known: Sequence[Mapping[str, Any]]) -> Iterator[tuple[dict[str, Any], Table]]:
    """Options and images, if these are those of a training."""
    for about in known:
        try:
            found = read_images(source, **about["splits"])
        except ValueError:  # others, whose names do not suit
            continue
        if found.sha256 == about["data"]["sha256"]:
            yield dict(about["splits"]), found
