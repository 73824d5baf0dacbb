"""Recordings of bodies, written as others write them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from data_prep.tiny.skeletons import Walker, walk
from medmae.data.skeletons.checks import plausible
from medmae.data.skeletons.layouts import KINECT_20, NTU_25
from medmae.data.skeletons.read import Told, read_skeleton
from medmae.data.skeletons.same_body import people_of

NTU_25_AS_20 = [NTU_25.joints.index(name) for name in KINECT_20.joints]


def walker(seconds=2.0, seed=0, **options):
    return walk(Walker(**options), seconds=seconds, seed=seed)


def told(path, **options):
    """Flags of a file, as preparation finds them."""
    found = people_of(read_skeleton(path, told=Told(**options)), most=2)
    return (*found.flags, *plausible(found, path=path))


WRITE_C3D = """
import sys

import ezc3d
import numpy as np

given, path, rate, unit, *labels = sys.argv[1:]
positions = np.load(given)
held = ezc3d.c3d()
held["parameters"]["POINT"]["RATE"]["value"] = [float(rate)]
held["parameters"]["POINT"]["LABELS"]["value"] = labels
held["parameters"]["POINT"]["UNITS"]["value"] = [unit]
points = np.ones((4, positions.shape[1], len(positions)))
points[:3] = positions.transpose(2, 1, 0)
held["data"]["points"] = points
held.write(path)
"""


def write_c3d(path, positions, *, labels, rate, unit="mm"):
    """Points ``(T, N, 3)``, NaN where there are none; by a process of its own: ezc3d cannot write beside SimpleITK."""
    np.save(path.with_suffix(".npy"), positions)
    given = [path.with_suffix(".npy"), path, rate, unit, *labels]
    subprocess.run([sys.executable, "-c", WRITE_C3D, *map(str, given)], check=True)


def as_table(path, positions, joints, *, times=None, header="time"):
    """A CSV of ``(T, V, C)``."""
    columns = [header, *(f"{name}_{axis}" for name in joints for axis in "xyz"[: positions.shape[2]])]
    times = np.arange(len(positions)) / 30 if times is None else times
    rows = [",".join(map(str, [time, *frame.ravel().tolist()])) for time, frame in zip(times, positions, strict=True)]
    path.write_text("\n".join([",".join(columns), *rows]) + "\n")
    return path


def csv_of(tmp_path, positions, **options):
    return as_table(tmp_path / "a.csv", positions, NTU_25.joints, **options)
