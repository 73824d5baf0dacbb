"""Recordings of people to a prepared data set of moments: sound, landmarks, pictures and words on one clock.

What is written to ``out`` is what :mod:`data_prep.audio` writes, with rows of the kind ``moment``. These have
``series`` besides, one entry each of what was recorded beside the sound: ``name`` (``landmarks``, ``image`` or
``text``), ``shard``, ``shard_sha256``, ``first`` and ``count`` (its steps there), ``rate`` and ``start`` (on the clock
of the sound). Shards are ``<case>.landmarks.npy`` float32 ``(steps, 51, 3)``: x and y within the recording from 0 to 1,
and 1 where the face was seen; ``<case>.image.npy`` uint8 ``(steps, H, W, 3)``; ``<case>.text.npy`` float32
``(steps, width + 1)``: the vector of the word that is being said, and 1 where one is.

Faces and voices are personal data that no pseudonym protects; whose they are stays in the files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from data_prep.audio import AudioPreparation
from data_prep.command import main_of, prepare_with
from data_prep.moment_case import MomentOptions, prepare_moment
from data_prep.moment_files import with_companions
from data_prep.outcome import Row
from data_prep.unit import FoundUnits
from data_prep.video_source import VideoSource

EXAMPLE = "RAVDESS/ prepared/ --landmarks openface/"


@dataclass(frozen=True, kw_only=True)
class MomentPreparation(AudioPreparation):
    """Prepares sounds with what was recorded by their clock: landmarks of a face, pictures, words.

    Sounds are found as ``medmae prep audio`` finds them (RAVDESS, CMU-MOSEI and others are known). Beside each,
    whatever has its name is taken: ``<name>.csv`` of OpenFace and ``<name>.mp4``; of RAVDESS, whose names tell what was
    recorded first, whatever else is equal. What a recording lacks is not made up.

    Args:
        source: As of ``medmae prep audio``; of CMU-MOSEI its ``Labels.csd``, or ``label.csv``.
        landmarks: Folder of OpenFace's tables; None looks beside the sounds.
        pictures: Folder of videos; None looks beside the sounds.
        with_pictures: Whether frames are kept at all; a second takes 300 kB.
        words: Of CMU-MOSEI, ``TimestampedWordVectors.csd``; None has no words.
        steps: Of landmarks and words, a second.
        frames: Pictures a second.
        edge: Height and width of pictures.
    """

    what = "recording"
    columns: ClassVar[tuple[str, ...]] = ("label", "length", "series", "status")
    work: ClassVar[Any] = staticmethod(prepare_moment)

    landmarks: str | Path | None = None
    pictures: str | Path | None = None
    with_pictures: bool = False
    words: str | Path | None = None
    steps: float = 30.0
    frames: float = 8.0
    edge: int = 112

    def check(self) -> None:
        """Raises ValueError for options out of range."""
        super().check()
        if not 1 <= self.steps <= 1000 or not 0.5 <= self.frames <= 100 or not 8 <= self.edge <= 1024 or not self.rate:
            raise ValueError(
                "steps must be 1 to 1000, frames 0.5 to 100, edge 8 to 1024 and rate positive, got "
                f"{self.steps}, {self.frames}, {self.edge}, {self.rate}"
            )

    def find(self) -> FoundUnits[VideoSource]:
        """The sounds of the source, each with what lies beside it."""
        found = super().find()
        below = Path(self.source) if Path(self.source).is_dir() else Path(self.source).parent
        units, left = with_companions(
            found,
            source=below,
            landmarks=Path(self.landmarks or below),
            pictures=Path(self.pictures or below) if self.with_pictures else None,
        )
        return replace(found, units=tuple(units), left_out=tuple(left))

    @property
    def stored(self) -> MomentOptions:
        """What shapes the shards."""
        words = None if self.words is None else str(Path(self.words).absolute())
        return MomentOptions(
            rate=self.rate,
            mix=self.mix,
            damaged=self.damaged,
            limit_gb=self.limit_gb,
            steps=self.steps,
            frames=self.frames,
            edge=self.edge,
            pictures=self.with_pictures,
            words=words,
        )

    def line(self, row: Row) -> Row:
        """Its columns of ``summary.csv``."""
        known = super().line(row)
        return {name: known[name] for name in ("label", "length", "status")} | {
            "series": " ".join(entry["name"] for entry in row["series"])
        }

    def notes(self, found: FoundUnits[VideoSource], rows: Sequence[Row]) -> list[str]:
        """What recordings have beside their sound."""
        counts = Counter(entry["name"] for row in rows for entry in row["series"])
        told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "nothing"
        return [
            *super().notes(found, rows),
            f"of {len(rows)} recordings there is beside the sound: {told}",
            "emotions are what raters perceive, or actors act, and no state of mind",
        ]


prepare = prepare_with(MomentPreparation)
main = main_of(prepare, name="data_prep.moments", example=EXAMPLE)

if __name__ == "__main__":
    main()
