"""Faces to upright crops: by their landmarks, or by a detector's box where there are none.

By landmarks a face is turned, scaled and moved, and never warped: a side that hangs keeps hanging. Eyes and nose
decide, for mouth, brows and jaw are what moves. Without landmarks the frontal cascade of local binary patterns that
comes with scikit-image finds a box (T. Ojala et al. 2002; a file in its wheel, nothing is fetched); it knows no turn,
and it misses faces from the side. docs/data.md says how often it is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from PIL import Image

from medmae.face import PARTS, TEMPLATE

Align = Literal["auto", "landmarks", "detect", "none"]
_ANCHORS = tuple(range(27, 36))  # the nose; with the centres of both eyes
_SMALL = 160  # pixels of the shorter side that the cascade looks at
_BOX = (0.08, 0.05, 0.92, 0.88)  # left, top, right, bottom of its box, in shares of the crop: measured on one face


@dataclass(frozen=True)
class Crop:
    """An upright crop.

    Attributes:
        pixels: uint8 ``(S, S, 3)``.
        points: Landmarks in shares of the crop ``(68, 2)``, NaN where there are none.
    """

    pixels: np.ndarray
    points: np.ndarray


def aligned(pixels: np.ndarray, points: np.ndarray, *, size: int, align: Align = "auto") -> Crop | None:
    """An upright crop of a picture; None if no face is found in it.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        points: Landmarks in pixels ``(68, 2)``; NaN where there are none.
        size: S.
        align: By landmarks, by detection, or ``auto``: by landmarks where there are any. ``none`` takes the largest
            centred square as it is.
    """
    there = bool(np.isfinite(points).all())
    if align == "none":
        return _placed(pixels, points, _square(pixels.shape[:2]), size=size)
    if align != "detect" and there:
        return _placed(pixels, points, to_template(points), size=size)
    if align == "landmarks":
        return None
    box = detected(pixels)
    return None if box is None else _placed(pixels, points, _of_box(box), size=size)


def fault_of_points(points: np.ndarray, shape: tuple[int, ...]) -> str | None:
    """Why landmarks ``(68, 2)`` cannot be those of a picture of this height and width; None if they can, or are NaN."""
    if not np.isfinite(points).all():
        return None
    low, high, centre = points.min(axis=0), points.max(axis=0), points.mean(axis=0)
    if low.min() >= 0 and high.max() <= 1:
        return "they lie between 0 and 1, and are shares of it, not pixels"
    if not (high - low > 1).all():
        return "they are one point, or one line"
    if not ((centre >= 0) & (centre <= np.array(shape[1::-1]))).all():
        return f"their middle, ({centre[0]:.0f}, {centre[1]:.0f}), lies outside of it"
    return None


def to_template(points: np.ndarray) -> np.ndarray:
    """The similarity ``(2, 3)`` that brings landmarks in pixels ``(68, 2)`` upon a mean face's, least squares."""
    ours, wanted = (_anchors(np.asarray(each, dtype=np.float64)) for each in (points, TEMPLATE))
    middle, target = ours.mean(axis=0), wanted.mean(axis=0)
    first, second = ours - middle, wanted - target
    # Of rotations and scales the best, in complex numbers: one factor.
    factor = np.vdot(first @ [1, 1j], second @ [1, 1j]) / np.vdot(first @ [1, 1j], first @ [1, 1j]).real
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([turn, target - turn @ middle])


def detected(pixels: np.ndarray) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom of the largest frontal face in pixels; None if none is found.

    The picture is continued beyond its edges by a quarter, for the cascade misses faces that fill their picture.
    """
    height, width = pixels.shape[:2]
    scale = min(height, width) / _SMALL
    small = Image.fromarray(pixels).convert("L").resize((max(round(width / scale), 1), max(round(height / scale), 1)))
    beyond = _SMALL // 4
    padded = np.pad(np.asarray(small), beyond, mode="edge")
    found = _cascade().detect_multi_scale(
        img=padded,
        scale_factor=1.15,
        step_ratio=1,
        min_size=(24, 24),
        max_size=padded.shape,
        min_neighbor_number=3,
    )
    if not found:
        return None
    best = max(found, key=lambda one: one["width"])
    left, top = (float(best[axis] - beyond) * scale for axis in ("c", "r"))
    return left, top, left + best["width"] * scale, top + best["height"] * scale


@cache
def _cascade() -> Any:  # noqa: ANN401 - scikit-image's
    from skimage import data
    from skimage.feature import Cascade

    return Cascade(data.lbp_frontal_face_cascade_filename())


def _anchors(points: np.ndarray) -> np.ndarray:
    eyes = [points[list(PARTS[f"{side} eye"])].mean(axis=0) for side in ("left", "right")]
    return np.concatenate([points[list(_ANCHORS)], eyes, eyes, eyes])  # eyes weigh as much as the nose


def _square(shape: tuple[int, ...]) -> np.ndarray:
    height, width = shape
    edge = min(height, width)
    return np.array([[1 / edge, 0, -(width - edge) / 2 / edge], [0, 1 / edge, -(height - edge) / 2 / edge]])


def _of_box(box: tuple[float, float, float, float]) -> np.ndarray:
    left, top, right, _ = box
    scale = (_BOX[2] - _BOX[0]) / (right - left)
    return np.array([[scale, 0, _BOX[0] - scale * left], [0, scale, _BOX[1] - scale * top]])


def _placed(pixels: np.ndarray, points: np.ndarray, move: np.ndarray, *, size: int) -> Crop:
    """The crop that a similarity ``(2, 3)``, from pixels to shares of it, means; black where the picture ends."""
    shrink = max(1, int(1 / (np.hypot(*move[:, 0]) * size)))  # whole means of pixels first, so that none is skipped
    image = Image.fromarray(pixels).reduce(shrink)
    turn, shift = move[:, :2] * size, move[:, 2] * size
    back = np.linalg.inv(turn)
    coefficients = np.column_stack([back, -back @ shift]) / shrink
    crop = image.transform(
        (size, size), Image.Transform.AFFINE, coefficients.ravel().tolist(), Image.Resampling.BICUBIC
    )
    return Crop(pixels=np.asarray(crop), points=(points @ move[:, :2].T + move[:, 2]).astype(np.float32))
