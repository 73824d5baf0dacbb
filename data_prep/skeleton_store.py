"""One recording of skeletons to one shard: read once, looked at, brought to metres, kept with what was not seen."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.outcome import Row
from medmae.data.skeletons.cadence import walk_of
from medmae.data.skeletons.checks import bone_lengths, plausible
from medmae.data.skeletons.gaps import filled, longest_gap
from medmae.data.skeletons.layouts import Layout
from medmae.data.skeletons.read import Told, read_skeleton
from medmae.data.skeletons.recording import COORDINATES, METRES, Recording, Unit
from medmae.data.skeletons.same_body import people_of
from medmae.files import atomic_write, content_sha256

_UNSEEN = 0.05  # share of joints that were not seen, from which on a flag says it


@dataclass(frozen=True, kw_only=True)
class SkeletonOptions:
    """What shapes the shards of skeletons.

    Args:
        bodies: Most that are kept of a recording: those that move most.
        layout: See :class:`medmae.data.skeletons.read.Told`, as all that follow.
        bones: Likewise.
        unit: Likewise.
        axes: Likewise.
        rate: Likewise.
    """

    bodies: int = 2
    layout: str | None = None
    bones: str | None = None
    unit: Unit | None = None
    axes: str | None = None
    rate: float | None = None

    @property
    def told(self) -> Told:
        """What a user says of the files."""
        return Told(layout=self.layout, bones=self.bones, unit=self.unit, axes=self.axes, rate=self.rate)


def store_recording(path: Path, files: list[Path], shard: Path, options: SkeletonOptions) -> Row:
    """Writes ``shard``, float32 ``(T, M, V, C + 1)``, and tells what it holds, as rows have it.

    Raises:
        DataError: If it cannot be read, or can be no skeleton.
    """
    read = people_of(read_skeleton(path, files=files, told=options.told), most=options.bodies)
    flags = plausible(read, path=path)
    found = _in_metres(read).flagged(*flags)
    values = np.concatenate([found.positions, found.confidence[..., None]], axis=3, dtype=np.float32)
    with atomic_write(shard) as file:
        np.lib.format.write_array(file, values, allow_pickle=False)
    facts = facts_of(values, found.layout, found.rate)
    unseen = facts["unseen"] / found.confidence.size
    return {
        "dtype": "float32",
        "first": 0,
        "count": len(values),
        "bodies": values.shape[1],
        "layout": found.layout.name,
        "joints": list(found.layout.joints),
        "bones": [list(bone) for bone in found.layout.bones],
        "root": found.layout.root,
        "coordinates": list(COORDINATES[: found.positions.shape[3]]),
        "unit": found.unit,
        "axes": found.axes,
        "rate": None if found.rate is None else float(found.rate),
        "camera": found.camera,
        "recorded": found.recorded,
        "source_unit": read.unit,
        "container": found.container,
        "content_sha256": content_sha256(values),
        "status": "ok",
        "flags": [*found.flags, *([f"unseen:{unseen:.2f}"] if unseen > _UNSEEN else [])],
        **facts,
    }


def facts_of(values: np.ndarray, layout: Layout, rate: float | None) -> dict[str, Any]:
    """What of a part of a shard its own frames say.

    Returns:
        ``unseen`` (joints that were not seen, over all frames and bodies), ``longest_gap`` in frames, ``centre`` (the
        middle of the first body in its first frame), ``bone`` (mean length of its bones, or None), and ``walk``
        (``cadence``, ``step_time``, ``clear``; or None).
    """
    positions, seen = values[..., :-1], values[..., -1] > 0  # (T, M, V, C), (T, M, V)
    first = int(np.argmax(seen[:, 0].any(axis=1)))
    middle = filled(positions[:, 0], seen[:, 0])[first, layout.centre_number]
    body = Recording(
        layout=layout,
        positions=positions[:, :1],
        confidence=values[:, :1, :, -1],
        rate=rate,
        unit="m",
        axes="",
        container="",
    )
    lengths = bone_lengths(body)
    bone = float(np.nanmean(lengths)) if np.isfinite(lengths).any() else None
    walk = None if rate is None else walk_of(positions[:, 0], seen[:, 0], rate=rate, layout=layout)
    return {
        "unseen": int((~seen).sum()),
        "longest_gap": max(longest_gap(seen[:, body]) for body in range(seen.shape[1])),
        "centre": [round(float(value), 6) for value in middle],
        "bone": None if not bone else round(bone, 6),
        "walk": None
        if walk is None
        else {name: round(getattr(walk, name), 4) for name in ("cadence", "step_time", "clear")},
    }


def frames_of(row: Row, start: float | None, end: float | None) -> tuple[int, int]:
    """First frame, and that behind the last, of a part: by seconds, or of UTKinect by numbers of frames."""
    numbered = row["recorded"].get("numbers_a_frame")
    scale = 1 / numbered if numbered else (row["rate"] or math.nan)
    before = row["recorded"]["first_frame"] if numbered else 0
    if math.isnan(scale):
        return 0, row["count"]
    low = 0 if start is None else max(0, round((start - before) * scale))
    high = row["count"] if end is None else min(row["count"], round((end - before) * scale) + bool(numbered))
    return low, high


def _in_metres(recording: Recording) -> Recording:
    if recording.unit not in METRES or recording.unit == "m":
        return recording
    scale = np.float32(METRES[recording.unit])
    return replace(recording, positions=recording.positions * scale, unit="m").flagged(f"was_in:{recording.unit}")
