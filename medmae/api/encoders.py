"""A pre-trained encoder, from our files or from published ones."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from torch import nn

from medmae.nn.encoder import Encoder
from medmae.weights import pretrained
from medmae.weights.adapt import Adaptation
from medmae.weights.folders import require_weights
from medmae.weights.trained import encoder_of


def load_encoder(
    path: str | Path,
    *,
    part: str = "encoder",
    into: nn.Module | None = None,
    key_map: str | None = None,
    adapt: Adaptation | Collection[Adaptation] = (),
) -> Encoder:
    """The encoder in a weight file, in evaluation mode.

    A file of ours says which network it is of, and needs no more than its path. A published one does not: build a
    network of its sizes first (``medmae.create("mae", preset="base")``), and say whose layout the file has.

    Args:
        path: ``pretraining.safetensors`` of a run, what ``medmae import`` wrote, or a published file.
        part: Name of the encoder, if a file of ours holds several.
        into: A method, a classifier or an encoder that receives the weights; None builds what the file says.
        key_map: Layout of a published file: ``mae``, ``timm``, ``vit_mae``, ``monai``, ...
        adapt: What may be made to fit in a published file of other sizes: ``positions``, ``channels``, ...

    Raises:
        ValueError: If ``key_map`` or ``adapt`` is not known, with those that are, or given without ``into``.
        DataError: If the file is missing, damaged, does not say whose it is, or does not fit.
    """
    require_weights(path)
    if into is None:
        for name, value in (("key_map", key_map), ("adapt", adapt)):
            if value:
                raise ValueError(
                    f"{name}={value!r} is for published files, which do not say of which network they are: give one of "
                    "their sizes, into=medmae.create(...)"
                )
        found = encoder_of(path, part=part)
    else:
        pretrained.load_encoder(into, path, part=part, key_map=key_map, adapt=adapt)
        found = into if isinstance(into, Encoder) else into.encoder  # type: ignore[assignment]
    assert isinstance(found, Encoder)
    found.eval()
    return found
