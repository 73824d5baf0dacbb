"""Sounds to a prepared data set: every file decoded once, mixed and resampled once, split by patient or speaker.

What is written to ``out``::

    manifest.jsonl   one JSON object a sound, or a part of one, sorted by case (keys below)
    splits.csv       subject,split
    summary.csv      case,subject,split,label,seconds,rate,channels,status,flags,seconds
    quarantine.csv   case,file,field,value,reason,remedy of every sound or class folder that could not be used
    left_out.csv     file,reason of every other file that is not read
    prep.json        options, versions, counts
    shards/          <case>.npy int16 (T, C); <case>.json lets a run go on

A row of the manifest has ``case``, ``subject``, ``session``, ``split``, ``kind`` (``sound``), ``source``,
``source_sha256``, ``content_sha256`` (of the samples as decoded), ``shard``, ``shard_sha256``, ``dtype``, ``first`` and
``count`` (its samples in the shard), ``rate``, ``channels``, ``gain`` (full scale: a value is stored / 32767 * gain),
``start`` (0), ``missing`` (first and count of gaps, where zeros stand), ``label``, ``classes`` (several; absent where
nobody says them), ``value``, ``captions``, ``fold`` (of collections that have them), ``recorded`` (site, database,
intensity: what else is known), ``source_rate``, ``source_channels``, ``peak``, ``decibels``, ``offset``, ``clipped``,
``silent``, ``container``, ``codec``, ``status`` (``ok`` or ``damaged``) and ``reason``, ``options_sha256`` and
``flags`` (docs/data.md says what each means).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from data_prep.audio_case import prepare_audio
from data_prep.audio_files import LAYOUTS, Layout, find_sounds, with_folds
from data_prep.audio_track import SoundOptions
from data_prep.command import main_of, prepare_with
from data_prep.outcome import Row
from data_prep.recordings import RecordingPreparation, ended_early, flagged, nobody_known, units_of
from data_prep.unit import FoundUnits
from data_prep.video_source import VideoSource
from medmae.data.audio.alike import twins_among
from medmae.data.audio.mix import MIXES, Mix
from medmae.errors import check_choice

EXAMPLE = "sounds/ prepared/ --subject-from '^(p[0-9]+)_'"
LIMIT_S = 600.0


@dataclass(frozen=True, kw_only=True)
class AudioPreparation(RecordingPreparation):
    """Prepares a folder (or table) of sounds, or of videos whose sound is wanted.

    Where folders (or the table) name splits these are kept, and a missing val is drawn from train.

    Args:
        source: Folder with ``[split/]class/sound``; a collection that is known by its names or tables (AudioSet,
            VGGSound, ESC, RAVDESS, spoken digits, speech commands, PhysioNet, CMU-MOSEI); or a table with ``path`` and
            some of ``label,classes,value,caption,start,end,split,subject,fold``.
        layout: Which collection it is; ``auto`` looks, ``folder`` and ``table`` take the source as it lies.
        root: Where the paths of a table start; None takes the folder of the table.
        starts: Of AudioSet and VGGSound: ``clip`` where files are clips, ``file`` where they are whole recordings.
        test_fold: Official fold that is the test.
        val_fold: Official fold that is the validation; None draws one from train.
        subject_column: Column of the table that must not be cut in two, such as a site; None takes ``subject``,
            ``patient`` or ``group``.
        label_column: Column of the table that is the class; None takes ``label`` or ``class``.
        value_column: Column of the table to predict by regression; None takes ``value``.
        rate: Samples a second that are kept; 0 keeps each sound's own.
        mix: ``mean`` of all channels, the ``first``, or ``all`` of them.
        damaged: ``keep`` stores what precedes the damage, ``refuse`` quarantines the sound.
        limit_gb: Most memory that one sound may take, in 10^9 bytes.
        limit_s: Seconds after which a sound's decoder is taken to hang.
    """

    what = "sound"
    columns: ClassVar[tuple[str, ...]] = ("label", "length", "rate", "channels", "status")
    packages = ("numpy", "scipy", "soundfile", "av", "distributed")
    work: ClassVar[Any] = staticmethod(prepare_audio)

    layout: Layout = "auto"
    starts: Literal["clip", "file"] = "clip"
    test_fold: int | None = None
    val_fold: int | None = None
    rate: int = 16_000
    mix: Mix = "mean"
    damaged: Literal["keep", "refuse"] = "keep"
    limit_gb: float = 4.0
    limit_s: float = LIMIT_S

    @property
    def stored(self) -> SoundOptions:
        """What shapes the shards."""
        return SoundOptions(rate=self.rate, mix=self.mix, damaged=self.damaged, limit_gb=self.limit_gb)

    def check(self) -> None:
        """Raises ValueError for options out of range."""
        check_choice(self.layout, LAYOUTS, name="layout")
        check_choice(self.starts, ("clip", "file"), name="starts")
        check_choice(self.damaged, ("keep", "refuse"), name="damaged")
        check_choice(self.mix, MIXES, name="mix")
        if not (self.rate == 0 or 100 <= self.rate <= 768_000) or not (self.limit_gb > 0 and self.limit_s > 0):
            raise ValueError(
                "rate must be 0 or from 100 to 768000, limit_gb and limit_s > 0, got "
                f"{self.rate}, {self.limit_gb}, {self.limit_s}"
            )

    def find(self) -> FoundUnits[VideoSource]:
        """The sounds of the source."""
        found = find_sounds(
            Path(self.source),
            salt=self.salt,
            layout=self.layout,
            starts=self.starts,
            **self.asked,
        )
        sounds = with_folds(found.videos, test=self.test_fold, val=self.val_fold, source=Path(self.source))
        return units_of(replace(found, videos=tuple(sounds)))

    def line(self, row: Row) -> Row:
        """Its columns of ``summary.csv``."""
        return {
            "label": row["label"] or " ".join(row.get("classes") or ()),
            "length": f"{row['count'] / row['rate']:.2f}",
            "rate": row["source_rate"],
            "channels": row["source_channels"],
            "status": row["status"],
        }

    def notes(self, found: FoundUnits[VideoSource], rows: Sequence[Row]) -> list[str]:
        """Whether patients are known, what is damaged, clipped or upsampled, and which classes a split lacks."""
        notes = [*found.notes, *nobody_known(rows, "sounds", who="patient or speaker")]
        folds = sorted({row["fold"] for row in rows if "fold" in row})
        if folds and self.test_fold is None:
            notes.append(
                f"folds {', '.join(map(str, folds))} are kept in the manifest; --test-fold N tests on one of them"
            )
        notes += _twins(rows)
        return [*notes, *ended_early(rows, "sounds"), *flagged(rows, "sounds", _WORDS), *_without_positives(rows)]


_WORDS = {  # flag -> what it means
    "clipped": "are clipped",
    "dc_offset": "have an offset",
    "silent_share": "are silent in part",
    "quiet": "are very quiet",
    "upsampled": "had a lower rate, and nothing in their upper bands",
    "drift": "drift against their clock, and were resampled by it",
    "gaps": "have gaps",
    "short": "are shorter than 50 ms",
    "not_finite": "had samples that were no numbers",
}


_MOST = 20_000  # sounds, of which each is compared with all of its length


def _twins(rows: Sequence[Row]) -> list[str]:
    """A note of sounds of different subjects that are one recording, encoded anew."""
    own = {row["case"]: row for row in rows if row["first"] == 0 and row.get("form")}
    if len(own) > _MOST:
        return [f"of more than {_MOST} sounds, copies that were encoded anew are not looked for"]
    whose = {case: row["subject"] for case, row in own.items()}
    pairs = [
        pair
        for pair in twins_among({case: row["form"] for case, row in own.items()})
        if whose[pair[0]] != whose[pair[1]]
    ]
    shown = ", ".join(" = ".join(pair) for pair in pairs[:5])
    told = "sounds of different subjects are one recording, by their energies, and may be in train and in test"
    return [f"{len(pairs)} {told}: {shown}"] if pairs else []


def _without_positives(rows: Sequence[Row]) -> list[str]:
    """Classes that a split has no example of, which no score can count."""
    several = [row for row in rows if row.get("classes") is not None]
    every = {name for row in several for name in row["classes"]}
    notes = []
    for split in sorted({row["split"] for row in several}):
        lacking = sorted(every - {name for row in several if row["split"] == split for name in row["classes"]})
        if lacking:
            shown = ", ".join(lacking[:10]) + (", …" if len(lacking) > 10 else "")
            notes.append(f"{split} has no example of {len(lacking)} of {len(every)} classes: {shown}")
    return notes


prepare = prepare_with(AudioPreparation)
main = main_of(prepare, name="data_prep.audio", example=EXAMPLE)

if __name__ == "__main__":
    main()
