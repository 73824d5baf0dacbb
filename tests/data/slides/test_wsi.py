from __future__ import annotations

import multiprocessing
import pickle

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image

from data_prep.tiny.wsi import picture, write_pyramid
from medmae.data.slides.resolution import doubtful, resolve_mpp
from medmae.data.slides.wsi import Slide
from medmae.data.slides.wsi_direct import TiledJpeg
from medmae.data.slides.wsi_metadata import bounds_in, levels_of
from medmae.data.slides.wsi_overview import overview
from medmae.errors import DataError
from tests.slides import jpeg, write_jpeg_slide


@pytest.fixture
def slide(tmp_path, monkeypatch):
    return write_jpeg_slide(tmp_path / "slide.tif", monkeypatch=monkeypatch)


def array(region):
    return np.asarray(region.image)


def regions(slide, *, count=60, seed=0):
    """Random rectangles of all levels, inside."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        level = int(rng.integers(len(slide.levels)))
        wide, high = slide.levels[level].size
        x, y = int(rng.integers(wide)), int(rng.integers(high))
        width, height = int(rng.integers(1, wide - x + 1)), int(rng.integers(1, high - y + 1))
        yield {"level": level, "x": x, "y": y, "width": width, "height": height}


# --------------------------------------------------------------------------------------------------------- metadata
def test_size_levels_and_microns_come_from_the_file(slide):
    found = Slide(slide)
    assert found.size == (500, 380)
    assert [level.size for level in found.levels] == [(500, 380), (250, 190), (125, 95)]
    assert [level.downsample for level in found.levels] == [(1, 1), (2, 2), (4, 4)]
    assert found.mpp == pytest.approx((0.5, 0.5))
    assert found.vendor == "generic-tiff"


def test_a_level_whose_size_was_rounded_still_has_a_whole_factor():
    levels = levels_of(((83_664, 64_259), (20_916, 16_064), (5_229, 4_016), (1_000, 768)))
    assert [level.downsample for level in levels[:3]] == [(1, 1), (4, 4), (16, 16)]
    assert levels[3].downsample == pytest.approx((83.664, 83.670), abs=1e-3)


def test_microns_come_from_metadata_then_table_then_on_request_from_the_objective(tmp_path, slide):
    assert resolve_mpp(Slide(slide), stated=0.5) == (pytest.approx((0.5, 0.5)), "metadata")
    bare = Slide(write_pyramid(tmp_path / "bare.tif", picture(200, 200), mpp=None))
    assert resolve_mpp(bare, stated=0.3, from_objective=True) == ((0.3, 0.3), "table")
    with pytest.raises(DataError, match=r"how many microns a pixel of slide bare is.*slide,mpp") as caught:
        resolve_mpp(bare)
    assert caught.value.field == "mpp"
    bare.objective = 40.0
    assert resolve_mpp(bare, from_objective=True) == ((0.25, 0.25), "objective")
    with pytest.raises(DataError, match="infer it from its nominal 40x"):
        resolve_mpp(bare)


def test_what_a_user_states_overrules_what_the_slide_says(slide):
    assert resolve_mpp(Slide(slide), stated=0.25) == ((0.25, 0.25), "table")


@pytest.mark.parametrize(
    ("mpp", "objective", "doubted"),
    [
        (0.5, 20.0, False),
        (0.2277, 40.0, False),
        (0.5, 40.0, False),
        (0.05, None, True),  # off by ten
        (0.05, 20.0, True),
        (1.3, 20.0, True),
        (0.17, 20.0, True),
        (21.2, None, True),  # a print resolution
        (2.0, None, False),
    ],
)
def test_a_resolution_that_no_scanner_has_or_the_magnification_contradicts_is_doubted(mpp, objective, doubted):
    assert doubtful((mpp, mpp), objective) is doubted


def test_bounds_are_those_of_the_file_and_all_four_of_them():
    values = {"x": 3, "y": 4, "width": 50, "height": 60}
    said = {f"openslide.bounds-{name}": str(value) for name, value in values.items()}
    assert bounds_in(said) == (3, 4, 50, 60)
    assert bounds_in({**said, "openslide.bounds-width": "0"}) is None
    said.pop("openslide.bounds-x")
    assert bounds_in(said) is None


def test_absurd_microns_count_as_none(tmp_path):
    assert Slide(write_pyramid(tmp_path / "a.tif", picture(200, 200), mpp=352.8)).mpp is None


# ------------------------------------------------------------------------------------------------------------ reads
@pytest.mark.parametrize("photometric", ["ycbcr", "rgb"])
def test_direct_decoding_gives_the_pixels_of_openslide(tmp_path, monkeypatch, photometric):
    path = write_jpeg_slide(tmp_path / "a.tif", monkeypatch=monkeypatch, photometric=photometric)
    fast, plain = Slide(path), Slide(path, direct=False)
    assert sorted(fast._direct_levels()) == [0, 1, 2]
    assert plain._direct_levels() == {}
    for where in regions(fast):
        assert np.array_equal(array(fast.read(**where)), array(plain.read(**where))), where


def test_direct_decoding_does_not_ask_openslide(slide, monkeypatch):
    fast = Slide(slide)
    fast._direct_levels()
    monkeypatch.setattr(openslide.OpenSlide, "read_region", lambda *_: pytest.fail("OpenSlide was asked"))
    assert fast.read(level=0, x=10, y=10, width=200, height=200).outside == 0


def test_a_level_that_looks_otherwise_through_openslide_is_left_to_it(slide, monkeypatch):
    real = TiledJpeg.read
    monkeypatch.setattr(TiledJpeg, "read", lambda *a: Image.eval(real(*a), lambda value: value // 2))
    assert Slide(slide)._direct_levels() == {}


def test_segments_that_are_not_jpeg_are_read_through_openslide(tmp_path):
    pixels = picture(300, 200)
    slide = Slide(write_pyramid(tmp_path / "z.tif", pixels))
    assert slide._direct_levels() == {}
    np.testing.assert_array_equal(array(slide.read(level=0, x=30, y=20, width=99, height=77)), pixels[20:97, 30:129])


def test_a_tiff_that_only_openslide_understands_is_left_to_it(slide, monkeypatch):
    def confused(*_, **__):
        raise tifffile.TiffFileError("a tag of no known type")

    monkeypatch.setattr(tifffile, "TiffFile", confused)
    assert Slide(slide)._direct_levels() == {}
    assert Slide(slide).read(level=1, x=0, y=0, width=9, height=9).image.size == (9, 9)


def test_each_segment_is_decoded_once_for_tiles_across_it(slide, monkeypatch):
    fast = Slide(slide)
    level = fast._direct_levels()[0]
    seen = []
    real = level._decode
    monkeypatch.setattr(level, "_decode", lambda index: seen.append(index) or real(index))
    for y in range(0, 320, 50):
        for x in range(0, 440, 50):
            fast.read(level=0, x=x, y=y, width=50, height=50)
    assert len(seen) == len(set(seen))


def test_a_segment_that_the_file_leaves_out_is_left_to_openslide(slide):
    fast = Slide(slide)
    level = fast._direct_levels()[0]
    level._counts = (0, *level._counts[1:])
    assert not level.covers(0, 0, 10, 10)
    assert level.covers(64, 0, 10, 10)
    assert fast.read(level=0, x=0, y=0, width=10, height=10).image.size == (10, 10)


def test_what_lies_outside_is_background_and_reported(slide):
    region = Slide(slide).read(level=0, x=490, y=0, width=20, height=10)
    assert region.outside == 0.5
    assert (array(region)[:, 10:] == 255).all()
    assert Slide(slide).read(level=0, x=-50, y=0, width=20, height=10).outside == 1


def test_a_level_that_is_not_there_is_refused(slide):
    with pytest.raises(ValueError, match="level 3 of 3"):
        Slide(slide).read(level=3, x=0, y=0, width=5, height=5)


def test_a_region_over_the_budget_is_refused_before_it_is_read(slide, monkeypatch):
    monkeypatch.setattr(openslide.OpenSlide, "read_region", lambda *_: pytest.fail("it was read"))
    with pytest.raises(DataError, match="more than 64 million pixels"):
        Slide(slide).read(level=0, x=0, y=0, width=200_000, height=200_000)


def test_resampling_takes_exactly_the_rectangle_asked_for(tmp_path):
    ramp = np.zeros((128, 256, 3), np.uint8)
    ramp[:] = np.arange(256, dtype=np.uint8)[None, :, None]  # the grey level is the column
    slide = Slide(write_pyramid(tmp_path / "ramp.tif", ramp, levels=1))
    left, width = 10.25, 112.2245
    got = array(slide.read_scaled(level=0, box=(left, 3.5, left + width, 3.5 + width), size=(50, 50)))
    centres = left + (np.arange(50) + 0.5) * width / 50 - 0.5
    assert np.abs(got[25, 2:-2, 0] - centres[2:-2]).max() < 0.6
    plain = slide.read_scaled(level=0, box=(8, 4, 58, 54), size=(50, 50))
    np.testing.assert_array_equal(array(plain), ramp[4:54, 8:58])


def test_a_tile_at_the_rim_of_a_rounded_level_is_whole(slide):
    wide, high = Slide(slide).levels[2].size
    region = Slide(slide).read_scaled(level=2, box=(wide - 40, high - 40, wide + 0.5, high + 0.75), size=(40, 40))
    assert region.outside == 0


@pytest.mark.parametrize("edge", [1024, 100, 30])
def test_the_overview_is_the_whole_slide_however_it_is_cut_into_strips(slide, edge, monkeypatch):
    monkeypatch.setattr("medmae.data.slides.wsi_overview._STRIP_PIXELS", 3000)
    small, unread = overview(Slide(slide), edge=edge)
    assert max(small.size) == min(edge, 500)
    assert unread == 0
    with Image.fromarray(picture(500, 380)) as whole:
        wanted = np.asarray(whole.resize(small.size, Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(np.asarray(small) - wanted).mean() < 6


# -------------------------------------------------------------------------------------------------------- processes
def test_a_slide_travels_without_its_handles(slide):
    opened = Slide(slide)
    first = array(opened.read(level=0, x=5, y=5, width=80, height=80))
    copy = pickle.loads(pickle.dumps(opened))
    assert copy._handle._slide is None
    assert copy._direct is None
    np.testing.assert_array_equal(array(copy.read(level=0, x=5, y=5, width=80, height=80)), first)


def test_a_fork_opens_the_slide_for_itself(slide):
    opened = Slide(slide, direct=False)
    mine = opened._handle.slide

    def child(queue):
        queue.put(opened._handle.slide is mine)

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    assert queue.get(timeout=300) is False
    process.join()
    assert opened._handle.slide is mine


def test_a_closed_slide_opens_again_when_it_is_read(slide):
    with Slide(slide) as opened:
        opened.read(level=0, x=0, y=0, width=8, height=8)
    assert opened.read(level=0, x=0, y=0, width=8, height=8).image.size == (8, 8)


# ------------------------------------------------------------------------------------------------------------- real
def test_a_real_slide_reads_the_same_both_ways(shared):
    path = shared / "data" / "histology" / "wsi" / "CMU-1-Small-Region.svs"
    if not path.is_file():
        pytest.skip("the shared data have no slide")
    fast, plain = Slide(path), Slide(path, direct=False)
    assert list(fast._direct_levels()) == [0]  # RGB in JPEG, tables apart, tiles of 240
    assert fast.mpp == (0.499, 0.499)
    assert fast.objective == 20
    difference = [
        np.abs(array(fast.read(**where)).astype(int) - array(plain.read(**where)).astype(int)).max()
        for where in regions(fast, count=12)
    ]
    assert max(difference) <= 2


def test_a_jpeg_that_says_other_colours_than_its_tiff_is_left_to_openslide(tmp_path, monkeypatch):
    """JFIF means YCbCr; a TIFF tag that says RGB wins in OpenSlide, but not in Pillow."""
    path = write_jpeg_slide(tmp_path / "a.tif", monkeypatch=monkeypatch)
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages.first.tags["PhotometricInterpretation"].valueoffset
    content = bytearray(path.read_bytes())
    assert content[offset] == 6
    content[offset] = 2
    path.write_bytes(content)
    assert 0 not in Slide(path)._direct_levels()
    assert jpeg(picture(64, 64))[6:10] == b"JFIF"
