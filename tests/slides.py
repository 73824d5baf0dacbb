"""Slides that tests make: JPEG pyramids as scanners write them."""

from __future__ import annotations

import io
import itertools
import json

import numpy as np
import tifffile
import tifffile._imagecodecs as codecs
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, VLWholeSlideMicroscopyImageStorage, generate_uid

from data_prep import slide
from data_prep.tiny.wsi import picture, write_pyramid


def jpeg(pixels, **options):
    """One JPEG image."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=85, **options)
    return file.getvalue()


def write_jpeg_slide(path, pixels=None, *, monkeypatch, photometric="ycbcr", **options):
    """A pyramid whose tiles Pillow encodes: tifffile has no JPEG encoder of its own, but takes one."""

    def encode(data, level=None, **_):
        extra = {"keep_rgb": True} if photometric == "rgb" else {"subsampling": 2}
        return jpeg(np.asarray(data), **extra)

    with monkeypatch.context() as patch:
        patch.setattr(codecs, "jpeg_encode", encode, raising=False)
        pixels = picture(500, 380) if pixels is None else pixels
        return write_pyramid(path, pixels, compression="jpeg", photometric=photometric, **options)


def work_here(monkeypatch):
    """Works on slides in this process, which saves a second each; what the child adds is tested by itself."""

    def call(work, task, *, path, limit_s):
        assert work == "data_prep.slide:tile_slide"
        return json.loads(json.dumps(slide.tile_slide(json.loads(json.dumps(task)))))

    monkeypatch.setattr(slide, "run_in_child", call)


def write_scn(path, size, *, offset, nm=500):
    """A Leica SCN of one level whose slide has ``size`` pixels, and whose bounds begin at ``offset``."""
    (left, top), (wide, high) = offset, np.subtract(size, offset)
    pixels = picture(int(wide), int(high))
    view = f'<view sizeX="{wide * nm}" sizeY="{high * nm}" offsetX="{left * nm}" offsetY="{top * nm}"/>'
    light = "<illuminationSettings><illuminationSource>brightfield</illuminationSource></illuminationSettings>"
    scan = f"<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings>{light}</scanSettings>"
    inner = f'<pixels sizeX="{wide}" sizeY="{high}"><dimension sizeX="{wide}" sizeY="{high}" ifd="0"/></pixels>'
    whole = f'<collection name="c" sizeX="{size[0] * nm}" sizeY="{size[1] * nm}">'
    space = "http://www.leica-microsystems.com/scn/2010/10/01"
    xml = f'<scn xmlns="{space}">{whole}<image>{inner}{view}{scan}</image></collection></scn>'
    options = {"bigtiff": True, "tile": (64, 64), "compression": "zlib", "photometric": "rgb", "metadata": None}
    resolution = {"resolution": (1e7 / nm, 1e7 / nm), "resolutionunit": "CENTIMETER"}
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, description=xml, **options, **resolution)
    return path


def write_dicom_slide(folder, pixels, *, mpp=0.5, tile=64):
    """Two levels and a label as DICOM files of one series."""
    folder.mkdir(parents=True)
    series = generate_uid()
    half = np.asarray(Image.fromarray(pixels).reduce(2))
    for name, level, kind, scale in (("a", half, "LABEL", 2), ("b", half, "VOLUME", 2), ("c", pixels, "VOLUME", 1)):
        data = _dicom(level, tile=tile, spacing=mpp * scale / 1000)
        data.ImageType = ["ORIGINAL", "PRIMARY", kind, "NONE"]
        data.SeriesInstanceUID, data.FrameOfReferenceUID = series, f"{series[:60]}.1"
        data.save_as(folder / f"{name}.dcm", enforce_file_format=True)


def _dicom(pixels, *, tile, spacing):
    H, W = pixels.shape[:2]
    frames = []
    for y, x in itertools.product(range(0, H, tile), range(0, W, tile)):
        frame = np.full((tile, tile, 3), 255, np.uint8)
        part = pixels[y : y + tile, x : x + tile]
        frame[: part.shape[0], : part.shape[1]] = part
        frames.append(jpeg(frame))
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.Rows = data.Columns = tile
    data.TotalPixelMatrixColumns, data.TotalPixelMatrixRows, data.NumberOfFrames = W, H, len(frames)
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "YBR_FULL_422", 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation, data.DimensionOrganizationType = 7, 0, "TILED_FULL"
    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing = [spacing, spacing]
    shared.PixelMeasuresSequence = [measures]
    data.SharedFunctionalGroupsSequence = [shared]
    data.PixelData = encapsulate(frames)
    data["PixelData"].is_undefined_length = True
    return data
