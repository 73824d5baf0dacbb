"""Files of meshes, read by trimesh: off, ply, stl, obj."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np

from medmae.data.points.shape import Shape
from medmae.errors import DataError
from medmae.reading import check_budget, reading

MESHES = (".off", ".ply", ".stl", ".obj")
Unit = Literal["mm", "cm", "m", "inch"]
UNITS: dict[Unit, float] = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4}  # millimetres
_SAID = re.compile(rb"units?\W{0,3}(millimet|mm\b|centimet|cm\b|met[er]{2}|m\b|inch|in\b)", re.IGNORECASE)
_WORDS: dict[bytes, Unit] = {b"mi": "mm", b"mm": "mm", b"ce": "cm", b"cm": "cm", b"me": "m", b"m": "m", b"in": "inch"}
_HEAD = 4096  # bytes in which writers leave comments
_BYTES_A_BYTE = 40  # of memory while a text of numbers is read


def read_mesh(path: Path, *, limit_gb: float) -> Shape:
    """All triangles (polygons are cut), or all points where there are none, of all parts of a file.

    Colours, normals and whatever else goes with a corner is not taken.

    Raises:
        DataError: If it cannot be read, or would take more memory than the limit.
        ModuleNotFoundError: Without trimesh.
    """
    with reading(path):
        size = path.stat().st_size
    check_budget(size * _BYTES_A_BYTE, path=path, field="bytes", value=size, limit_gb=limit_gb)
    try:
        import trimesh
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("meshes need the package trimesh: pip install trimesh") from error
    with reading(path, what="the mesh", remedy="export it again"):
        scene = trimesh.load_scene(path, process=False)
        parts = [np.asarray(part.vertices, dtype=np.float64) for part in scene.dump()]
        faces = [np.asarray(getattr(part, "faces", np.zeros((0, 3))), dtype=np.int64) for part in scene.dump()]
    if not parts or not sum(map(len, parts)):
        raise DataError(
            "there is no point in this mesh", path=path, field="vertices", value=0, remedy="export it again"
        )
    firsts = np.cumsum([0, *map(len, parts[:-1])])
    whole = np.concatenate([own + first for own, first in zip(faces, firsts, strict=True)])
    return Shape(np.concatenate(parts), whole if len(whole) else None)


def said_unit(path: Path) -> Unit | None:
    """The unit that a comment in the head of a file names, as in ``comment units: inches``; None of most."""
    with path.open("rb") as file:
        found = _SAID.search(file.read(_HEAD))
    return None if found is None else _WORDS[found[1][:2].lower()]
