"""Slides that tests make: JPEG pyramids as scanners write them."""

from __future__ import annotations

import io
import json

import numpy as np
import tifffile._imagecodecs as codecs
from PIL import Image

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
