"""Surfaces in VTK's legacy files (``.vtk``): POLYDATA, as text or binary, of versions 2 to 5."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medmae.data.points.shape import Shape
from medmae.errors import DataError
from medmae.reading import check_budget, reading

_TYPES = {"float": ">f4", "double": ">f8", "int": ">i4", "long": ">i8", "vtktypeint64": ">i8", "unsigned_char": ">u1"}
_SURFACES = {"POLYGONS", "TRIANGLE_STRIPS"}


def read_vtk(path: Path, *, limit_gb: float) -> Shape:
    """Points and polygons, which are cut into triangles; what goes with points and cells is not taken.

    Raises:
        DataError: If it is another kind of data set, or damaged.
    """
    with reading(path):
        raw = path.read_bytes()
    check_budget(len(raw) * 10, path=path, field="bytes", value=len(raw), limit_gb=limit_gb)
    with reading(path, what="the VTK file", remedy="export it again, as POLYDATA, STL or PLY"):
        return _Reader(raw, path).shape()


class _Reader:
    def __init__(self, raw: bytes, path: Path) -> None:
        self.raw, self.path, self.at = raw, path, 0
        version, _, kind, self.dataset = (self.line() for _ in range(4))
        self.major = int(version.rpartition(" ")[2].partition(".")[0])
        self.text = kind.upper() == "ASCII"
        if self.dataset.upper().split() != ["DATASET", "POLYDATA"]:
            raise DataError(
                "this VTK file holds no surface",
                path=path,
                field="DATASET",
                value=self.dataset[:60],
                remedy="extract its surface and save it as POLYDATA, STL or PLY",
            )

    def line(self) -> str:
        """The next one that is not empty."""
        while self.at < len(self.raw):
            end = self.raw.find(b"\n", self.at)
            end = len(self.raw) if end < 0 else end
            found, self.at = self.raw[self.at : end].decode("ascii", "replace").strip(), end + 1
            if found:
                return found
        return ""

    def numbers(self, count: int, kind: str) -> np.ndarray:
        """The next so many."""
        if self.text:
            words = self.raw[self.at :].split(None, count)  # the rest is its last part
            if len(words) < count:
                raise ValueError(f"{len(words)} of {count} numbers")
            self.at = len(self.raw) - (len(words[count]) if len(words) > count else 0)
            return np.array(words[:count], dtype=np.float64)
        dtype = np.dtype(_TYPES[kind.lower()])
        found = np.frombuffer(self.raw, dtype, count, self.at)
        self.at += count * dtype.itemsize
        return found.astype(np.float64)

    def shape(self) -> Shape:
        """All points and polygons."""
        points, triangles = np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
        while words := self.line().split():
            name = words[0].upper()
            if name == "POINTS":
                points = self.numbers(3 * int(words[1]), words[2]).reshape(-1, 3)
            elif name in {*_SURFACES, "LINES", "VERTICES"}:
                cells = self.cells(int(words[1]), int(words[2]))
                if name == "TRIANGLE_STRIPS" and cells:
                    raise DataError("strips of triangles are not read", path=self.path, remedy="triangulate it first")
                if name == "POLYGONS":
                    triangles = _fans(cells)
            elif name in ("POINT_DATA", "CELL_DATA"):
                break
        return Shape(points, triangles if len(triangles) else None)

    def cells(self, count: int, size: int) -> list[np.ndarray]:
        """Numbers of the corners of each cell."""
        if self.major < 5:  # each cell begins with its number of corners
            flat = self.numbers(size, "int").astype(np.int64)
            found, at = [], 0
            for _ in range(count):
                found.append(flat[at + 1 : at + 1 + flat[at]])
                at += int(flat[at]) + 1
            return found
        offsets = self.numbers(count, self.line().split()[1]).astype(np.int64)
        flat = self.numbers(size, self.line().split()[1]).astype(np.int64)
        return np.split(flat, offsets[1:-1])


def _fans(cells: list[np.ndarray]) -> np.ndarray:
    """Triangles of polygons, each from its first corner, ``(F, 3)``."""
    found = [np.stack([np.full(len(c) - 2, c[0]), c[1:-1], c[2:]], axis=1) for c in cells if len(c) > 2]
    return np.concatenate(found) if found else np.zeros((0, 3), dtype=np.int64)
