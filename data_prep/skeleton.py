"""Skeletons to a prepared data set: every recording read once, in metres, split by patient.

What is written to ``out``::

    manifest.jsonl   one JSON object a recording, or a part of one, sorted by case (keys below)
    splits.csv       subject,split
    summary.csv      case,subject,split,label,frames,rate,bodies,joints,flags,seconds
    quarantine.csv   case,file,field,value,reason,remedy of every recording or class folder that could not be used
    left_out.csv     file,reason of every other file that is not read
    prep.json        options, versions, counts
    shards/          <case>.npy float32 (T, M, V, C + 1); <case>.json lets a run go on

A shard has T frames of M bodies of V joints: C coordinates and, last, how sure the joint is, 0 where it was not seen;
no gap is filled here. A row of the manifest has ``case``, ``subject``, ``session``, ``split``, ``kind`` (``skeleton``),
``source``, ``source_sha256``, ``content_sha256``, ``shard``, ``shard_sha256``, ``dtype``, ``first`` and ``count`` (its
frames in the shard), ``bodies``, ``layout``, ``joints`` (names), ``bones`` (numbers of joint and of the one it hangs
on), ``root``, ``coordinates``, ``unit`` (``m``, ``px``, or ``share`` of a picture), ``source_unit``, ``axes`` (words),
``rate`` (or null), ``camera``, ``recorded`` (what file or name say besides), ``unseen``, ``longest_gap``, ``centre``,
``bone``, ``walk`` (``cadence``, ``step_time``, ``clear``, of the distance of both ankles; or null), ``label``,
``value``, ``container``, ``status``, ``options_sha256`` and ``flags`` (docs/data.md says what each means).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_prep.command import main_of, prepare_with
from data_prep.outcome import Row
from data_prep.recordings import RecordingPreparation, flagged, nobody_known, units_of
from data_prep.skeleton_case import prepare_skeleton
from data_prep.skeleton_files import find_skeletons
from data_prep.skeleton_ntu import NTU_SPLITS, NtuSplit
from data_prep.skeleton_store import SkeletonOptions
from data_prep.unit import FoundUnits
from data_prep.video_source import VideoSource
from medmae.data.skeletons.layouts import LAYOUTS
from medmae.data.skeletons.read import TAKEN
from medmae.data.skeletons.recording import RATES, UNITS, Unit
from medmae.errors import check_choice

EXAMPLE = "recordings/ prepared/ --subject-from '^(p[0-9]+)_'"
LIMIT_S = 300.0
Proxy = Literal["cadence", "step_time"]


@dataclass(frozen=True, kw_only=True)
class SkeletonPreparation(RecordingPreparation):
    """Prepares a folder (or table) of skeletons, of the formats of docs/data.md.

    Where folders (or the table) name splits these are kept, and a missing val is drawn from train.

    Args:
        source: Folder with ``[split/]class/file``, data set that is known by its names, or a table with ``path`` and
            some of ``label,value,start,end,split,subject``.
        root: Where the paths of a table start; None takes the folder of the table.
        ntu_split: Official split of NTU RGB+D: ``xsub60``, ``xview60``, ``xsub120`` or ``xset120``.
        keep_missing: True keeps samples whose skeletons NTU's authors call missing.
        bodies: Most people that are kept of a recording: those that move most.
        layout: Joints to take of C3D files: a known layout, whose names the markers have.
        bones: Table ``child,parent`` of one's own joints.
        unit: Of positions, where files do not say it: m, mm, cm, inch, px or share.
        axes: Which way they run, in words, where files do not say it.
        rate: Frames a second, where files do not say it, or where one knows better than MSR's or UTKinect's page.
        value_from: ``cadence`` (steps a minute) or ``step_time`` (seconds) as the number to predict: a proxy, taken
            from the distance of both ankles of the sequence itself.
        subject_column: Column of the table that must not be cut in two, such as a site; None takes ``subject``,
            ``patient`` or ``group``.
        label_column: Column of the table that is the class; None takes ``label`` or ``class``.
        value_column: Column of the table to predict by regression; None takes ``value``.
        limit_s: Seconds after which a recording's reader is taken to hang.
    """

    what = "skeleton"
    columns = ("label", "frames", "rate", "bodies", "joints")
    packages = ("numpy", "scipy", "ezc3d", "distributed")
    work = staticmethod(prepare_skeleton)

    ntu_split: NtuSplit | None = None
    keep_missing: bool = False
    bodies: int = 2
    layout: str | None = None
    bones: str | Path | None = None
    unit: Unit | None = None
    axes: str | None = None
    rate: float | None = None
    value_from: Proxy | None = None
    limit_s: float = LIMIT_S

    @property
    def stored(self) -> SkeletonOptions:
        """What shapes the shards."""
        bones = None if self.bones is None else str(Path(self.bones).absolute())
        return SkeletonOptions(
            bodies=self.bodies, layout=self.layout, bones=bones, unit=self.unit, axes=self.axes, rate=self.rate
        )

    def check(self) -> None:
        """Raises ValueError for options out of range."""
        for name, value, known in (
            ("ntu_split", self.ntu_split, NTU_SPLITS),
            ("layout", self.layout, tuple(LAYOUTS)),
            ("unit", self.unit, UNITS),
            ("value_from", self.value_from, ("cadence", "step_time")),
        ):
            if value is not None:
                check_choice(value, known, name=name)
        if self.bodies < 1 or not self.limit_s > 0 or (self.rate is not None and not RATES[0] <= self.rate <= RATES[1]):
            raise ValueError(
                "bodies must be positive, limit_s > 0 and rate from 1 to 10000, got "
                f"{self.bodies}, {self.limit_s}, {self.rate}"
            )

    def find(self) -> FoundUnits[VideoSource]:
        """The recordings of the source."""
        found = find_skeletons(
            Path(self.source), ntu_split=self.ntu_split, keep_missing=self.keep_missing, **self.asked
        )
        units = units_of(found)
        self._check_taken(units.units)
        return units

    def _check_taken(self, units: Sequence[VideoSource]) -> None:
        """Raises ValueError for what is said of files, and none of these files takes."""
        suffixes = {unit.files[0].suffix.lower() for unit in units}
        taken = {name for suffix in suffixes for name in TAKEN.get(suffix, ())}
        for name in ("layout", "bones", "axes", "rate"):
            value = getattr(self, name)
            if value is not None and suffixes and name not in taken:
                takers = ", ".join(suffix for suffix, names in TAKEN.items() if name in names)
                raise ValueError(
                    f"{self.source}: --{name} {value} is taken by no file here ({', '.join(sorted(suffixes))}), only "
                    f"by {takers}: leave it out"
                )

    def usable(self, rows: list[Row]) -> tuple[list[Row], list[Row]]:
        """All rows, with the proxy as their value if it is asked for."""
        return [row if self.value_from is None else _with_proxy(row, self.value_from) for row in rows], []

    def line(self, row: Row) -> Row:
        """Its columns of ``summary.csv``."""
        return {
            "label": row["label"] or "",
            "frames": row["count"],
            "rate": "" if row["rate"] is None else f"{row['rate']:g}",
            "bodies": row["bodies"],
            "joints": f"{row['layout']} ({len(row['joints'])})",
        }

    def notes(self, found: FoundUnits[VideoSource], rows: Sequence[Row]) -> list[str]:
        """Whether patients are known, and what is odd about the recordings."""
        notes = [*found.notes, *nobody_known(rows, "recordings")]
        layouts = Counter(str(row["layout"]) for row in rows)
        if len(layouts) > 1:
            told = ", ".join(f"{name} {count}" for name, count in layouts.most_common())
            notes.append(f"recordings have different joints ({told}): a view names one layout that all have")
        if self.value_from:
            notes.append(f"values are {self.value_from} as the ankles have it, and no instrument's")
        return [*notes, *flagged(rows, "recordings", _WORDS)]


_WORDS = {  # flag -> what it means
    "unseen": "have joints that were not seen, and are filled from before and after where they are read",
    "frames_without_bodies": "have frames in which nobody was found",
    "dropped_frames": "lack frames that their clock counts",
    "not_finite": "had positions that were no numbers",
    "bodies_left_out": "have more bodies than are kept",
    "bones_change": "have bones that change their length: joints may stand in another order",
    "bones_long": "have bones that are too long for a body",
    "sides_swapped": "have left and right in each other's places at times",
    "was_in": "were brought to metres",
    "no_rate": "do not say their rate",
    "rate_of_file": "say another rate than --rate, which is not taken for them",
    "columns_not_read": "have columns that are not read",
    "arrays_not_read": "have arrays that are not read",
    "no_rhythm": "show no rhythm of steps, and have no value",
}


def _with_proxy(row: Row, proxy: Proxy) -> Row:
    if row["value"] is not None:
        return row
    if row["walk"] is None:
        return {**row, "flags": [*row["flags"], "no_rhythm"]}
    return {**row, "value": row["walk"][proxy], "value_is": f"{proxy} by the distance of both ankles"}


prepare = prepare_with(SkeletonPreparation)
main = main_of(prepare, name="data_prep.skeleton", example=EXAMPLE)

if __name__ == "__main__":
    main()
