"""``.skeleton`` files of NTU RGB+D (Kinect 2): several bodies, which come and go, and what their names say.

Format: the data set's own documentation. A frame has a number of bodies; a body a line of ten values, the number of its
joints, and a line of twelve values each: x, y, z in metres, places in the depth and colour pictures, an
orientation, and whether the joint was tracked (2), inferred (1) or not (0).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medmae.data.skeletons.layouts import NTU_25
from medmae.data.skeletons.recording import KINECT, Recording, recording_of
from medmae.errors import DataError
from medmae.reading import read_text

NAME = re.compile(r"S(?P<setup>\d{3})C(?P<camera>\d{3})P(?P<person>\d{3})R(?P<take>\d{3})A(?P<action>\d{3})")
RATE = 30.0
_BODY, _JOINT = 10, 12
_SURE = {0: 0.0, 1: 0.5, 2: 1.0}  # by tracking state; an inferred joint is a guess of Kinect's


def read_ntu(path: Path) -> Recording:
    """All bodies of a file by their ids, each in the frames in which it stands there.

    Raises:
        DataError: If the text is cut off, or a body has other joints than 25.
    """
    lines = _Lines(path, read_text(path).split("\n"))
    frames = lines.count("frames")
    seen: dict[str, list[tuple[int, np.ndarray]]] = {}
    for frame in range(frames):
        for _ in range(lines.count(f"bodies of frame {frame}")):
            body = str(lines.words(_BODY)[0])
            joints = lines.count("joints")
            if joints != len(NTU_25.joints):
                raise lines.fault(f"a body has {joints} joints, and NTU RGB+D has 25", joints)
            table = np.array([lines.numbers(_JOINT) for _ in range(joints)])  # (25, 12)
            seen.setdefault(body, []).append((frame, table))
    positions = np.full((frames, max(len(seen), 1), 25, 3), np.nan)
    confidence = np.zeros(positions.shape[:3])
    for number, found in enumerate(seen.values()):
        for frame, table in found:
            positions[frame, number] = table[:, :3]
            confidence[frame, number] = [_SURE.get(int(state), 0.0) for state in table[:, 11]]
    empty = frames - len({frame for found in seen.values() for frame, _ in found})
    named = NAME.search(path.stem)
    told = {key: int(value) for key, value in named.groupdict().items()} if named else {}
    return recording_of(
        path,
        layout=NTU_25,
        positions=positions,
        confidence=confidence,
        rate=RATE,
        unit="m",
        axes=KINECT,
        container="skeleton",
        camera=str(told["camera"]) if told else None,
        recorded={**told, "body_ids": list(seen)},
        flags=(f"frames_without_bodies:{empty}",) if empty else (),
    )


@dataclass
class _Lines:
    """Lines of the text, one after the other."""

    path: Path
    lines: list[str]
    at: int = 0

    def words(self, count: int) -> list[str]:
        """Words of the next line, at least so many."""
        words = self.lines[self.at].split() if self.at < len(self.lines) else []
        self.at += 1
        if len(words) < count:
            raise self.fault(f"{count} values should stand here", " ".join(words)[:80])
        return words

    def numbers(self, count: int) -> list[float]:
        """Numbers of the next line."""
        words = self.words(count)
        try:
            return [float(word) for word in words[:count]]
        except ValueError as error:
            raise self.fault("a value is no number", " ".join(words)[:80]) from error

    def count(self, what: str) -> int:
        """A whole number, at least 0."""
        word = self.words(1)[0]
        if not word.isdigit():
            raise self.fault(f"the number of {what} should stand here", word[:80])
        return int(word)

    def fault(self, reason: str, value: object) -> DataError:
        """With the line that was read."""
        told = f"{reason}; the file has {len(self.lines)} lines"
        return DataError(
            told, path=self.path, field=f"line {self.at}", value=value, remedy="copy the file again; it may be cut off"
        )
