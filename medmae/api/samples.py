"""Data of a path as an encoder takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medmae.data.images.pictures import Pictures
from medmae.data.manifest import NAME, Manifest
from medmae.data.rows import kind_of
from medmae.data.samples import Samples
from medmae.data.views import View
from medmae.data.volumes.slices import Slices
from medmae.nn.encoder import Encoder
from medmae.nn.vit import MaskedViT


def samples_of(data: Samples | str | Path, encoder: Encoder, *, split: str | None) -> Samples:
    """Samples as they are; or, of a path, pictures or MR slices of the encoder's size.

    Args:
        data: Samples; or a path of images (see :func:`medmae.data.images.source.read_images`) or prepared volumes.
        encoder: Takes them.
        split: Of what lies at the path; None is all.

    Raises:
        ValueError: If it is a path and the encoder takes something else than pictures, with what to give instead.
        DataError: If the data cannot be used.
    """
    if isinstance(data, Samples):
        return data
    if not isinstance(data, str | Path):
        raise ValueError(f"data must be a path, medmae.data.Samples, a tensor or an array, got a {type(data).__name__}")
    if not isinstance(encoder, MaskedViT) or encoder.patches.ndim != 2:
        kinds = ", ".join(f"{name!r} of axes {', '.join(kind.roles)}" for name, kind in encoder.kinds.items())
        raise ValueError(
            f"the encoder takes {kinds}, of which a path can be read in many ways: say how, data=medmae.data.Samples("
            "source=..., view=medmae.data.Clips(...)), or Crops, Stacks, Pairs"
        )
    return Samples(source=data, view=_view(Path(data), encoder), split=split)


def _view(path: Path, encoder: MaskedViT) -> View[Any]:
    """Slices of prepared volumes; pictures of anything else."""
    rows, columns = encoder.patches.size
    prepared = path.name == NAME or (path / NAME).is_file()
    if not prepared or kind_of(Manifest.read(path).rows[0]) != "volume":
        return Pictures(size=(rows, columns), channels=encoder.patches.channels)
    if rows != columns or encoder.patches.channels != 1:
        raise ValueError(
            f"slices are square and of one contrast, and the encoder takes {encoder.patches.channels} channels of "
            f"{rows} x {columns}: say how to read them, data=medmae.data.Samples(source=..., view=...)"
        )
    return Slices(size=rows)
