"""Frames in NumPy's files: ``.npy`` ``(T, H, W[, C])``, or an ``.npz`` with one such array."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medmae.data.npz import read_arrays
from medmae.data.video.deep import span_of, to_bytes
from medmae.data.video.video import Video
from medmae.errors import DataError
from medmae.reading import reading

_NAMES = ("frames", "video", "clip", "images", "image", "arr_0")  # of the array in an .npz


class ArrayVideo(Video):
    """An array of frames: uint8 as it is, other numbers scaled by the span of the clip; it has no times.

    Floats within [0, 1] are taken as such.
    """

    def _decoded(self) -> Iterator[tuple[np.ndarray, float | None]]:
        self.container, self.codec = "NumPy", self.path.suffix.lower().lstrip(".")
        array = self._array()
        self.check_pixels(array.shape[2], array.shape[1])
        span = (0.0, 255.0)
        if array.dtype != np.uint8:
            span = span_of(array)
            if array.dtype.kind == "f" and span[0] >= 0 and span[1] <= 1:
                span = (0.0, 1.0)
            self.flag(f"scaled:{span[0]:g}..{span[1]:g}")
        for frame in array:
            yield np.asarray(frame) if array.dtype == np.uint8 else to_bytes(np.asarray(frame), span), None

    def _array(self) -> np.ndarray:
        if self.path.suffix.lower() == ".npz":
            found = read_arrays(self.path, wanted=self._name)
            array = next(iter(found.values()))
        else:
            with reading(self.path, what="the array", remedy="save it again"):
                array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        if array.ndim == 3 and array.shape[-1] in (1, 3, 4):
            raise DataError(
                "an array of three axes is (T, H, W), and this looks like one picture (H, W, C)",
                path=self.path,
                field="shape",
                value=array.shape,
                remedy="give all frames, or (T, H, W, 1) if frames are so narrow",
            )
        array = array[..., None] if array.ndim == 3 else array
        if array.ndim != 4 or array.shape[-1] not in (1, 3) or 0 in array.shape or array.dtype.kind not in "uif":
            raise DataError(
                "frames are (T, H, W), (T, H, W, 1) or (T, H, W, 3) of numbers",
                path=self.path,
                field="shape, dtype",
                value=(array.shape, str(array.dtype)),
                remedy="transpose it, and save it again",
            )
        return array

    def _name(self, names: list[str]) -> list[str]:
        found = [name for name in _NAMES if name in names] or (names if len(names) == 1 else [])
        if not found:
            raise DataError(
                "none of its arrays is called frames", path=self.path, field="arrays", value=names, remedy="rename one"
            )
        return found[:1]
