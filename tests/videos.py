"""Videos whose frames can be told apart by their brightness, and what is done to their bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from data_prep.tiny.clips import write_video as write_video
from data_prep.video_files import find_videos
from data_prep.video_source import FoundVideos

STEP = 6  # grey levels from frame to frame: more than coding changes


def numbered(count: int = 20, *, size: tuple[int, int] = (32, 48), first: int = 0) -> np.ndarray:
    """Frame i is ``30 + 6 i`` all over, with a little texture: uint8 ``(count, H, W, 3)``."""
    texture = np.random.default_rng(0).integers(-2, 3, (*size, 1))
    levels = 30 + STEP * (first + np.arange(count))
    return (levels[:, None, None, None] + texture).repeat(3, axis=-1).astype(np.uint8)


def numbers_of(frames: np.ndarray) -> list[int]:
    """Which frame each is."""
    return np.round((frames.reshape(len(frames), -1).mean(axis=1) - 30) / STEP).astype(int).tolist()


def textured(count: int = 20, *, size: tuple[int, int] = (64, 96), seed: int = 0) -> np.ndarray:
    """A pattern that slides by, in colour, so that files have some kilobytes: uint8 ``(count, H, W, 3)``."""
    wide = np.random.default_rng(seed).integers(0, 256, (size[0] // 4, size[1] // 4 + count, 3), dtype=np.uint8)
    wide = np.kron(wide, np.ones((4, 4, 1), dtype=np.uint8))
    return np.stack([wide[:, 4 * number : 4 * number + size[1]] for number in range(count)])


def found_in_table(
    folder: Path, text: str | bytes, name: str = "table.csv", *, encoding: str = "utf-8", **options: object
) -> FoundVideos:
    """The videos of a table of this text, which is written into the folder."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return find_videos(path, **options)


def corners(size: tuple[int, int] = (32, 48)) -> np.ndarray:
    """One frame that shows how it lies: red top left, green top right, blue bottom left, white bottom right."""
    frame = np.zeros((*size, 3), dtype=np.uint8)
    h, w = size[0] // 2, size[1] // 2
    frame[:h, :w, 0] = frame[:h, w:, 1] = frame[h:, :w, 2] = 255
    frame[h:, w:] = 255
    return frame


def corner_names(frame: np.ndarray) -> str:
    """The corners as letters, row by row: ``RGBW`` lies as it was made."""
    H, W = frame.shape[:2]
    h, w = H // 4, W // 4
    return "".join(_letter(frame[y, x]) for y in (h, H - h) for x in (w, W - w))


def _letter(pixel: np.ndarray) -> str:
    return "W" if pixel.min() > 128 else "RGB"[int(pixel.argmax())]


def cut(path: Path, share: float) -> Path:
    """The first part of a file."""
    data = path.read_bytes()
    found = path.with_name(f"cut_{path.name}")
    found.write_bytes(data[: int(len(data) * share)])
    return found


def hurt(path: Path, *, at: float, count: int = 2000) -> Path:
    """Some bytes replaced by zeros, as a bad sector leaves them."""
    data = bytearray(path.read_bytes())
    start = int(len(data) * at)
    data[start : start + count] = bytes(count)
    found = path.with_name(f"hurt_{path.name}")
    found.write_bytes(data)
    return found


def sound_only(path: Path) -> Path:
    """An .mp4 without pictures."""
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=16000)
        stream.layout = "mono"
        samples = (np.sin(np.arange(8192) / 20)[None] * 0.3).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 16000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def dicom_video(frames, *, photometric=None, syntax=ExplicitVRLittleEndian, pixels=None, count=None, **elements):
    """A file of frames ``(T, H, W[, 3])``."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = syntax, generate_uid()
    meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.PatientID, data.PatientName, data.Modality = " 123 ", "Doe^Jane", "US"
    colour = frames.ndim == 4
    data.NumberOfFrames = len(frames) if count is None else count
    data.Rows, data.Columns = frames.shape[1:3]
    data.SamplesPerPixel = 3 if colour else 1
    data.PhotometricInterpretation = photometric or ("RGB" if colour else "MONOCHROME2")
    if colour:
        data.PlanarConfiguration = 0
    bits = frames.dtype.itemsize * 8
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = bits, bits, bits - 1, 0
    data.PixelData = frames.tobytes() if pixels is None else pixels
    data["PixelData"].VR = "OB" if bits == 8 else "OW"
    for name, value in elements.items():
        setattr(data, name, value)
    return data
