"""Skeletons that move, as SVG without a script: what was given, seen and made, and how far apart they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from medmae.data.evenly import evenly
from medmae.kinds import Kind
from medmae.report.page import join

FRAMES = 32  # at most, of a sequence
SECONDS = 4.0  # of one that says no time
_SIDE, _EDGE = 200, 8  # of a picture, and what stays free
KEY = Markup(
    '<span class="key"><i class="swatch" style="background:var(--s0)"></i>seen</span>'
    '<span class="key"><i class="swatch" style="background:var(--s1)"></i>hidden, and rebuilt</span>'
)
Segments = Iterable[tuple[np.ndarray, np.ndarray]]  # pairs of points (2,)


@dataclass(frozen=True, kw_only=True)
class Moving:
    """One sequence of a skeleton.

    Attributes:
        given: ``(T, V, 2)``, in pixels of a picture, down.
        made: Likewise.
        hidden: ``(T, V)`` bool.
        links: Bones.
        seconds: How long it takes.
    """

    given: np.ndarray
    made: np.ndarray
    hidden: np.ndarray
    links: tuple[tuple[int, int], ...]
    seconds: float

    @classmethod
    def of(cls, kind: Kind, given: np.ndarray, made: np.ndarray, hidden: np.ndarray) -> Moving:
        """Of ``(C, T, V)`` twice and ``(T, V)`` bool: the longest axis up, and that of most movement across.

        Which way is up is told by the unit: of pictures y runs down, of all else up.
        """
        time, joint = kind.axes
        seconds = given.shape[1] * time.step if time.unit == "s" else SECONDS
        frames = evenly(given.shape[1], FRAMES)
        given, made, hidden = given[:, frames], made[:, frames], hidden[frames]
        up, across = _axes(given)
        sign = 1.0 if kind.unit in ("px", "share") else -1.0
        flat = [np.stack([data[across], sign * data[up]], axis=-1) for data in (given, made)]  # (T, V, 2) each
        return cls(
            **dict(zip(("given", "made"), _fitted(flat), strict=True)),
            hidden=hidden,
            links=joint.links,
            seconds=seconds,
        )

    def as_json(self) -> dict[str, object]:
        """For a file."""
        arrays = {name: np.round(getattr(self, name), 1).tolist() for name in ("given", "made")}
        return {**arrays, "hidden": self.hidden.astype(int).tolist(), "links": self.links, "seconds": self.seconds}

    @classmethod
    def from_json(cls, held: Mapping[str, object]) -> Moving:
        """The inverse of :meth:`as_json`."""
        given, made, hidden = (np.array(held[name]) for name in ("given", "made", "hidden"))
        links: Sequence[Sequence[int]] = held["links"]  # type: ignore[assignment]
        return cls(
            given=given,
            made=made,
            hidden=hidden.astype(bool),
            links=tuple((child, parent) for child, parent in links),
            seconds=float(held["seconds"]),  # type: ignore[arg-type]
        )


def moving_figures(moving: Moving) -> Markup:
    """Four pictures side by side, which move together."""
    seen = ~moving.hidden
    everything = np.ones_like(seen)
    pictures = {
        "given": _picture(moving, [(moving.given, everything, "--s0")]),
        "seen": _picture(moving, [(moving.given, seen, "--s0")]),
        "rebuilt": _picture(moving, [(moving.made, seen, "--s0"), (moving.made, moving.hidden, "--s1")], whole=True),
        "error": _picture(moving, [(moving.given, moving.hidden, "--theirs")], apart=True),
    }
    return join(
        Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(picture, name)
        for name, picture in pictures.items()
    )


def _picture(
    moving: Moving,
    layers: Sequence[tuple[np.ndarray, np.ndarray, str]],
    *,
    whole: bool = False,
    apart: bool = False,
) -> Markup:
    """Bones between joints that are shown (``whole``: all of them), joints as dots, and errors as lines (``apart``)."""
    places, shown, _ = layers[0]
    there = np.ones_like(shown) if whole else shown
    paths = (
        []
        if apart
        else [_path([_bones(moving, places, there, frame) for frame in _frames(moving)], moving, "--muted", 2)]
    )
    if apart:
        lines = [
            [(moving.given[frame, joint], moving.made[frame, joint]) for joint in np.flatnonzero(moving.hidden[frame])]
            for frame in _frames(moving)
        ]
        paths.append(_path(lines, moving, "--s1", 3))
    for places, shown, colour in layers:
        dots = [[(place, place) for place in places[frame][shown[frame]]] for frame in _frames(moving)]
        paths.append(_path(dots, moving, colour, 4 if apart else 7))
    return Markup(
        '<svg viewBox="0 0 {0} {0}" width="{0}" height="{0}" role="img" aria-label="a moving skeleton">{1}</svg>'
    ).format(_SIDE, join(paths))


def _frames(moving: Moving) -> range:
    return range(len(moving.given))


def _bones(moving: Moving, places: np.ndarray, there: np.ndarray, frame: int) -> Segments:
    return [
        (places[frame, child], places[frame, parent])
        for child, parent in moving.links
        if there[frame, child] and there[frame, parent]
    ]


def _path(frames: Sequence[Segments], moving: Moving, colour: str, width: float) -> Markup:
    drawn = [
        "".join(f"M{a[0]:.0f} {a[1]:.0f}L{b[0]:.0f} {b[1]:.0f}" for a, b in segments) or "M0 0" for segments in frames
    ]
    return Markup(
        '<path d="{}" fill="none" stroke="var({})" stroke-width="{}" stroke-linecap="round">'
        '<animate attributeName="d" dur="{:.2f}s" repeatCount="indefinite" calcMode="discrete" values="{}"/></path>'
    ).format(drawn[len(drawn) // 2], colour, width, moving.seconds, ";".join(drawn))


def _axes(given: np.ndarray) -> tuple[int, int]:
    """The axis along which bodies are longest, and of the others that along which they are wider."""
    extent = np.ptp(given, axis=2).mean(axis=1)  # (C,)
    up = 1 if len(extent) == 2 else int(np.argmax(extent))
    others = [axis for axis in range(len(extent)) if axis != up]
    moved = np.ptp(given, axis=(1, 2))
    return up, max(others, key=lambda axis: moved[axis])


def _fitted(flat: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Into one square, by the window of what was given and a little more."""
    low, high = flat[0].min(axis=(0, 1)), flat[0].max(axis=(0, 1))
    scale = (_SIDE - 2 * _EDGE) / (1.1 * max(float((high - low).max()), 1e-6))
    middle = (low + high) / 2
    return [np.clip((one - middle) * scale + _SIDE / 2, -_SIDE, 2 * _SIDE) for one in flat]
