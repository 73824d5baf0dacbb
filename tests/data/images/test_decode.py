from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from medmae.data.images.decode import pixels_of, read_bytes, rgb_of
from medmae.errors import DataError

RGB = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)


def content(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decoded(data, path="image"):
    return rgb_of(data, path=path)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_rgb_comes_as_it_is(kind):
    np.testing.assert_array_equal(decoded(content(Image.fromarray(RGB), kind)), RGB)


def test_jpeg_is_decoded():
    smooth = np.full((16, 16, 3), (200, 120, 160), np.uint8)
    assert np.abs(decoded(content(Image.fromarray(smooth), "JPEG")).astype(int) - smooth).max() <= 2


def test_grey_and_black_and_white_are_repeated_in_three_channels():
    np.testing.assert_array_equal(decoded(content(Image.fromarray(RGB[..., 0]))), np.repeat(RGB[..., :1], 3, axis=2))
    bits = Image.fromarray(RGB[..., 0] > 127)
    assert bits.mode == "1"
    np.testing.assert_array_equal(decoded(content(bits))[..., 1], np.where(RGB[..., 0] > 127, 255, 0))


def test_sixteen_bits_keep_the_upper_eight_whether_grey_or_rgb(tmp_path):
    deep = RGB.astype(np.uint16) * 256 + 77
    for order in "<>":
        tifffile.imwrite(tmp_path / "grey.tif", deep[..., 0], byteorder=order)
        np.testing.assert_array_equal(decoded((tmp_path / "grey.tif").read_bytes())[..., 2], RGB[..., 0])
    np.testing.assert_array_equal(decoded(content(Image.fromarray(deep[..., 0])))[..., 0], RGB[..., 0])
    tifffile.imwrite(tmp_path / "rgb.tif", deep, photometric="rgb")
    np.testing.assert_array_equal(decoded((tmp_path / "rgb.tif").read_bytes()), RGB)


def test_a_palette_gives_its_colours():
    image = Image.fromarray(RGB).quantize(16)
    np.testing.assert_array_equal(decoded(content(image)), np.asarray(image.convert("RGB")))


def test_what_is_transparent_shows_white():
    layer = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
    layer[0, 0, 3], layer[0, 1, 3] = 0, 128
    got = decoded(content(Image.fromarray(layer)))
    assert got[0, 0].tolist() == [255, 255, 255]
    np.testing.assert_allclose(got[0, 1], (RGB[0, 1].astype(int) + 255) / 2, atol=2)
    np.testing.assert_array_equal(got[1:], RGB[1:])
    palette = Image.fromarray(RGB).quantize(8)
    clear = int(np.asarray(palette)[0, 0])
    assert decoded(content(palette, transparency=clear))[0, 0].tolist() == [255, 255, 255]


def test_cmyk_becomes_rgb():
    ink = Image.fromarray(RGB).convert("CMYK")
    np.testing.assert_array_equal(decoded(content(ink, "TIFF")), RGB)


def test_pages_that_are_no_channels_are_refused():
    pages = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    with pytest.raises(DataError, match="pages are not channels"):
        decoded(content(pages[0], "TIFF", save_all=True, append_images=pages[1:]))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused_and_not_read_as_its_first_frame(kind):
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    file = io.BytesIO()
    first.save(file, kind, save_all=True, append_images=[second])
    with pytest.raises(DataError, match=r"this is an animation, and no image \[frames = 2\]"):
        pixels_of(file.getvalue(), path=Path("a"))


def test_smaller_copies_of_a_page_are_no_pages():
    pages = [Image.fromarray(RGB), Image.fromarray(RGB[::2, ::2].copy())]
    np.testing.assert_array_equal(decoded(content(pages[0], "TIFF", save_all=True, append_images=pages[1:])), RGB)


def tiff(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {"ome": True, "metadata": {"axes": "CYX"}},
        {"imagej": True, "metadata": {"axes": "CYX"}},
        {"photometric": "minisblack", "planarconfig": "separate"},
    ],
    ids=["OME", "ImageJ", "planes"],
)
def test_every_channel_of_a_tiff_is_read(options):
    planes = np.random.default_rng(0).integers(0, 256, (5, 9, 12), dtype=np.uint8)
    found = pixels_of(tiff(planes, **options), path=Path("image"))
    np.testing.assert_array_equal(found, np.moveaxis(planes, 0, -1))


def test_extra_samples_are_channels_and_no_colours():
    values = np.random.default_rng(0).integers(0, 4000, (9, 12, 5), dtype=np.uint16)
    data = tiff(values, photometric="minisblack", planarconfig="contig", extrasamples=["unspecified"] * 4)
    found = pixels_of(data, path=Path("image"))
    assert found.shape == (9, 12, 5)
    assert found.min() == 0
    assert found.max() == 1
    with pytest.raises(DataError, match="5 channels"):
        decoded(data)


def test_sixteen_bits_whose_white_is_0_are_turned_over():
    values = np.arange(108, dtype=np.uint16).reshape(9, 12) * 600
    black, white = (
        pixels_of(tiff(array, photometric=kind), path=Path("image"))
        for array, kind in ((values, "minisblack"), (65535 - values, "miniswhite"))
    )
    np.testing.assert_array_equal(black, white)
    assert black[-1, -1] == 1


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_the_bits_of_a_camera_in_sixteen_use_the_range_of_rgb(bits, photometric):
    values = np.linspace(0, 2**bits - 1, 108).reshape(9, 12).astype(np.uint16)
    shown = decoded(tiff(values if photometric == "minisblack" else 2**bits - 1 - values, photometric=photometric))
    assert (shown.min(), shown[-1, -1].max()) == (0, 255)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_images_are_turned_as_exif_says(kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees clockwise to be seen
    shown = decoded(content(Image.fromarray(RGB), kind, exif=exif))
    assert shown.shape == (RGB.shape[1], RGB.shape[0], 3)


@pytest.mark.parametrize("kind", ["BMP", "WEBP"])
def test_further_kinds_are_read(kind):
    np.testing.assert_array_equal(decoded(content(Image.fromarray(RGB), kind, lossless=True)), RGB)


def test_floating_point_pixels_are_refused():
    with pytest.raises(DataError, match="no one meaning as colours") as caught:
        decoded(content(Image.fromarray(RGB[..., 0].astype(np.float32)), "TIFF"))
    assert caught.value.value == "F"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_a_truncated_image_is_refused_by_name(kind, share):
    data = content(Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 90, 3), dtype=np.uint8)), kind)
    with pytest.raises(DataError, match=r"^tile: .*(truncated or damaged|no JPEG, PNG or TIFF)"):
        decoded(data[: int(len(data) * share)], path="tile")


def test_what_is_no_image_or_another_format_is_refused():
    for data in (b"hello", b"%PDF-1.4", content(Image.fromarray(RGB), "GIF")):
        with pytest.raises(DataError, match="no JPEG, PNG, TIFF, BMP, WebP, PGM or PPM image"):
            decoded(data)


def test_an_image_of_more_pixels_than_the_limit_is_refused_before_it_is_decoded(monkeypatch):
    data = content(Image.fromarray(np.zeros((200, 300), np.uint8)))
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    for limit in (59_999, 20_000):  # above its limit Pillow warns, above twice that it raises
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=f"larger than {limit:,} pixels"):
            decoded(data)


def test_switching_pillows_limit_off_does_not_switch_ours_off(monkeypatch):
    data = bytearray(content(Image.fromarray(np.zeros((8, 8), np.uint8))))
    data[16:24] = (60_000).to_bytes(4, "big") * 2  # what the header declares
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(DataError, match="larger than"):
        decoded(bytes(data))


def test_a_missing_an_empty_and_a_huge_file_are_told_apart(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="cannot be read"):
        read_bytes(tmp_path / "none.png")
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        read_bytes(tmp_path / "empty.png")
    (tmp_path / "huge.png").write_bytes(bytes(900))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="larger than 100 pixels"):
        read_bytes(tmp_path / "huge.png")


def test_directories_of_a_tiff_that_its_file_cannot_hold_are_refused_before_they_are_read():
    sound = tiff(np.arange(240, dtype=np.uint16).reshape(2, 10, 12), photometric="minisblack", metadata={"axes": "CYX"})
    assert decoded_channels(sound).shape == (10, 12, 2)
    first = int.from_bytes(sound[4:8], "little")
    count = int.from_bytes(sound[first : first + 2], "little")
    link = first + 2 + 12 * count
    second = int.from_bytes(sound[link : link + 4], "little")
    for at, value, width in ((first, 65000, 2), (second, 60000, 2), (link, first, 4), (link, len(sound) - 1, 4)):
        hurt = bytearray(sound)
        hurt[at : at + width] = value.to_bytes(width, "little")
        with pytest.raises(DataError, match="lead out of the file, or in a circle"):
            decoded_channels(bytes(hurt))


def decoded_channels(data):
    return pixels_of(data, path=Path("image"))
