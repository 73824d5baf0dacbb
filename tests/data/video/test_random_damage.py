"""Whatever happens to a file, a reader gives frames, says that it is damaged, or refuses it with its path."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import RLELossless

from medmae.data.video.read import read_video
from medmae.errors import DataError
from tests.videos import dicom_video, textured, write_video


def made(kind, folder):
    frames = textured(8)
    path = folder / f"a.{kind}"
    if kind in ("gif", "tif"):
        pages = [Image.fromarray(frame) for frame in frames]
        pages[0].save(path, save_all=True, append_images=pages[1:])
    elif kind == "dcm":
        data = dicom_video(frames, FrameTimeVector=[0.0, *[40.0] * 7])
        data.compress(RLELossless)
        data.save_as(path, enforce_file_format=True)
    elif kind == "npz":
        np.savez_compressed(path, frames=frames)
    else:
        write_video(path, frames, codec="mpeg4")
    return path


def broken(data, rng):
    data = bytearray(data)
    at = rng.randrange(len(data))
    way = rng.randrange(4)
    if way == 0:
        return data[:at]
    if way == 1:
        del data[at : at + rng.choice([2, 64, 1000])]
        return data
    for _ in range(rng.choice([1, 4, 30])):
        data[rng.randrange(len(data) if way == 2 else min(len(data), 700))] = rng.randrange(256)
    return data


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["mp4", "avi", "mkv", "gif", "tif", "dcm", "npz"])
def test_random_damage_never_escapes_as_an_error_of_a_library(kind, tmp_path):
    path, rng = made(kind, tmp_path), random.Random(0)
    data, faults = path.read_bytes(), []
    for _ in range(12):
        path.write_bytes(broken(data, rng))
        try:
            assert len(read_video(path).frames)
        except DataError as error:
            faults.append(error)
    assert faults
    assert all(fault.path == path and fault.remedy for fault in faults)
