"""Any file of skeletons, by its suffix; pickles are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medmae.data.skeletons.bvh import read_bvh
from medmae.data.skeletons.c3d import read_c3d
from medmae.data.skeletons.layouts import LAYOUTS, Layout
from medmae.data.skeletons.ntu import read_ntu
from medmae.data.skeletons.own import read_bones, read_npz, read_table
from medmae.data.skeletons.pose_json import OPENPOSE, read_openpose, read_pose_list
from medmae.data.skeletons.recording import Recording, Unit
from medmae.data.skeletons.text import read_text_skeleton
from medmae.errors import DataError, check_choice

SUFFIXES = (".skeleton", ".txt", ".c3d", ".bvh", ".json", ".csv", ".tsv", ".npz")
PICKLES = (".pkl", ".pickle")
_OWN = ("bones", "axes", "rate")
TAKEN = {  # suffix -> what is taken of the user's word; positions have the unit of their file, or are refused
    ".txt": ("rate",),
    ".c3d": ("layout",),
    ".json": ("rate",),
    ".csv": _OWN,
    ".tsv": _OWN,
    ".npz": _OWN,
}
CONVERT = (
    "where you trust the file, in a process of its own: import pickle, numpy as np; d = pickle.load(open(F, 'rb')); "
    "for a in d['annotations']: np.savez(a['frame_dir'], positions=a['keypoint'].transpose(1, 0, 2, 3), "
    "confidence=a['keypoint_score'].transpose(1, 0, 2), joints=NAMES, unit='px', rate=30.0)"
)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a user says of files that do not say it themselves.

    Attributes:
        layout: Joints to take of a C3D file: name of a known layout.
        bones: Table ``child,parent`` of one's own joints.
        unit: Of positions.
        axes: Which way they run, in words.
        rate: Frames a second; of the data sets whose rate is known, instead of that.
    """

    layout: str | None = None
    bones: str | None = None
    unit: Unit | None = None
    axes: str | None = None
    rate: float | None = None

    @property
    def known_layout(self) -> Layout | None:
        """By its name."""
        if self.layout is None:
            return None
        check_choice(self.layout, tuple(LAYOUTS), name="layout")
        return LAYOUTS[self.layout]


def read_skeleton(path: Path, *, files: Sequence[Path] = (), told: Told | None = None) -> Recording:
    """What a file holds, as it lies there: nobody left out, nothing filled.

    Args:
        path: The file, or the first of a clip of OpenPose.
        files: All files of it.
        told: What the user says.

    Raises:
        DataError: Whatever is wrong with it.
        ModuleNotFoundError: If a package is missing.
    """
    found = _read(path, files, told := told or Told())
    if told.unit is not None and found.unit != told.unit:
        raise DataError(
            f"positions of such a file are in {found.unit}",
            path=path,
            field="--unit",
            value=told.unit,
            remedy="leave --unit out, or prepare other files by themselves",
        )
    return found


def _read(path: Path, files: Sequence[Path], told: Told) -> Recording:
    suffix = path.suffix.lower()
    own = {
        "bones": None if told.bones is None else read_bones(Path(told.bones)),
        "unit": told.unit,
        "axes": told.axes,
        "rate": told.rate,
    }
    if suffix in PICKLES:
        raise DataError(
            "a pickle can run any code while it is read, and is not read here",
            path=path,
            field="format",
            value=suffix,
            remedy=CONVERT,
        )
    if suffix == ".skeleton":
        return read_ntu(path)
    if suffix == ".txt":
        return read_text_skeleton(path, rate=told.rate)
    if suffix == ".c3d":
        return read_c3d(path, layout=told.known_layout)
    if suffix == ".bvh":
        return read_bvh(path, unit=told.unit)
    if suffix == ".json":
        if OPENPOSE.fullmatch(path.stem):
            return read_openpose(files or [path], rate=told.rate)
        return read_pose_list(path, rate=told.rate)
    if suffix in (".csv", ".tsv"):
        return read_table(path, **own)  # type: ignore[arg-type]
    if suffix == ".npz":
        return read_npz(path, **own)  # type: ignore[arg-type]
    raise DataError(
        "no skeleton is read from such a file",
        path=path,
        field="suffix",
        value=suffix,
        remedy=f"give one of {', '.join(SUFFIXES)}",
    )
