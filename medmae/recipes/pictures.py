"""What is to be looked at besides reconstructions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medmae.evaluate.features.embedding_map import Layout
from medmae.evaluate.reconstruct.image_pictures import write_image_pictures
from medmae.evaluate.reconstruct.sounds import write_sounds
from medmae.evaluate.reconstruct.stain_panels import write_stain_panels
from medmae.tokens.spectrogram import LogMel


@dataclass(frozen=True)
class ImagePictures:
    """Attention and embedding maps of images; see :func:`write_image_pictures`.

    Attributes:
        layout: Of the map of embeddings.
        count: Images whose attention is shown.
    """

    layout: Layout = "pca"
    count: int = 8

    def write(self, *, method: Any, held_out: Any, train: Any, out: Path, device: torch.device | str) -> None:  # noqa: ANN401
        """Of held-out images."""
        options: dict[str, Any] = {"layout": self.layout, "count": self.count, "device": device}
        write_image_pictures(encoder=method.encoder, dataset=held_out, out=out, **options)


@dataclass(frozen=True)
class StainPanels:
    """Tiles beside their stains; see :func:`write_stain_panels`."""

    def write(self, *, method: Any, held_out: Any, train: Any, out: Path, device: torch.device | str) -> None:  # noqa: ANN401
        """Of held-out tiles, or, where there are none, of those that were learnt from."""
        write_stain_panels(tiles=held_out if len(held_out) else train, out=out)


@dataclass(frozen=True, kw_only=True)
class Sounds:
    """Sounds to listen to, given and rebuilt; see :func:`write_sounds`.

    Attributes:
        front: That makes the spectrograms.
        count: Samples.
    """

    front: LogMel
    count: int = 3

    def write(self, *, method: Any, held_out: Any, train: Any, out: Path, device: torch.device | str) -> None:  # noqa: ANN401
        """Of held-out sounds; of a method that rebuilds nothing, and where nothing is held out, none."""
        if len(held_out) and method.rebuilds:
            write_sounds(method=method, dataset=held_out, front=self.front, out=out, count=self.count, device=device)
