"""Videos to a prepared data set: every file decoded once, frames in shards for random reading, split by patient.

What is written to ``out``::

    manifest.jsonl   one JSON object a video, or a part of one, sorted by case (keys below)
    splits.csv       subject,split
    summary.csv      case,subject,split,label,frames,size,fps,status,captions,questions,flags,seconds
    quarantine.csv   case,file,field,value,reason,remedy of every video or class folder that could not be used
    left_out.csv     file,reason of every other file that is not read
    prep.json        options, versions, counts
    shards/          <case>.npy uint8 (T, H, W, C); <case>.sound.npy int16 (T, C); <case>.json lets a run go on

A row of the manifest has ``case``, ``subject``, ``session`` (null), ``split``, ``kind`` (``video``), ``source``,
``source_sha256``, ``content_sha256`` (of the frames as decoded), ``shard``, ``shard_sha256``, ``dtype``, ``first`` and
``count`` (its frames in the shard), ``size`` (H, W), ``channels`` (1 grey, 3 RGB), ``fps`` (or null), ``times``
(seconds of each frame from the first where the rate varies, else null: then frame i stands at i / fps), ``label``,
``value``,
``captions``, ``questions`` (where there are any; see :mod:`medmae.data.video.questions`), ``container``, ``codec``,
``status`` (``ok`` or ``damaged``) and ``reason``, ``box`` (top, left, bottom, right of what moves), ``static`` (share
of a frame that never moves), ``regions`` (of ultrasound, in pixels of the file), ``options_sha256`` and ``flags``
(docs/data.md says what each means). With ``--sound`` also ``sound`` (as rows of :mod:`data_prep.audio` have it, its
``start`` in seconds from the first frame; null without any) and ``sound_reason``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_prep.audio_track import SoundOptions
from data_prep.command import main_of, prepare_with
from data_prep.outcome import Row
from data_prep.recordings import RecordingPreparation, ended_early, nobody_known, units_of
from data_prep.unit import FoundUnits
from data_prep.video_case import prepare_video
from data_prep.video_files import find_videos
from data_prep.video_source import VideoSource
from data_prep.video_store import Options
from medmae.data.audio.mix import MIXES, Mix
from medmae.errors import check_choice

EXAMPLE = "videos/ prepared/ --subject-from '^(p[0-9]+)_'"
LIMIT_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class VideoPreparation(RecordingPreparation):
    """Prepares a folder (or table) of videos.

    Where folders (or the table) name splits these are kept, and a missing val is drawn from train.

    Args:
        source: Folder with ``[split/]class/video``, or a table (csv, tsv, txt, json, jsonl) with ``path`` and some of
            ``label,value,caption,question,answer,choices,start,end,split,subject,fps``. A folder of frames is a video,
            too.
        root: Where the paths of a table start; None takes the folder of the table.
        subject_column: Column of the table that must not be cut in two, such as a site; None takes ``subject``,
            ``patient`` or ``group``.
        label_column: Column of the table that is the class; None takes ``label`` or ``class``.
        value_column: Column of the table to predict by regression; None takes ``value`` or ``ef``.
        reports: Folder of texts (.txt) that are called as a video, or as the folder of a study (or report.txt in it);
            may be the source itself.
        report_as: Each of a report's ``sentences`` is a caption, or the ``whole`` of it.
        short_side: Frames whose shorter side is larger are reduced to it; 0 leaves sizes as they are.
        fps: Most frames a second that are kept; 0 keeps all.
        channels: ``auto`` stores grey where all frames of a video are grey, else RGB; ``1`` and ``3`` decide for all.
        mask_static: Blacken what never moves: borders, text, scales.
        damaged: ``keep`` stores what precedes the damage, ``refuse`` quarantines the video.
        limit_gb: Most that the frames of one video may take up, in 10^9 bytes.
        sound: Keep the sound of each video beside its frames; one without stays a video, and is counted.
        sound_rate: Samples a second of sound that are kept; 0 keeps each video's own.
        sound_mix: ``mean`` of all channels of sound, the ``first``, or ``all`` of them.
        limit_s: Seconds after which a video's decoder is taken to hang.
    """

    what = "video"
    columns = ("label", "frames", "size", "fps", "status", "captions", "questions")
    packages = ("numpy", "pillow", "av", "pydicom", "scipy", "soundfile", "distributed")
    work = staticmethod(prepare_video)

    reports: str | Path | None = None
    report_as: Literal["sentences", "whole"] = "sentences"
    short_side: int = 256
    fps: float = 0.0
    channels: Literal["auto", "1", "3"] = "auto"
    mask_static: bool = False
    damaged: Literal["keep", "refuse"] = "keep"
    limit_gb: float = 16.0
    sound: bool = False
    sound_rate: int = 16_000
    sound_mix: Mix = "mean"
    limit_s: float = LIMIT_S

    @property
    def stored(self) -> Options:
        """What shapes the shards."""
        return Options(
            short_side=self.short_side,
            fps=self.fps,
            channels=self.channels,
            mask_static=self.mask_static,
            damaged=self.damaged,
            limit_gb=self.limit_gb,
            sound=SoundOptions(rate=self.sound_rate, mix=self.sound_mix) if self.sound else None,
        )

    def check(self) -> None:
        """Raises ValueError for options out of range."""
        check_choice(self.channels, ("auto", "1", "3"), name="channels")
        check_choice(self.damaged, ("keep", "refuse"), name="damaged")
        check_choice(self.sound_mix, MIXES, name="sound_mix")
        if self.sound_rate != 0 and not 100 <= self.sound_rate <= 768_000:
            raise ValueError(f"sound_rate must be 0 or from 100 to 768000, got {self.sound_rate}")
        check_choice(self.report_as, ("sentences", "whole"), name="report_as")
        # Not the other way round: nan is neither, and would switch a limit off.
        if not (self.short_side >= 0 and self.fps >= 0 and self.limit_gb > 0 and self.limit_s > 0):
            raise ValueError(
                "short_side and fps must be >= 0, limit_gb and limit_s > 0, got "
                f"{self.short_side}, {self.fps}, {self.limit_gb}, {self.limit_s}"
            )

    def find(self) -> FoundUnits[VideoSource]:
        """The videos of the source."""
        reports = None if self.reports is None else Path(self.reports)
        found = find_videos(Path(self.source), salt=self.salt, reports=reports, report_as=self.report_as, **self.asked)
        return units_of(found)

    def line(self, row: Row) -> Row:
        """Its columns of ``summary.csv``."""
        return {
            "label": row["label"] or "",
            "frames": row["count"],
            "size": "x".join(str(n) for n in (*row["size"], row["channels"])),
            "fps": "" if row["fps"] is None else f"{row['fps']:.4g}",
            "status": row["status"],
            "captions": len(row["captions"]),
            "questions": len(row.get("questions", ())),
        }

    def notes(self, found: FoundUnits[VideoSource], rows: Sequence[Row]) -> list[str]:
        """Whether patients are known, what is damaged, and what is left out."""
        notes = [*found.notes, *_said(rows), *nobody_known(rows, "videos"), *ended_early(rows, "videos")]
        timeless = sum(row["fps"] is None for row in rows)
        if timeless:
            notes.append(f"nothing tells the rate of {timeless} videos: they cannot be sampled by seconds")
        why = Counter(row["sound_reason"] for row in rows if "sound" in row and not row["sound"])
        if why:
            told = ", ".join(f"{count}: {reason}" for reason, count in why.most_common(5))
            notes.append(f"{sum(why.values())} of {len(rows)} videos have no sound ({told})")
        return notes


def _said(rows: Sequence[Row]) -> list[str]:
    """How much is said and asked, and of how many videos nothing is."""
    lengths = sorted(len(caption.split()) for row in rows for caption in row["captions"])
    asked = sum(len(row.get("questions", ())) for row in rows)
    if not lengths and not asked:
        return []
    words = f" of {lengths[0]} to {lengths[-1]} words, {lengths[len(lengths) // 2]} in the middle" if lengths else ""
    notes = [f"{len(lengths)} captions{words}, and {asked} questions"]
    silent = [row["case"] for row in rows if not row["captions"] and not row.get("questions")]
    if silent:
        notes.append(f"{len(silent)} of {len(rows)} videos have neither caption nor question, the first: {silent[0]}")
    return notes


prepare = prepare_with(VideoPreparation)
main = main_of(prepare, name="data_prep.video", example=EXAMPLE)

if __name__ == "__main__":
    main()
