"""Tables that collections of sounds come with: AudioSet, VGGSound, ESC-50, CMU-MOSEI; each known by its own columns."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_prep.audio_walk import sounds_below
from data_prep.said import nfc
from data_prep.video_line import SPLIT_WORDS
from data_prep.video_source import FoundVideos, Segment, VideoSource, video_at
from medmae.data.names import file_name_of
from medmae.errors import DataError
from medmae.reading import read_text

AUDIOSET = re.compile(r"#\s*YTID,\s*start_seconds,\s*end_seconds,\s*positive_labels", re.IGNORECASE)
VGGSOUND = re.compile(r"[\w-]{11},\d+,.+,(?:train|test)\s*$")
ESC_COLUMNS = ("filename", "fold", "category")
MOSEI_COLUMNS = ("video_id", "clip_id", "text", "label", "mode")
_NAMES_FILE = "class_labels_indices.csv"
_FEELINGS = ("happy", "sad", "anger", "surprise", "disgust", "fear")  # after sentiment, in the labels of CMU-MOSEI


class Sounds:
    """The sounds below a folder, found by the names that tables use.

    Args:
        root: The folder.
        out: Where samples will be written.
    """

    def __init__(self, root: Path, out: Path | None) -> None:
        self.root = root
        self.paths, self.left_out = sounds_below(root, out=out)
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for path in self.paths:
            below = nfc(path.relative_to(root).as_posix())
            for name in {below, below.removesuffix(path.suffix), nfc(path.name), nfc(path.stem)}:
                self._by_name[name].append(path)

    def unit(self, names: Sequence[str], *, table: Path, line: int, case: str, **about: object) -> VideoSource:
        """The sound of one of these names; with its fault, where none or several are called so."""
        found = next((self._by_name[nfc(name)] for name in names if nfc(name) in self._by_name), [])
        fault = None
        if len(found) != 1:
            fault = DataError(
                "there is no such sound" if not found else f"{len(found)} sounds are called so",
                path=self.root / names[0],
                field=f"line {line} of {table.name}",
                value=names[0],
                remedy="it may have been taken from the web: leave it out, or give --root",
            )
        path = found[0] if len(found) == 1 else self.root / names[0]
        return video_at(path, case, fault=fault, what="sound", **about)


def audioset(table: Path, sounds: Sounds, *, starts: str) -> FoundVideos:
    """Of AudioSet: several classes a clip; ids of YouTube as subjects; evaluation segments are the test.

    Names of classes are those of ``class_labels_indices.csv`` beside the table, where it lies there.
    """
    names = _class_names(table.with_name(_NAMES_FILE))
    split = "test" if "eval" in table.stem else "train" if "train" in table.stem else None
    rows = [row for row in _rows(table) if not row[1][0].startswith("#")]
    lines: dict[str, list[tuple[int, float, float, tuple[str, ...]]]] = defaultdict(list)
    for number, cells in rows:
        if len(cells) != 4:
            raise _bad(table, number, cells, "YTID, start_seconds, end_seconds, positive_labels")
        start, end = _seconds(cells[1], number, table), _seconds(cells[2], number, table)
        mids = [mid.strip() for mid in cells[3].split(",") if mid.strip()]
        lines[cells[0]].append((number, start, end, tuple(names.get(mid, mid) for mid in mids)))
    found = []
    for ytid, some in lines.items():
        for number, start, end, classes in some:
            clip = _clip_names(ytid, start, end)
            tried = [ytid, f"Y{ytid}"] if starts == "file" else [*clip, ytid, f"Y{ytid}"]
            segment = Segment(classes=classes)
            if starts == "file":
                segment = Segment(classes=classes, name=file_name_of(f"{start:g}-{end:g}"), start=start, end=end)
            longest = None if starts == "file" else end - start
            about = {"subject": ytid, "known": True, "split": split, "segments": (segment,), "longest": longest}
            found.append(sounds.unit(tried, table=table, line=number, case=f"{ytid}_{start:g}", **about))
    return FoundVideos(tuple(_joined(found) if starts == "file" else found), tuple(sounds.left_out))


def vggsound(table: Path, sounds: Sounds, *, starts: str) -> FoundVideos:
    """Of VGGSound: one class a clip, ids of YouTube as subjects, the split of the table."""
    found = []
    for number, cells in _rows(table):
        if len(cells) != 4 or cells[3].lower() not in SPLIT_WORDS:
            raise _bad(table, number, cells, "id, start second, label, train or test")
        ytid, label, start = cells[0], cells[2], _seconds(cells[1], number, table)
        tried = [ytid] if starts == "file" else [f"{ytid}_{round(start):06d}", f"{ytid}_{start:g}", ytid]
        segment = Segment(label=label)
        if starts == "file":
            segment = Segment(label=label, name=file_name_of(f"{start:g}-{start + 10:g}"), start=start, end=start + 10)
        about = {"subject": ytid, "known": True, "split": SPLIT_WORDS[cells[3].lower()], "segments": (segment,)}
        about |= {"longest": None if starts == "file" else 10.0}
        found.append(sounds.unit(tried, table=table, line=number, case=f"{ytid}_{round(start):06d}", **about))
    return FoundVideos(tuple(_joined(found) if starts == "file" else found), tuple(sounds.left_out))


def esc_table(table: Path, sounds: Sounds) -> FoundVideos:
    """Of ESC-50: class, fold, and the recording that a clip was cut from as its subject."""
    found = []
    for number, row in _with_header(table):
        label = Segment(label=row["category"])
        about = {"known": True, "subject": row.get("src_file") or row["filename"].split("-")[1], "segments": (label,)}
        fold = (("fold", _whole(row["fold"], number, table)),)
        name = row["filename"]
        found.append(sounds.unit([name], table=table, line=number, case=name, about=fold, **about))
    return FoundVideos(tuple(found), tuple(sounds.left_out))


def mosei_table(table: Path, sounds: Sounds) -> FoundVideos:
    """Of CMU-MOSEI as ``label.csv``: sentiment as the value, its word as the class, the sentence as the caption."""
    found = []
    for number, row in _with_header(table):
        video, clip = row["video_id"], row["clip_id"]
        segment = Segment(
            label=row.get("annotation") or None,
            value=_seconds(row["label"], number, table),
            captions=(row["text"],) if row["text"] else (),
        )
        if row["mode"].lower() not in SPLIT_WORDS:
            raise _bad(table, number, list(row.values()), "mode train, valid or test")
        about = {"subject": video, "known": True, "split": SPLIT_WORDS[row["mode"].lower()], "segments": (segment,)}
        name = f"{video}/{clip}"
        tried = [f"Raw/{name}", name, f"{video}_{clip}"]
        found.append(sounds.unit(tried, table=table, line=number, case=f"{video}_{clip}", **about))
    return FoundVideos(tuple(found), tuple(sounds.left_out), notes=_VIDEOS_AS_SPEAKERS)


def mosei_csd(table: Path, sounds: Sounds) -> FoundVideos:
    """Of CMU-MOSEI as ``CMU_MOSEI_Labels.csd``: parts by seconds, emotions that are there, sentiment."""
    from medmae.data.hdf5 import open_hdf5

    found = []
    with open_hdf5(table, remedy="download the labels again") as file:
        data = next((file[name]["data"] for name in file if "data" in file[name]), None)
        if data is None:
            raise DataError("it holds no labels of CMU-MOSEI", path=table, field="data", remedy="give its Labels.csd")
        for number, video in enumerate(sorted(data), 1):
            spans, values = np.asarray(data[video]["intervals"]), np.asarray(data[video]["features"])
            segments = tuple(_felt(span, row) for span, row in zip(spans, values, strict=True))
            about = {"subject": video, "known": True, "segments": segments}
            found.append(sounds.unit([video], table=table, line=number, case=video, **about))
    return FoundVideos(tuple(found), tuple(sounds.left_out), notes=_VIDEOS_AS_SPEAKERS)


_VIDEOS_AS_SPEAKERS = (
    "nothing names the speakers of CMU-MOSEI: videos stand for them, and one speaker may be in two splits",
    "emotions are those that raters perceive",
)


def _felt(span: np.ndarray, values: np.ndarray) -> Segment:
    start, end = (float(second) for second in span[:2])
    classes = tuple(name for name, value in zip(_FEELINGS, values[1:], strict=False) if value > 0)
    name = file_name_of(f"{start:g}-{end:g}")
    return Segment(name=name, start=max(start, 0.0), end=end, value=float(values[0]), classes=classes)


def _joined(found: Iterable[VideoSource]) -> list[VideoSource]:
    """Parts of one recording in one unit."""
    by: dict[Path, VideoSource] = {}
    for one in found:
        before = by.get(one.path)
        stem = one.subject
        by[one.path] = (
            replace(one, name=stem) if before is None else replace(before, segments=before.segments + one.segments)
        )
    return list(by.values())


def _clip_names(ytid: str, start: float, end: float) -> list[str]:
    """What programs call a clip that they cut out."""
    at, to = f"{start:g}", f"{end:g}"
    return [
        *(
            f"{ytid}_{text}"
            for text in (at, f"{round(start):06d}", f"{start:.3f}", f"{start * 1000:.0f}_{end * 1000:.0f}")
        ),
        *(f"{ytid}_{text}" for text in (f"{at}_{to}", f"{start:.3f}_{end:.3f}", f"{start:.1f}")),
        f"Y{ytid}_{start:.3f}_{end:.3f}",
    ]


def _rows(table: Path) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(read_text(table, what="the table")), skipinitialspace=True)
    try:
        return [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except csv.Error as error:
        raise DataError(f"the table cannot be read as CSV ({error})", path=table, remedy="save it as CSV") from error


def _with_header(table: Path) -> list[tuple[int, Mapping[str, str]]]:
    (_, names), *rows = _rows(table)
    for number, cells in rows:
        if len(cells) != len(names):
            raise _bad(table, number, cells, ", ".join(names))
    return [(number, dict(zip(names, cells, strict=True))) for number, cells in rows]


def _class_names(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return {row["mid"]: row["display_name"] for _, row in _with_header(path) if row.get("mid")}


def _seconds(text: str, number: int, table: Path) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise _bad(table, number, [text], "a number")
    return value


def _whole(text: str, number: int, table: Path) -> int:
    if not text.isdecimal():
        raise _bad(table, number, [text], "a whole number")
    return int(text)


def _bad(table: Path, number: int, cells: Sequence[str], wanted: str) -> DataError:
    return DataError(
        f"line {number} has other fields than {wanted}",
        path=table,
        field="line",
        value=list(cells)[:4],
        remedy="mend it",
    )
