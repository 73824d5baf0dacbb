"""Damaged files for every reader: ``python -m tests.fuzzing 20000 [SEED]`` counts what comes of so many, by reader.

An input is a sound file with bytes cut, removed or changed. A reader may read it, or refuse it by DataError with its
path; anything else, more than 20 s of the processor, or more memory than the budget is a fault.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import nibabel as nib
import numpy as np
import SimpleITK
import tifffile
import torch
from PIL import Image
from pydicom.uid import MRImageStorage
from safetensors.torch import save_file

from data_prep.tiny.wsi import picture, write_pyramid
from data_prep.video_files import find_videos
from medmae.data.audio.read import read_sound
from medmae.data.images.arrays import read_npz
from medmae.data.images.decode import pixels_of, read_bytes
from medmae.data.images.idx import read_idx_array
from medmae.data.shards import open_shard
from medmae.data.slides.wsi import Slide
from medmae.data.table_files import read_csv
from medmae.data.video.read import read_video
from medmae.data.volumes.dicom import load_image, load_series
from medmae.data.volumes.nifti import load_volume
from medmae.data.volumes.other_formats import load_other
from medmae.data.volumes.series import find_series
from medmae.data.volumes.walk import walk
from medmae.errors import DataError
from medmae.evaluate.features.coords import case_of_slide
from medmae.evaluate.features.embedding_files import read_embeddings
from medmae.training.resume import read_checkpoint
from medmae.weights.read import load_state
from tests.fuzzed_texts import TEXTS, spoilt
from tests.sounds import in_blocks, noise, write_sound, write_track
from tests.videos import dicom_video, textured, write_video

HANG_S = 20  # of the processor; six times that by the clock, for a process that waits
_LIMITS = ((signal.SIGPROF, signal.ITIMER_PROF, HANG_S), (signal.SIGALRM, signal.ITIMER_REAL, 6 * HANG_S))
_KNOWN = ("patient", "mpp")


def _image(path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    if path.name == "channels.tif":
        tifffile.imwrite(path, np.moveaxis(values, -1, 0), metadata={"axes": "CYX"}, ome=True)
    else:
        Image.fromarray(values).save(path)


def _nifti(path: Path) -> None:
    array = np.arange(960, dtype=np.int16).reshape(12, 10, 8)
    nib.save(nib.Nifti1Image(array, np.diag([-1.0, 1, 2, 1])), path)


def _other_volume(path: Path) -> None:
    array = np.arange(960, dtype=np.int16).reshape(12, 10, 8)
    if path.suffix in (".nrrd", ".mha"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path), path.suffix == ".nrrd")
    else:
        kind = nib.AnalyzeImage if path.suffix == ".hdr" else nib.MGHImage
        nib.save(kind(array, np.diag([1.0, 1, 1, 1])), path)


def _animated(path: Path) -> None:
    first, *rest = (Image.fromarray(frame[..., 0]) for frame in textured(4))
    first.save(path, save_all=True, append_images=rest)


def _table(path: Path) -> None:
    path.write_text("slide,patient,mpp\n" + "".join(f"s{n},p{n},0.5\n" for n in range(30)))


def _dicom(path: Path) -> None:
    dicom_video(textured(1)).save_as(path, enforce_file_format=True)


def _slice(path: Path) -> None:
    for number in range(3):
        place = {"ImagePositionPatient": [0, 0, 2 * number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        place |= {"PixelSpacing": [1, 1], "SeriesInstanceUID": "1.2.3", "InstanceNumber": number + 1, "Modality": "MR"}
        data = dicom_video(np.full((1, 12, 10), number, np.uint16), **place)
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = MRImageStorage
        data.save_as(path if number == 1 else path.with_name(f"{number}.dcm"), enforce_file_format=True)


def _series(path: Path) -> None:
    for series in find_series(path.parent).values():
        load_series(series.files)


def _found(path: Path) -> None:
    _dicom(path) if path.suffix == ".dcm" else _animated(path)


def _walks(path: Path) -> None:
    walk(path.parent, salt=None)
    find_videos(path.parent)


def _idx(path: Path) -> None:
    path.write_bytes(b"\0\0\x08\x03" + np.array([4, 8, 8], dtype=">u4").tobytes() + bytes(range(256)))


def _npz(path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez_compressed(path, images=rng.integers(0, 256, (6, 8, 8), dtype=np.uint8), labels=np.arange(6) % 2)


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["features"] = np.random.default_rng(0).random((5, 8), dtype=np.float32)
        file["coords"] = np.arange(10).reshape(5, 2)
        file["coords"].attrs.update({"patch_size": 32, "name": "a"})


def _coords(path: Path) -> None:
    slide = path.with_name("slide.tif")
    if not slide.exists():
        write_pyramid(slide, picture(160, 128), mpp=0.5)
    case_of_slide(slide, path)


def _video(path: Path) -> None:
    write_video(path, textured(4), codec="mpeg4")


def _sound(path: Path) -> None:
    write_sound(path, noise(seconds=0.5))


def _track(path: Path) -> None:
    codec, blocks = {".mkv": "flac", ".m4a": "aac", ".ts": "mp2"}[path.suffix], in_blocks(noise(seconds=0.5))
    container = "mp4" if path.suffix == ".m4a" else None
    write_track(path, blocks, times=[0.05 * n for n in range(len(blocks))], codec=codec, container=container)


def _weights(path: Path) -> None:
    state = {"a.weight": torch.arange(24.0).reshape(4, 6), "a.bias": torch.zeros(4)}
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)


def _whole_slide(path: Path) -> None:
    with Slide(path) as slide:
        slide.read(level=0, x=0, y=0, width=64, height=64)


# Name of the file, how it is written, how it is read.
READERS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    **dict.fromkeys(("a.nii", "a.nii.gz"), (_nifti, load_volume)),
    **dict.fromkeys(
        ("a.png", "a.jpg", "a.tif", "a.bmp", "a.webp", "channels.tif"),
        (_image, lambda path: pixels_of(read_bytes(path), path=path)),
    ),
    **dict.fromkeys(("a.mgz", "a.mgh", "a.hdr", "a.nrrd", "a.mha"), (_other_volume, load_other)),
    "image.dcm": (_dicom, load_image),
    "cine.dcm": (_dicom, read_video),
    "slice.dcm": (_slice, _series),
    **dict.fromkeys(("found.dcm", "found.dcm.gif", "found.dcm.tif"), (_found, _walks)),
    "a.gif": (_animated, read_video),
    "a.csv": (_table, lambda path: read_csv(path, needs=("slide",), remedy="", rows=("slide",), known=_KNOWN)),
    "a-images-idx3-ubyte": (_idx, read_idx_array),
    "a.npz": (_npz, read_npz),
    "a.npy": (lambda path: np.save(path, np.zeros((4, 2, 8, 8), np.float16)), open_shard),
    "frames.npy": (lambda path: np.save(path, np.zeros((4, 8, 8, 3), np.float16)), read_video),
    "a.h5": (_hdf5, read_embeddings),
    "coords.h5": (_hdf5, _coords),
    **dict.fromkeys(("a.pt", "a.bin", "a.safetensors"), (_weights, load_state)),
    "a.ckpt": (lambda path: torch.save({"medmae": 1, "global_step": 2}, path), read_checkpoint),
    "slide.tif": (lambda path: write_pyramid(path, picture(160, 128), mpp=0.5), _whole_slide),
    **dict.fromkeys(("a.mp4", "a.avi", "a.mkv", "a.ts"), (_video, read_video)),
    **dict.fromkeys(("a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"), (_sound, read_sound)),
    **dict.fromkeys(("track.mkv", "track.m4a", "track.ts"), (_track, read_sound)),
    **TEXTS,
}


def damaged(content: bytes, rng: random.Random, *, text: bool = False) -> bytes:
    """Cut off, a part removed, or bytes changed, anywhere or in the header alone; of a text mostly fields."""
    if text and rng.randrange(4):
        return spoilt(content, rng)
    data, at, way = bytearray(content), rng.randrange(len(content)), rng.randrange(5)
    if way == 0:
        return bytes(data[:at])
    if way == 1:
        del data[at : at + rng.choice([1, 2, 64, 1000])]
        return bytes(data)
    for _ in range(rng.choice([1, 1, 4, 30])):
        place = rng.randrange(len(data) if way == 2 else min(len(data), 700))
        data[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, data[place] ^ 1 << rng.randrange(8), rng.randrange(256)])
    return bytes(data)


class _HangError(BaseException):
    """No exception that a reader could take for its file's."""


def outcome(read: Callable[[Path], object], path: Path) -> str:
    """``read``, ``refused``, or what went wrong."""

    def hang(*_: object) -> None:
        raise _HangError

    for number, timer, seconds in _LIMITS:
        signal.signal(number, hang)
        signal.setitimer(timer, seconds)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except DataError as error:
        named = str(path) in str(error.path) or error.path == path.parent  # of a series
        return "refused" if named else f"no path: {error}"
    except _HangError:
        return f"more than {HANG_S} s"
    except Exception as error:  # what this is about
        return f"{type(error).__name__}: {str(error)[:150]}"
    finally:
        for _, timer, _ in _LIMITS:
            signal.setitimer(timer, 0)
    return "read"


def fuzz(name: str, *, count: int, seed: int, folder: Path) -> Counter[str]:
    """Outcomes of so many damaged files of one kind."""
    write, read = READERS[name]
    path = folder / name
    write(path)
    sound, found = path.read_bytes(), Counter({outcome(read, path): 0})
    for number in range(count):
        path.write_bytes(damaged(sound, random.Random(f"{seed} {name} {number}"), text=name in TEXTS))
        found[outcome(read, path)] += 1
    return found


def main() -> None:
    """Prints, for each reader, the outcomes, seconds, and peak memory of this process and its child."""
    each, seed = int(sys.argv[1]) // len(READERS) + 1, int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for name in READERS:
        start = time.monotonic()
        with TemporaryDirectory() as folder:
            found = fuzz(name, count=each, seed=seed, folder=Path(folder))
        peaks = [resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        print(f"{name}: {dict(found)} {time.monotonic() - start:.0f} s, peak {peaks} MiB", flush=True)


if __name__ == "__main__":
    main()
