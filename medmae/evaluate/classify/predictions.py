"""What a trained classifier says of images: a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from medmae.data.samples import Samples
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.classify.predict import each_prediction, probabilities
from medmae.evaluate.features.views_of_units import ViewsOfUnits
from medmae.evaluate.tables import write_csv

TABLE = "predictions.csv"


@torch.no_grad()
def predict_images(
    *,
    images: Samples,
    network: nn.Module,
    name: str | Sequence[str],
    classes: Sequence[str],
    out: str | Path,
    several: bool = False,
    batch_size: int = 64,
    num_workers: int = 0,
    device: torch.device | str = "cpu",
) -> Path:
    """Writes ``<out>/predictions.csv``: ``image``, ``predicted``, and ``p_<class>`` of every class.

    Views of one unit, such as clips of a video, are one row: the mean of their probabilities.

    Args:
        images: Float32, of the size and channels that the network takes; they need no class.
        network: ``(B, C, *size)``, or several kinds by name, -> logits ``(B, K)``.
        name: Of the kind of data that the network takes; names, if it takes them by name.
        classes: K names, in the order of the outputs.
        out: Folder.
        several: Whether classes do not exclude each other: all above one half are predicted, none perhaps.
        batch_size: Images at once.
        num_workers: Processes that read images.
        device: Where to compute.

    Raises:
        DataError: If no image can be read, or the network knows another number of classes.
        SomeFailedError: At the end, with the images that cannot be read; the table holds the others.
    """
    rows: list[dict[str, object]] = []
    failed: dict[int, str] = {}
    units = ViewsOfUnits.of(images) or images
    found = each_prediction(
        network,
        units,
        name=name,
        link=torch.sigmoid if several else probabilities,
        device=device,
        batch_size=batch_size,
        workers=num_workers,
        left_out=failed,
        description="Classifying",
    )
    for numbers, said in found:
        if said.shape[1] != len(classes):
            raise DataError(
                f"the network knows {said.shape[1]} classes",
                field="classes",
                value=list(classes),
                remedy="name the classes of its training",
            )
        for number, shares in zip(numbers, said.tolist(), strict=True):
            named = {f"p_{name}": share for name, share in zip(classes, shares, strict=True)}
            likeliest = classes[max(range(len(shares)), key=shares.__getitem__)]
            above = [name for name, share in zip(classes, shares, strict=True) if share > 0.5]
            predicted = ", ".join(above) if several else likeliest
            rows.append({"image": units.describe(number)["case"], "predicted": predicted, **named})
    left_out = [f"{units.describe(number)['case']} ({reason})" for number, reason in failed.items()]
    if not rows:
        raise DataError(
            f"none of {len(units)} images can be read; the first are {'; '.join(left_out[:5])}",
            path=images.source.path,
            remedy="copy them again",
        )
    write_csv(Path(out) / TABLE, rows)
    if left_out:
        raise SomeFailedError(f"{len(left_out)} of {len(units)} images were left out: {'; '.join(left_out)}")
    return Path(out) / TABLE
