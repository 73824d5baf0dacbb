"""What a trained classifier says of images: a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from medmae.data.samples import Samples
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.classify.predict import each_prediction
from medmae.evaluate.features.views_of_units import ViewsOfUnits
from medmae.evaluate.tables import write_csv

TABLE = "predictions.csv"


@torch.no_grad()
def predict_images(
    *,
    images: Samples,
    network: nn.Module,
    name: str,
    classes: Sequence[str],
    out: str | Path,
    batch_size: int = 64,
    num_workers: int = 0,
    device: torch.device | str = "cpu",
) -> Path:
    """Writes ``<out>/predictions.csv``: ``image``, ``predicted``, and ``p_<class>`` of every class.

    Views of one unit, such as clips of a video, are one row: the mean of their probabilities.

    Args:
        images: Float32, of the size and channels that the network takes; they need no class.
        network: ``(B, C, *size)`` -> logits ``(B, K)``.
        name: Of the kind of data that the network takes.
        classes: K names, in the order of the outputs.
        out: Folder.
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
        device=device,
        batch_size=batch_size,
        workers=num_workers,
        left_out=failed,
        description="Classifying",
    )
    for numbers, probabilities in found:
        if probabilities.shape[1] != len(classes):
            raise DataError(
                f"the network knows {probabilities.shape[1]} classes",
                field="classes",
                value=list(classes),
                remedy="name the classes of its training",
            )
        for number, shares in zip(numbers, probabilities.tolist(), strict=True):
            named = {f"p_{name}": share for name, share in zip(classes, shares, strict=True)}
            predicted = classes[max(range(len(shares)), key=shares.__getitem__)]
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
