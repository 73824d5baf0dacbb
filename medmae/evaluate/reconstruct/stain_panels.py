"""A few tiles beside their stains: whether the separation can be believed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from medmae.data.evenly import evenly
from medmae.data.samples import Samples
from medmae.data.slides.stain_tiles import StainTiles
from medmae.evaluate.left_out import read_some
from medmae.evaluate.reconstruct.panels import write_panels
from medmae.tokens.stains import Stains

FOLDER = "stains"  # of an evaluation
_FEW = 6


def write_stain_panels(*, tiles: Samples, out: str | Path, indices: Iterable[int] | None = None) -> None:
    """Writes ``<out>/stains/panels.{json,npz}``: the tile, hematoxylin, eosin, and the tile made of them again.

    What was made again lacks what two stains cannot explain: blood, pigment, ink, or a wrong matrix. A tile that cannot
    be read is warned of and left out.

    Args:
        tiles: The tiles.
        out: Evaluation folder of a run.
        indices: Which of them; None takes a few, evenly spread.
    """
    wanted = evenly(len(tiles), _FEW).tolist() if indices is None else indices
    rows = read_some(lambda index: _row(tiles, index), wanted)
    write_panels(Path(out) / FOLDER, list(rows.values()))


def _row(tiles: Samples, index: int) -> tuple[dict[str, str | int | None], dict[str, np.ndarray]]:
    """What a tile is, and its pictures."""
    assert isinstance(tiles.view, StainTiles)
    tile, stains = tiles.view.stains(tiles.source, tiles.item(index))
    place = tiles.describe(index)
    pictures = {
        "tile": tile / np.float32(255),
        "hematoxylin": stains.hematoxylin / np.float32(255),
        "eosin": stains.eosin / np.float32(255),
        "both": rebuilt(stains),
    }
    where = f"{place['x']}, {place['y']}" if "x" in place else str(place.get("tile", index))
    return {"case": place["case"], "contrast": where, "flag": stains.fit.flag}, pictures


def rebuilt(stains: Stains) -> np.ndarray:
    """RGB ``(H, W, 3)`` in [0, 1] of the two stains alone."""
    pictures = np.stack([stains.hematoxylin, stains.eosin], axis=-1).astype(np.float32)
    codes = -np.log(np.maximum(pictures, 1) / 255)  # (H, W, 2)
    return np.exp(-codes @ stains.fit.matrix.T.astype(np.float32))
