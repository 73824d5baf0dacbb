"""Damaged files for every reader: ``python -m tests.fuzzing 20000`` counts what comes of so many, reader by reader.

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
from safetensors.torch import save_file

from data_prep.tiny.wsi import picture, write_pyramid
from medmae.data.images.arrays import read_npz
from medmae.data.images.decode import pixels_of, read_bytes
from medmae.data.images.idx import read_idx_array
from medmae.data.shards import open_shard
from medmae.data.slides.wsi import Slide
from medmae.data.table_files import read_csv
from medmae.data.video.read import read_video
from medmae.data.volumes.dicom import load_image
from medmae.data.volumes.nifti import load_volume
from medmae.data.volumes.other_formats import load_other
from medmae.errors import DataError
from medmae.evaluate.features.embedding_files import read_embeddings
from medmae.training.resume import read_checkpoint
from medmae.weights.read import load_state
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
    "a.gif": (_animated, read_video),
    "a.csv": (_table, lambda path: read_csv(path, needs=("slide",), remedy="", rows=("slide",), known=_KNOWN)),
    "a-images-idx3-ubyte": (_idx, read_idx_array),
    "a.npz": (_npz, read_npz),
    "a.npy": (lambda path: np.save(path, np.zeros((4, 2, 8, 8), np.float16)), open_shard),
    "a.h5": (_hdf5, read_embeddings),
    **dict.fromkeys(("a.pt", "a.safetensors"), (_weights, load_state)),
    "a.ckpt": (lambda path: torch.save({"medmae": 1, "global_step": 2}, path), read_checkpoint),
    "slide.tif": (lambda path: write_pyramid(path, picture(160, 128), mpp=0.5), _whole_slide),
    "a.mp4": (lambda path: write_video(path, textured(4), codec="mpeg4"), read_video),
}


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Cut off, a part removed, or bytes changed, anywhere or in the header alone."""
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
        return "refused" if error.path is not None and str(path) in str(error.path) else f"no path: {error}"
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
    path, rng = folder / name, random.Random(f"{seed} {name}")
    write(path)
    sound, found = path.read_bytes(), Counter({outcome(read, path): 0})
    for _ in range(count):
        path.write_bytes(damaged(sound, rng))
        found[outcome(read, path)] += 1
    return found


def main() -> None:
    """Prints, for each reader, the outcomes, seconds, and peak memory of this process and its child."""
    each = int(sys.argv[1]) // len(READERS) + 1
    for name in READERS:
        start = time.monotonic()
        with TemporaryDirectory() as folder:
            found = fuzz(name, count=each, seed=1, folder=Path(folder))
        peaks = [resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        print(f"{name}: {dict(found)} {time.monotonic() - start:.0f} s, peak {peaks} MiB", flush=True)


if __name__ == "__main__":
    main()
