"""Simulated faces whose action units are known: landmarks of a person, moved by units, drawn as a plain picture.

A person has proportions, colours, brows and hair of its own; a picture has light, a background, a slight turn, blur and
noise. This is a drawing: nothing measured on it says anything of people, and no person is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from data_prep.face_units import Moved, moved
from medmae.face import MIRRORED, PARTS, TEMPLATE

_FINE = 3  # pixels drawn for one that is kept, along each axis
Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody, as far as is drawn.

    Attributes:
        points: Landmarks of the neutral face ``(68, 2)``.
        skin: Colour, each channel in [0, 255].
        hair: Likewise.
        lips: Likewise.
        iris: Likewise.
        brow: Half the thickness of brows, in shares of the crop.
        lined: How much creases show even at rest, in [0, 1].
        expressive: Factor of how far units move it.
    """

    points: np.ndarray
    skin: Colour
    hair: Colour
    lips: Colour
    iris: Colour
    brow: float
    lined: float
    expressive: float

    @classmethod
    def of(cls, seed: int) -> Person:
        """A person by number."""
        rng = np.random.default_rng((seed, 11))
        light = rng.uniform(0.4, 1.0)
        skin = np.array([230, 190, 165]) * light + rng.normal(0, 8, 3)
        return cls(
            points=_proportions(rng),
            skin=_colour(skin),
            hair=_colour(np.array([70, 50, 35]) * rng.uniform(0.3, 2.2) + rng.normal(0, 8, 3)),
            lips=_colour(skin * [0.92, 0.62, 0.62] + rng.normal(0, 6, 3)),
            iris=_colour(rng.uniform([30, 30, 20], [110, 120, 130])),
            brow=rng.uniform(0.008, 0.017),
            lined=rng.uniform(0.0, 0.35),
            expressive=rng.uniform(0.7, 1.15),
        )


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A picture of a face.

    Attributes:
        pixels: uint8 ``(S, S, 3)``.
        landmarks: ``(68, 2)`` in shares of the picture.
    """

    pixels: np.ndarray
    landmarks: np.ndarray


def draw_face(person: Person, strengths: Mapping[str, float], *, size: int = 96, seed: int = 0) -> Drawn:
    """One picture.

    Args:
        person: Whose.
        strengths: Of units (:data:`data_prep.face_units.UNITS`), from 0 to 1.
        size: S, pixels.
        seed: Of light, background, turn and noise.
    """
    rng = np.random.default_rng((seed, 13))
    face = moved(person.points, {name: person.expressive * value for name, value in strengths.items()})
    turn = _turn(rng)
    points = turn(face.points)
    lines = [(turn(line), depth) for line, depth in face.lines]
    picture = Image.new("RGB", (size * _FINE, size * _FINE), _colour(rng.uniform(40, 220, 3)))
    _paint(ImageDraw.Draw(picture), Moved(points, lines, face.shut), person, scale=size * _FINE)
    smooth = picture.filter(ImageFilter.GaussianBlur(_FINE * rng.uniform(0.2, 0.7)))
    pixels = np.asarray(smooth.resize((size, size), Image.Resampling.BOX), dtype=np.float32)
    y, x = np.mgrid[:size, :size] / size - 0.5
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.5)
    lit = rng.uniform(0.75, 1.15) * (1 + strength * (x * np.cos(angle) + y * np.sin(angle)))
    noisy = pixels * lit[:, :, None] + rng.normal(0, rng.uniform(1, 6), pixels.shape)
    return Drawn(pixels=noisy.clip(0, 255).astype(np.uint8), landmarks=points.astype(np.float32))


def _proportions(rng: np.random.Generator) -> np.ndarray:
    """Landmarks of a neutral face: wider or longer, parts higher, lower or larger, and not quite symmetric."""
    points = np.array(TEMPLATE)
    middle = np.array([0.5, 0.5])
    points = middle + (points - middle) * rng.normal(1, [0.05, 0.04])
    for part, moves, grows in (
        ("left brow", 0.012, 0.08),
        ("left eye", 0.006, 0.10),
        ("nostrils", 0.012, 0.12),
        ("outer lips", 0.012, 0.10),
        ("jaw", 0.010, 0.04),
    ):
        some = [*PARTS[part], *(PARTS["inner lips"] if part == "outer lips" else ())]
        both = sorted({*some, *(MIRRORED[point] for point in some)})
        down, width, height = rng.normal(0, moves), *rng.normal(1, grows, 2)
        for group in [some, [MIRRORED[point] for point in some]] if part.startswith("left") else [both]:
            centre = points[group].mean(axis=0)
            points[group] = centre + (points[group] - centre) * [width, height] + [0, down]
    return points + rng.normal(0, 0.002, points.shape)


def _turn(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """A slight rotation, change of scale and shift, as alignment leaves them."""
    angle, scale, shift = rng.normal(0, 0.06), rng.normal(1, 0.03), rng.normal(0, 0.012, 2)
    turned = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return lambda points: (points - 0.5) @ turned.T + 0.5 + shift


def _paint(draw: ImageDraw.ImageDraw, face: Moved, person: Person, *, scale: int) -> None:
    points = face.points * scale
    skin = np.array(person.skin)

    def area(some: Sequence[int] | np.ndarray, colour: Colour) -> None:
        outline = some if isinstance(some, np.ndarray) else points[list(some)]
        draw.polygon([tuple(point) for point in outline], fill=colour)

    def line(some: np.ndarray, colour: Colour, width: float) -> None:
        draw.line([tuple(point) for point in some], fill=colour, width=max(round(width * scale), 1), joint="curve")

    crown = _crown(points)
    head = np.concatenate([points[:17], crown])
    chin = points[8]
    neck = np.array([[points[5][0], chin[1] - 0.06 * scale], [points[11][0], chin[1] - 0.06 * scale]])
    area(np.concatenate([neck, neck[::-1] + np.array([0, 0.5 * scale])]), _colour(skin * 0.85))
    area(crown.mean(axis=0) + (np.concatenate([points[[0, 16]], crown]) - crown.mean(axis=0)) * 1.12, person.hair)
    area(head, person.skin)
    for creases, depth in [*face.lines, *((crease, 0.3 * person.lined) for crease in _at_rest(face.points))]:
        line(creases * scale, _colour(skin * (1 - 0.45 * min(depth, 1.0))), 0.007)
    for side in ("left", "right"):
        _eye(area, line, points[list(PARTS[f"{side} eye"])], person, shut=face.shut, scale=scale)
        line(points[list(PARTS[f"{side} brow"])], person.hair, 2 * person.brow)
    line(points[[27, 28, 29, 30]], _colour(skin * 0.88), 0.008)
    line(points[31:36], _colour(skin * 0.65), 0.010)
    area(range(48, 60), person.lips)
    area(range(60, 68), (45, 15, 15))
    line(points[[60, 61, 62, 63, 64]], _colour(np.array(person.lips) * 0.6), 0.006)


def _eye(
    area: Callable[..., None], line: Callable[..., None], rim: np.ndarray, person: Person, *, shut: float, scale: int
) -> None:
    area(rim, (240, 238, 235))
    centre, high = rim.mean(axis=0), np.ptp(rim[:, 1])
    turns = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    if shut < 0.7:
        radius = min(0.021 * scale, 0.75 * high)
        for share, colour in ((1.0, person.iris), (0.5, (10, 10, 10))):
            area(centre + share * radius * np.stack([np.cos(turns), np.sin(turns)], axis=1), colour)
    line(rim[:4], _colour(np.array(person.skin) * 0.4), 0.008)
    line(rim[[3, 4, 5, 0]], _colour(np.array(person.skin) * 0.65), 0.004)


def _crown(points: np.ndarray) -> np.ndarray:
    """The upper half of the head, from the right ear to the left one."""
    right, left = points[16], points[0]
    centre, width = (left + right) / 2, (right[0] - left[0]) / 2
    turns = np.linspace(0, np.pi, 14)[1:-1]
    return centre + np.stack([width * np.cos(turns), -1.05 * width * np.sin(turns)], axis=1)


def _at_rest(points: np.ndarray) -> list[np.ndarray]:
    """Folds from nose to mouth, which the years leave."""
    return [
        np.stack([points[nose], (points[nose] + points[corner]) / 2 + [side, 0], points[corner] + [1.5 * side, 0]])
        for nose, corner, side in ((31, 48, -0.02), (35, 54, 0.02))
    ]


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = np.clip(np.round(values), 0, 255).astype(int).tolist()
    return red, green, blue
