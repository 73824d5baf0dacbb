"""A folder of frames: which of its files are frames, and in which order."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from medmae.data.video.deep import span_of, to_bytes
from medmae.data.video.stills import is_turned, kind_of, open_still, pixels_of
from medmae.data.video.video import Video
from medmae.errors import DataError

FRAMES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_MASKS = {"mask", "masks", "seg", "segmentation", "label", "labels", "gt", "groundtruth", "annotation", "annotations"}
_COPY = "copy it again"
_SERIES = "keep the frames of each clip in a folder of their own"


class FolderVideo(Video):
    """Pictures that are frames, in the order of the numbers in their names; they have no times.

    A number in a name is not a position: frames may start at any number and leave some out, which is flagged. Masks
    among the frames, known by their names, are left out and counted.
    """

    def _decoded(self) -> Iterator[tuple[np.ndarray, float | None]]:
        self.container = "folder"
        paths = self._ordered()
        self.codec = paths[0].suffix.lower().lstrip(".")
        kinds = {}
        for path in paths:
            with open_still(path) as image:
                kinds[path] = kind_of(image, path)
                if is_turned(image):
                    self.flag("exif_turned")
        self._check_kinds(kinds)
        deep = kinds[paths[0]] == "deep"
        span = span_of(self._pixels(paths)) if deep else (0.0, 255.0)
        if deep:
            self.flag(f"scaled:{span[0]:g}..{span[1]:g}")
        for pixels in self._pixels(paths):
            yield to_bytes(pixels, span) if deep else pixels, None

    def _pixels(self, paths: Sequence[Path]) -> Iterator[np.ndarray]:
        for number, path in enumerate(paths):
            try:
                with open_still(path) as image:
                    pixels = pixels_of(image)
            except (DataError, OSError, SyntaxError, ValueError) as error:
                if not number:
                    raise DataError(
                        f"its first frame is damaged ({error})", path=path, remedy="copy it again"
                    ) from error
                self.damage = f"damaged after {number} frames: {path.name}: {getattr(error, 'reason', error)}"
                return
            yield pixels

    def _ordered(self) -> list[Path]:
        paths = frames_in(self.path)
        masks = [path for path in paths if is_mask(path)]
        frames = [path for path in paths if path not in masks]
        if not frames:
            raise DataError("no frame is in this folder", path=self.path, field="frames", value=0, remedy=_SERIES)
        if masks:
            self.flag(f"masks_left_out:{len(masks)}")
        return self._sorted(frames)

    def _sorted(self, frames: list[Path]) -> list[Path]:
        parts = {path: _parts(path) for path in frames}
        words = {tuple(part for part in some if isinstance(part, str)) for some in parts.values()}
        if len(words) > 1 and any(isinstance(part, int) for some in parts.values() for part in some):
            names = sorted(path.name for path in frames)
            raise DataError(
                "the names of the frames are of different series",
                path=self.path,
                field="names",
                value=[*names[:3], names[-1]],
                remedy=_SERIES,
            )
        if len(words) > 1:
            self.flag("order_by_name")  # without numbers, the alphabet is all there is
            return sorted(frames, key=lambda path: path.name.casefold())
        numbers = {path: [part for part in some if isinstance(part, int)] for path, some in parts.items()}
        column = self._counting(list(numbers.values()))
        ordered = sorted(frames, key=lambda path: numbers[path][column])
        self._tell_gaps([numbers[path][column] for path in ordered])
        return ordered

    def _counting(self, numbers: list[list[int]]) -> int:
        """Which of the numbers in a name counts the frames: the first that differs, and it must do so everywhere."""
        columns = [{row[place] for row in numbers} for place in range(len(numbers[0]))]
        varying = [place for place, values in enumerate(columns) if len(values) > 1]
        if len(numbers) == 1:
            return max(len(columns) - 1, 0)
        if not varying or len(columns[varying[0]]) < len(numbers):
            raise DataError(
                "two frames have the same number: these are several series, or copies",
                path=self.path,
                field="names",
                value=len(numbers),
                remedy=_SERIES,
            )
        return varying[0]

    def _tell_gaps(self, numbers: list[int]) -> None:
        steps = [after - before for before, after in itertools.pairwise(numbers)]
        missing = sum(step // min(steps) - 1 for step in steps) if steps else 0
        if missing:
            self.flag(f"gaps_in_numbers:{missing}")

    def _check_kinds(self, kinds: Mapping[Path, str]) -> None:
        found = {kind: path for path, kind in kinds.items()}
        if len(found) > 1:
            raise DataError(
                "frames of different kinds lie together: "
                + ", ".join(f"{path.name} is {kind}" for kind, path in found.items()),
                path=self.path,
                field="kind",
                value=sorted(found),
                remedy="keep masks in a folder of their own, or make the frames alike",
            )


def frames_in(folder: Path) -> list[Path]:
    """The pictures that lie directly in a folder, hidden ones left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in FRAMES and not path.name.startswith(".") and path.is_file()
    )


def is_mask(path: Path) -> bool:
    """Whether the name of a picture says that it is a mask.

    >>> is_mask(Path("frame_012_mask.png")), is_mask(Path("unmasked7.png"))
    (True, False)
    """
    return bool(_MASKS & set(re.split(r"[^a-z]+", path.stem.lower())))


def _parts(path: Path) -> list[str | int]:
    """Words and numbers of a name, by turns."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", path.stem.casefold()) if part]


def natural(paths: Iterable[Path]) -> list[Path]:
    """Paths in the order in which people count: ``clip2`` before ``clip10``."""
    return sorted(paths, key=lambda path: [(isinstance(part, str), part) for part in _parts(path)])
