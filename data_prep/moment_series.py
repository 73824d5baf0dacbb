"""What is recorded beside a sound, at the steps of a clock: landmarks of a face, pictures, words."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_prep.face_tables import landmarks_of
from medmae.data.table_files import read_csv
from medmae.data.video.opening import open_video
from medmae.data.video.stored import resized
from medmae.errors import DataError
from medmae.face import LANDMARKS

JAW = 17  # of the 68 of iBUG 300-W the first, which are the jaw line
_APART = 0.5  # seconds, by which a table may end before or after its sound
_OTHER_CLOCK = 5.0  # times as long as the sound: such a table is of another recording, or in another unit
_CONFIDENT = 0.5  # OpenFace's confidence below which a face counts as lost
_REMEDY = (
    "run OpenFace's FeatureExtraction with -2Dfp on the video: columns timestamp, confidence, success, x_0 to y_67"
)


def landmarks_at(path: Path, seconds: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Landmarks of OpenFace at some moments, without the jaw line.

    Columns are found by their names: their order differs from version to version. Positions are brought to 0 to 1 by
    the extremes of the recording, axis by axis, of frames in which the face was seen.

    Args:
        path: Table with ``timestamp``, ``confidence``, ``success``, ``x_0`` to ``y_67``.
        seconds: ``(S,)``.

    Returns:
        ``(S, 51, 3)`` float32: x, y, and whether the face was seen; and flags.

    Raises:
        DataError: If columns are missing, no number, no face is seen at all, or it lasts several times as long as the
            sound.
    """
    columns = [f"{axis}_{point}" for axis in "xy" for point in range(JAW, LANDMARKS)]
    about = ("timestamp", "confidence", "success")
    lines = [line for _, line in read_csv(path, needs=(*about, *columns), remedy=_REMEDY)]
    points = landmarks_of(lines)[:, JAW:].astype(np.float64)  # (F, 51, 2)
    try:
        times, sure, found = (np.array([float(line[name]) for line in lines]) for name in about)
    except ValueError as error:
        raise DataError(f"a field is no number ({error})", path=path, field="columns", remedy=_REMEDY) from error
    sure = (sure >= _CONFIDENT) & (found > 0) & np.isfinite(points).all(axis=(1, 2))
    if not sure.any():
        raise DataError("no face is seen in it", path=path, field="success", value=0, remedy="leave the table out")
    if len(np.unique(times[sure])) < sure.sum():
        raise DataError("several faces of one frame", path=path, field="timestamp", remedy="keep the lines of one face")
    low, high = (reduce(points[sure], axis=(0, 1)) for reduce in (np.min, np.max))  # (2,) each
    scaled = (points - low) / np.maximum(high - low, 1e-9)
    at, near = nearest(times, seconds)
    seen = np.broadcast_to((near & sure[at])[:, None, None], (len(at), points.shape[1], 1))
    lost = int((~sure).sum())
    values = np.concatenate([np.nan_to_num(scaled[at]), seen], axis=2)
    flags = [f"face_lost:{lost}"] if lost else []
    return values.astype(np.float32), [*flags, *_length_flags(times, seconds, path)]


def _length_flags(times: np.ndarray, seconds: np.ndarray, path: Path) -> list[str]:
    """``landmarks_end:+1.50``: seconds by which a table ends after its sound, or before.

    Raises:
        DataError: If it lasts several times as long.
    """
    last, end = float(times.max()), float(seconds[-1])
    if last > _OTHER_CLOCK * max(end, 1.0):
        raise DataError(
            f"its last time is {last:g} s, and the sound ends at {end:g} s",
            path=path,
            field="timestamp",
            value=last,
            remedy="put the table of this recording there, with times in seconds",
        )
    return [f"landmarks_end:{last - end:+.2f}"] if abs(last - end) > _APART else []


def pictures_at(path: Path, seconds: np.ndarray, *, edge: int) -> np.ndarray:
    """Frames nearest to some moments, ``(S, edge, edge, 3)`` uint8, stretched to a square as the reference has them.

    Raises:
        DataError: Whatever is wrong with the video.
    """
    video = open_video(path)
    frames, times = [], []
    for number, frame in enumerate(video):
        times.append(number / (video.stated_rate or 25.0) if frame.time is None else float(frame.time))
        pixels = frame.pixels if frame.pixels.shape[2] == 3 else np.repeat(frame.pixels, 3, axis=2)
        frames.append(resized(pixels[None], size=(edge, edge))[:, 0].permute(1, 2, 0).numpy())
    last = times[-1] + 1 / (video.stated_rate or 25.0)
    at, _ = nearest(np.array(times), seconds[seconds < last])
    return np.stack(frames)[at]


def words_at(path: Path, name: str, seconds: np.ndarray) -> np.ndarray | None:
    """Vectors of the words that are said at some moments, of a computational sequence of the CMU SDK.

    Args:
        path: ``.csd``: ``<sequence>/data/<name>`` with ``features`` ``(W, D)`` and ``intervals`` ``(W, 2)``.
        name: Of the recording.
        seconds: ``(S,)``.

    Returns:
        ``(S, D + 1)`` float32: vectors, and whether a word is said; None if the file does not know the recording.

    Raises:
        DataError: If it is no such file.
    """
    from medmae.data.hdf5 import open_hdf5

    with open_hdf5(path, remedy="download the word vectors again") as file:
        data = next((file[key]["data"] for key in file if "data" in file[key]), None)
        if data is None:
            raise DataError("it holds no sequences of the CMU SDK", path=path, field="data", remedy="give its .csd")
        if name not in data:
            return None
        vectors = np.asarray(data[name]["features"], dtype=np.float32)
        spans = np.asarray(data[name]["intervals"], dtype=np.float64)
    inside = (seconds[:, None] >= spans[:, 0]) & (seconds[:, None] < spans[:, 1])  # (S, W)
    said, which = np.asarray(inside.any(axis=1)), inside.argmax(axis=1)
    found = np.where(said[:, None], vectors[which], 0.0)
    return np.concatenate([found, said[:, None]], axis=1).astype(np.float32)


def nearest(times: np.ndarray, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the frames nearest to some moments, and whether these are nearer than a frame and a half."""
    order = np.argsort(times)
    sorted_times = times[order]
    right = np.searchsorted(sorted_times, seconds).clip(1, max(len(times) - 1, 1)) if len(times) > 1 else None
    if right is None:
        place = np.zeros(len(seconds), dtype=np.int64)
    else:
        before, after = sorted_times[right - 1], sorted_times[right]
        place = np.where(seconds - before <= after - seconds, right - 1, right)
    gap = float(np.median(np.diff(sorted_times))) if len(times) > 1 else np.inf
    return order[place], np.abs(sorted_times[place] - seconds) <= 1.5 * gap
