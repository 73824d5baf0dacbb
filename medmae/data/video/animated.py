"""Files of several pictures through Pillow: GIF, animated WebP and PNG, TIFF of several pages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from PIL import Image

from medmae.data.video.deep import span_of, to_bytes
from medmae.data.video.stills import DAMAGED, kind_of, open_still, pixels_of
from medmae.data.video.tiff_pages import check_pages
from medmae.data.video.video import Video
from medmae.errors import DataError

_SHORTEST, _BROWSERS = 0.02, 0.1  # seconds: players show frames of less than the first for the second
_GIF_END = b";"
_SUBFILE, _REDUCED = 254, 1  # tag of a TIFF's page, and its bit of a smaller copy of another page


class PictureVideo(Video):
    """Frames as a viewer composes them: partial frames are laid over what is below, transparent parts show white.

    A delay of less than 20 ms is shown for 100 ms, as browsers do; a delay of 0, or none, tells no time.
    """

    def _decoded(self) -> Iterator[tuple[np.ndarray, float | None]]:
        with open_still(self.path) as image:
            self.container = self.codec = str(image.format)
            if self.container == "TIFF":
                check_pages(self.path, self.flag)
            deep = kind_of(image, self.path) == "deep"
            span = span_of(self._pages(image)) if deep else (0.0, 255.0)
            if deep:
                self.flag(f"scaled:{span[0]:g}..{span[1]:g}")
            time: float | None = 0.0
            for pixels in self._pages(image):
                yield pixels if pixels.dtype == np.uint8 else to_bytes(pixels, span), time
                time = self._after(time, image)
            if self.container == "GIF" and self.damage is None and not self._ends():
                self.damage = "the file has no end mark: it was cut off"

    def _pages(self, image: Image.Image) -> Iterator[np.ndarray]:
        for number in itertools.count():
            try:
                image.seek(number)
                if self._stands_for_others(image, number):
                    self.flag("extra_pictures_left_out")
                    continue
                pixels = pixels_of(image)
                # A GIF's palette may turn from grey to colour; pages of a TIFF may not change.
                yield pixels if self.container == "TIFF" or pixels.shape[-1] == 3 else pixels.repeat(3, axis=-1)
            except EOFError:
                return
            except DAMAGED as error:
                if not number:
                    raise DataError(
                        f"its first picture is truncated or damaged ({error})", path=self.path, remedy="copy it again"
                    ) from error
                self.damage = f"damaged after {number} frames: {error}"
                return

    def _stands_for_others(self, image: Image.Image, number: int) -> bool:
        """Whether a picture is none of the frames: shown by what cannot animate, or a smaller copy."""
        if self.container == "TIFF":
            return bool(int(getattr(image, "tag_v2", {}).get(_SUBFILE, 0)) & _REDUCED)
        return number == 0 and bool(image.info.get("default_image")) and getattr(image, "n_frames", 1) > 1

    def _after(self, time: float | None, image: Image.Image) -> float | None:
        """When the next picture is shown."""
        delay = float(image.info.get("duration", 0)) / 1000
        if time is None or delay <= 0:
            return None
        if delay < _SHORTEST:
            self.flag("short_delays_shown_as_100ms")
        return time + (delay if delay >= _SHORTEST else _BROWSERS)

    def _ends(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-min(64, self.path.stat().st_size), 2)
            return file.read().rstrip(b"\0").endswith(_GIF_END)
