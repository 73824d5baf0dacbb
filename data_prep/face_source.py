"""What a recording of a face is: frames of one person, and what was coded of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medmae.errors import DataError
from medmae.face import LANDMARKS

NOT_CODED = frozenset({"", "9", "-1", "999", "nan", "na"})  # BP4D has 9, other tools the others


@dataclass(frozen=True, eq=False)
class Coded:
    """What was coded of F frames.

    Attributes:
        frames: Names of pictures below the recording, or numbers of frames in a video, from 0.
        units: N names.
        active: 0 or 1, NaN where not coded, ``(F, N)``.
        intensity: From 0 to 5, likewise.
        points: Landmarks in pixels of the picture, NaN where there are none, ``(F, 68, 2)``.
        expressions: One word a frame; empty where there is none.
    """

    frames: tuple[str, ...] | tuple[int, ...]
    units: tuple[str, ...] = ()
    active: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    intensity: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, LANDMARKS, 2), np.float32))
    expressions: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        frames: tuple[str, ...] | tuple[int, ...],
        *,
        units: tuple[str, ...] = (),
        active: np.ndarray | None = None,
        intensity: np.ndarray | None = None,
        points: np.ndarray | None = None,
        expressions: tuple[str, ...] = (),
    ) -> Coded:
        """With NaN for whatever is not given."""
        count, nothing = len(frames), np.full((len(frames), len(units)), np.nan, np.float32)
        return cls(
            frames=frames,
            units=units,
            active=nothing if active is None else active.astype(np.float32),
            intensity=nothing if intensity is None else intensity.astype(np.float32),
            points=np.full((count, LANDMARKS, 2), np.nan, np.float32) if points is None else points.astype(np.float32),
            expressions=expressions or ("",) * count,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceSource:
    """One recording.

    Args:
        case: Name of its shard.
        name: Path below the source, as people see it.
        path: A video, or the folder below which its pictures are.
        files: All files that belong to it.
        coded: Frames, and what is known of them.
        subject: Whose.
        known: Whether that is known.
        split: As folders, tables or folds have it.
        total: Frames that the video must have; None: any number.
        flags: What else to know.
        fault: Why it cannot be used, if that is known before reading.
        session: Of which visit.
    """

    case: str
    name: str
    path: Path
    files: tuple[Path, ...]
    coded: Coded = field(default_factory=lambda: Coded.of(()))
    subject: str = ""
    known: bool = False
    split: str | None = None
    total: int | None = None
    flags: tuple[str, ...] = ()
    fault: DataError | None = None
    session: str | None = None

    @property
    def content(self) -> str:
        """How many frames, and how many units are coded."""
        units = f", {len(self.coded.units)} units" if self.coded.units else ""
        return f"{len(self.coded.frames)} frames{units}"


def no_picture(path: Path, wanted: str) -> DataError:
    """Why codes of a face that nobody can see are no recording."""
    return DataError(
        "there is no picture of these codes",
        path=path,
        field="pictures",
        value=wanted,
        remedy="put it there; codes without pictures are no faces",
    )
