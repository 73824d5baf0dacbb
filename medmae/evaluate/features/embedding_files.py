"""Embeddings of a slide as one HDF5 file, laid out as CLAM, TRIDENT and what builds on them read it.

``features`` float16 or float32 ``(N, D)``; of slides ``coords`` int64 ``(N, 2)``, x and y of each tile's top left
corner in level-0 pixels; ``patch_tokens`` ``(N, P, D)`` on request; of tiles that come from no slide ``names``.

Attributes of the file say what they were made of: ``case``, ``subject``, ``encoder``, ``encoder_sha256``, ``pool``,
``source_sha256``. Attributes of ``coords`` are those of the other tools, in whole pixels as these want them
(``patch_size``, ``patch_size_level0``, ``patch_level``, ``level0_magnification``, ``target_magnification``,
``downsample``, ``overlap``, ``level0_width``, ``level0_height``, ``name``), and ours: ``mpp`` and ``grid``, the exact
:class:`~medmae.data.slides.slide_grid.SlideGrid` as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from medmae.data.hdf5 import open_hdf5
from medmae.data.slides.slide_grid import SlideGrid
from medmae.errors import DataError
from medmae.files import atomic_write

Precision = Literal["float16", "float32"]
FORMAT = "medmae embeddings 1"
_REMEDY = "delete the file and embed the slide again"
# Microns a pixel below which a slide counts as scanned at a nominal magnification: TRIDENT's table.
_MAGNIFICATIONS = ((0.16, 80), (0.2, 60), (0.3, 40), (0.6, 20), (1.2, 10), (2.4, 5))
Part = tuple[Sequence[int], np.ndarray, np.ndarray | None]  # places, features (B, D), patch tokens (B, P, D)


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """What a file holds.

    Attributes:
        path: The file.
        about: Its attributes.
        features: ``(N, D)`` float32.
        coords: ``(N, 2)`` int64; None of tiles that come from no slide.
        grid: Where tiles lie; None if there are no coordinates, or another tool wrote them.
        names: Of such tiles; else empty.
    """

    path: Path
    about: Mapping[str, Any]
    features: np.ndarray
    coords: np.ndarray | None = None
    grid: SlideGrid | None = None
    names: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.features)


def write_embeddings(
    path: str | Path,
    parts: Iterable[Part],
    *,
    about: Mapping[str, str | int],
    coords: np.ndarray | None = None,
    grid: SlideGrid | None = None,
    names: Sequence[str] = (),
    precision: Precision = "float16",
) -> Path:
    """Writes one file as its parts come, whole or not at all.

    Args:
        path: Where.
        parts: Places among ``coords`` or ``names``, features ``(B, D)`` and patch tokens ``(B, P, D)`` or None; places
            that are in no part are left out of the file, which says how many.
        about: Attributes of the file.
        coords: ``(N, 2)``, of slides.
        grid: Of slides.
        names: One a tile, of other tiles.
        precision: Of features and tokens.

    Raises:
        DataError: If a feature is not finite, in this precision, or there is none.
    """
    count = len(names) if coords is None else len(coords)
    with atomic_write(path) as raw, h5py.File(raw, "w") as file:
        file.attrs.update({"format": FORMAT, **about})
        kept: list[int] = []
        for places, features, tokens in parts:
            named = {"features": features} if tokens is None else {"features": features, "patch_tokens": tokens}
            for name, values in named.items():
                with np.errstate(over="ignore"):  # what overflows is refused
                    values = values.astype(precision)
                _put(file, name, values, start=len(kept), count=count, path=Path(path))
            kept += places
        _finish(file, kept, count=count, path=Path(path))
        if coords is not None and grid is not None:
            file["coords"] = coords[kept].astype(np.int64)
            file["coords"].attrs.update(_places(grid, str(about.get("case", Path(path).stem))))
        else:
            file["names"] = [names[place] for place in kept]
    return Path(path)


def read_embeddings(path: str | Path) -> Embeddings:
    """Reads a file, ours or another tool's with ``features``; patch tokens stay in it (open it with h5py).

    Raises:
        DataError: If it is missing, no HDF5, damaged, or without features.
    """
    path = Path(path)
    with open_hdf5(path, reads=("features", "coords", "names"), remedy=_REMEDY) as file:
        if "features" not in file:
            raise _unreadable(path, f"it holds {', '.join(file) or 'nothing'}, and no features")
        features = file["features"][()]
        features = features.reshape(-1, features.shape[-1]).astype(np.float32)  # some tools write (1, N, D)
        coords, about = None, {name: _plain(value) for name, value in file.attrs.items()}
        grid = None
        if "coords" in file:
            coords = file["coords"][()].reshape(-1, 2).astype(np.int64)
            text = file["coords"].attrs.get("grid")
            grid = None if text is None else SlideGrid.from_dict(json.loads(text))
        names = [name.decode() for name in file["names"][()]] if "names" in file else []
    if coords is not None and len(coords) != len(features):
        raise _unreadable(path, f"it holds {len(features)} features at {len(coords)} places")
    return Embeddings(path=path, about=about, features=features, coords=coords, grid=grid, names=names)


def attributes_of(path: Path) -> dict[str, Any]:
    """Attributes of a file; empty if it is none that can be read."""
    try:
        with open_hdf5(path) as file:
            return {name: _plain(value) for name, value in file.attrs.items()}
    except DataError:
        return {}


def _put(file: h5py.File, name: str, values: np.ndarray, *, start: int, count: int, path: Path) -> None:
    if not np.isfinite(values).all():
        raise DataError(
            f"{name} are not finite in {values.dtype}",
            path=path,
            field=name,
            value=start + int(np.argwhere(~np.isfinite(values))[0][0]),
            remedy='write precision "float32", or look at the weights',
        )
    if name not in file:
        file.create_dataset(name, (count, *values.shape[1:]), maxshape=(count, *values.shape[1:]), dtype=values.dtype)
    file[name][start : start + len(values)] = values


def _finish(file: h5py.File, kept: Sequence[int], *, count: int, path: Path) -> None:
    """Cuts what was made for all to what came."""
    if not kept and count:
        raise DataError(
            f"none of {count} can be read", path=path, remedy="see the warnings, and prepare the data again"
        )
    file.attrs["left_out"] = count - len(kept)
    for values in file.values():
        values.resize(len(kept), axis=0)


def _places(grid: SlideGrid, name: str) -> dict[str, Any]:
    edge, downsample = sum(grid.tile_size) / 2, sum(grid.downsample) / 2
    mpp = sum(grid.mpp) / 2
    magnification = next((power for limit, power in _MAGNIFICATIONS if mpp < limit), 10 / mpp)
    return {
        # CLAM reads so many pixels of the level, TRIDENT so many at the target magnification: both are this area.
        "patch_size": round(edge / downsample),
        "patch_size_level0": round(edge),
        "patch_level": grid.level,
        "level0_magnification": magnification,
        "target_magnification": magnification / downsample,
        "downsample": grid.downsample,
        "overlap": max(round((grid.microns - grid.stride) / mpp / downsample), 0),
        "level0_width": grid.slide_size[0],
        "level0_height": grid.slide_size[1],
        "name": name,
        "mpp": grid.mpp,
        "grid": json.dumps(grid.to_dict()),
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever HDF5 holds
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _unreadable(path: Path, reason: str) -> DataError:
    return DataError(f"these embeddings cannot be read: {reason}", path=path, remedy=_REMEDY)
