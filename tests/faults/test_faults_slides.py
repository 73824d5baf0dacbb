"""Faults 13 to 20, 26, 27 and 50 as far as slides and tiles go, through `medmae prep` where users meet them."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image
from rich.console import Console

from data_prep import tiles as tiles_module
from data_prep import wsi as wsi_module
from data_prep.slide import tile_slide
from data_prep.tiny.wsi import picture, write_pyramid
from medmae.cli import main
from medmae.data import Manifest, Samples, Tiles
from medmae.data.manifest import refuse_seen
from medmae.data.slides.wsi import Slide
from medmae.errors import DataError, ExitCode
from tests.slides import jpeg, work_here, write_jpeg_slide

QUIET = Console(quiet=True)


def code_of(*words):
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return stop.value.code


def quarantine(out):
    with (out / "quarantine.csv").open(newline="") as file:
        return {line["case"]: line for line in csv.DictReader(file)}


def good(path, seed=0):
    return write_pyramid(path, picture(420, 340, seed=seed))


def task(path, out, **options):
    """What a child is given for one slide."""
    shape = {"tile": 64, "mpp": 0.5, "overlap": 0.0, "min_tissue": 0.0, "from_objective": False, **options}
    return {"path": str(path), "files": [str(path)], "case": "a", "mpp": None, "out": str(out), "options": shape}


# ------------------------------------------------------------------------------------------------ 13: files of no use
def unsupported(path):
    path.write_bytes(b"these are words, not pixels")
    return "no slide format"


def stripped(path):
    tifffile.imwrite(path, picture(300, 200), photometric="rgb")
    return "strips, not tiles"


def empty(path):
    path.write_bytes(b"")
    return "the file is empty"


def missing(path):
    path.unlink()
    return "no such slide"


def folder(path):
    path.unlink()
    path.mkdir()
    return "no file"


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return "the slide is truncated"


def cut_in_its_directory(path):
    path.write_bytes(path.read_bytes()[:7])
    return "the slide is truncated"


def huge_tiles(path):
    """OpenSlide would ask for 70 TB, and GLib ends the process that gets less."""
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages.first.tags["TileWidth"].overwrite(1 << 28)
        tiff.pages.first.tags["TileLength"].overwrite(1 << 16)
    return "a tile of .* has more than 64 million pixels"


FILES = [unsupported, stripped, empty, missing, folder, truncated, cut_in_its_directory, huge_tiles]


@pytest.mark.parametrize("harm", FILES)
@pytest.mark.parametrize("suffix", [".tif", ".svs"])
def test_fault_13_what_is_wrong_with_a_file_is_told_in_its_own_words(tmp_path, harm, suffix):
    path = good(tmp_path / f"a{suffix}")
    told = harm(path)
    with pytest.raises(DataError, match=told) as caught:
        Slide(path)
    assert caught.value.path == path
    assert caught.value.remedy


def test_fault_13_a_jpeg_slide_that_openslide_would_open_is_found_truncated(tmp_path, monkeypatch):
    """The directory stands in front of the pixels here, so that all but the last tile is there."""
    path = write_jpeg_slide(tmp_path / "a.tif", monkeypatch=monkeypatch, levels=1)
    monkeypatch.setattr(openslide, "OpenSlide", Opened)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"truncated \(it has \d+ bytes where \d+ are promised\)"):
        Slide(path)


class Opened:
    """A handle of an OpenSlide that looks at no pixel when it opens."""

    dimensions, level_dimensions, level_downsamples = (500, 380), ((500, 380),), (1.0,)
    properties = {"openslide.vendor": "generic-tiff"}

    def __init__(self, path):
        pass


def test_fault_13_the_run_goes_on_with_the_other_slides_and_reports(tmp_path):
    for number, name in enumerate(("good", "junk", "strips")):
        good(tmp_path / "raw" / f"{name}.tif", seed=number)
    unsupported(tmp_path / "raw" / "junk.tif")
    stripped(tmp_path / "raw" / "strips.tif")
    assert code_of("prep", "wsi", tmp_path / "raw", tmp_path / "out", "--tile", 64, "--workers", 0) == 1
    found = quarantine(tmp_path / "out")
    assert {name: line["reason"].split(" (")[0] for name, line in found.items()} == {
        "junk": "this is no slide format that OpenSlide reads",
        "strips": "this TIFF holds strips, not tiles: it would have to be decoded whole",
    }
    assert [row["case"] for row in Manifest.read(tmp_path / "out")] == ["good"]


# ------------------------------------------------------------------------------------------- 14: regions of no use
class Unreliable:
    """Makes OpenSlide fail for some calls of read_region, by their number."""

    def __init__(self, monkeypatch, fails):
        self.calls, self.opened = 0, 0
        read, start = openslide.OpenSlide.read_region, openslide.OpenSlide.__init__

        def read_region(handle, *arguments):
            self.calls += 1
            if fails(self.calls):
                raise openslide.OpenSlideError("JPEG error")
            return read(handle, *arguments)

        def opened(handle, *arguments):
            self.opened += 1
            start(handle, *arguments)

        monkeypatch.setattr(openslide.OpenSlide, "read_region", read_region)
        monkeypatch.setattr(openslide.OpenSlide, "__init__", opened)


def test_fault_14_after_an_error_the_handle_is_opened_anew_once(tmp_path, monkeypatch):
    path = good(tmp_path / "a.tif")
    flaky = Unreliable(monkeypatch, lambda call: call == 1)
    region = Slide(path).read(level=0, x=0, y=0, width=50, height=50)
    assert (flaky.calls, flaky.opened) == (2, 2)
    np.testing.assert_array_equal(np.asarray(region.image), picture(420, 340)[:50, :50])
    dead = Unreliable(monkeypatch, lambda call: True)
    with pytest.raises(DataError, match=r"a region cannot be read \(JPEG error\)") as caught:
        Slide(path).read(level=0, x=7, y=3, width=50, height=50)
    assert dead.calls == 2
    assert caught.value.value == (0, 7, 3, 50, 50)


def test_fault_14_unreadable_regions_are_skipped_counted_and_flagged(tmp_path, monkeypatch):
    path = good(tmp_path / "a.tif")
    Unreliable(monkeypatch, lambda call: call in (5, 6, 9, 10))
    row = tile_slide(task(path, tmp_path / "out"))["row"]
    assert row["count"] == 30 - 2
    assert row["flags"] == ["unreadable:2"]
    coords = np.load(tmp_path / "out" / row["coords"])
    assert len(coords) == len(np.load(tmp_path / "out" / row["shard"], mmap_mode="r")) == 28


def test_fault_14_a_slide_with_too_many_of_them_is_dropped(tmp_path, monkeypatch):
    path = good(tmp_path / "a.tif")
    broken = Unreliable(monkeypatch, lambda call: call > 4)
    with pytest.raises(DataError, match="a region cannot be read"):
        tile_slide(task(path, tmp_path / "out"))
    assert broken.calls == 4 + 2 * 11
    assert not list((tmp_path / "out" / "shards").iterdir())


def test_fault_14_a_damaged_segment_is_an_unreadable_region_not_a_grey_tile(tmp_path, monkeypatch):
    path = write_jpeg_slide(tmp_path / "a.tif", picture(420, 340), monkeypatch=monkeypatch)
    with tifffile.TiffFile(path) as tiff:
        start = tiff.pages.first.dataoffsets[16]
    content = bytearray(path.read_bytes())
    content[start : start + 40] = bytes(40)
    path.write_bytes(content)
    row = tile_slide(task(path, tmp_path / "out"))["row"]
    assert row["count"] == 29
    assert row["flags"][0] == "unreadable:1"
    share = float(row["flags"][1].removeprefix("overview_unreadable:"))
    assert 64 * 64 <= share * 420 * 340 < 2 * 64 * 64  # found around the damage, and nowhere else


# ---------------------------------------------------------------------------------------------- 15: no resolution
def test_fault_15_without_resolution_a_slide_is_refused_until_the_user_gives_one(tmp_path, monkeypatch, capsys):
    work_here(monkeypatch)
    write_pyramid(tmp_path / "raw" / "plain.tif", picture(420, 340), mpp=None)
    words = ("prep", "wsi", tmp_path / "raw", tmp_path / "out", "--tile", 64, "--workers", 0)
    assert code_of(*words) == ExitCode.REFUSED
    assert "how many microns a pixel of slide plain is" in " ".join(capsys.readouterr().err.split())
    assert code_of(*words, "--mpp-from-objective") == ExitCode.REFUSED  # there is no objective either
    (tmp_path / "t.csv").write_text("slide,mpp\nplain,0.5\n")
    assert code_of(*words, "--table", tmp_path / "t.csv") == ExitCode.OK
    (row,) = Manifest.read(tmp_path / "out")
    assert row["flags"] == ["mpp_from_table", "no_patient"]


# -------------------------------------------------------------------------------------------- 16, 17: no pixels
def without_segments(path, *numbers):
    """A slide whose scanner left segments out: OpenSlide shows them transparent, without an error."""
    with tifffile.TiffFile(path) as tiff:
        start = tiff.pages.first.tags["TileByteCounts"].valueoffset
    content = bytearray(path.read_bytes())
    for number in numbers:
        content[start + 4 * number : start + 4 * number + 4] = bytes(4)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("compression", ["zlib", "jpeg"])
def test_fault_16_tiles_where_the_slide_has_nothing_are_rejected(tmp_path, monkeypatch, compression):
    path = tmp_path / "a.tif"
    write_jpeg_slide(path, picture(420, 340), monkeypatch=monkeypatch) if compression == "jpeg" else good(path)
    row = tile_slide(task(without_segments(path, 9, 10), tmp_path / "out"))["row"]
    assert row["flags"] == ["outside:2"]
    coords = np.load(tmp_path / "out" / row["coords"]).tolist()
    assert len(coords) == 28
    assert [128, 64] not in coords
    assert [192, 64] not in coords


def test_fault_16_a_level_that_does_not_exist_is_an_error_not_transparent_pixels(tmp_path):
    with pytest.raises(ValueError, match="got level 7 of 3"):
        Slide(good(tmp_path / "a.tif")).read(level=7, x=0, y=0, width=9, height=9)


def test_fault_17_a_slide_without_tissue_is_listed_as_empty(tmp_path, monkeypatch):
    work_here(monkeypatch)
    good(tmp_path / "raw" / "full.tif")
    write_pyramid(tmp_path / "raw" / "glass.tif", picture(420, 340, tissue=False))
    assert code_of("prep", "wsi", tmp_path / "raw", tmp_path / "out", "--tile", 64, "--workers", 0) == ExitCode.OK
    assert [row["case"] for row in Manifest.read(tmp_path / "out")] == ["full"]
    assert quarantine(tmp_path / "out") == {}
    assert "glass,glass,,0," in (tmp_path / "out" / "summary.csv").read_text()
    assert len(Samples(source=tmp_path / "out", view=Tiles())) > 5  # and none of them is white


# ------------------------------------------------------------------------------------------- 18: native crash, hang
HOSTILE = """
import os, signal, time
import openslide

start = openslide.OpenSlide.__init__

def opened(handle, path):
    if "crash" in str(path):
        os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in str(path):
        time.sleep(600)
    start(handle, path)

openslide.OpenSlide.__init__ = opened
"""


def test_fault_18_a_reader_that_crashes_or_hangs_loses_its_slide_and_not_the_run(tmp_path, monkeypatch):
    """Python runs sitecustomize at its start: the children have a reader that dies, this process has not."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HOSTILE)
    monkeypatch.syspath_prepend(tmp_path / "site")
    options = {"source": tmp_path / "raw", "out": tmp_path / "out", "tile": 64, "workers": 0, "console": QUIET}
    for number, name in enumerate(("crash", "good")):
        good(tmp_path / "raw" / f"{name}.tif", seed=number)
    result = wsi_module.prepare(**options)
    assert (result.exit_code, result.prepared, result.quarantined) == (ExitCode.SOME_FAILED, 1, 1)
    found = quarantine(tmp_path / "out")
    assert (found["crash"]["field"], found["crash"]["value"]) == ("signal", "SIGSEGV")
    (tmp_path / "raw" / "crash.tif").rename(tmp_path / "raw" / "hang.tif")
    result = wsi_module.prepare(**options, limit_s=3)
    assert (result.exit_code, result.kept, result.quarantined) == (ExitCode.SOME_FAILED, 1, 1)
    assert quarantine(tmp_path / "out")["hang"]["reason"].startswith("it was not finished after 3 s")
    assert not list((tmp_path / "out").rglob("*.part"))


# ------------------------------------------------------------------------------------------------- 19: bombs
def test_fault_19_an_image_of_more_pixels_than_the_limit_is_quarantined(tmp_path, monkeypatch):
    (tmp_path / "raw").mkdir()
    for number, size in enumerate(((40, 40), (41, 40), (300, 300))):
        Image.fromarray(picture(*size, seed=number)).save(tmp_path / "raw" / f"{number}.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    result = tiles_module.prepare(source=tmp_path / "raw", out=tmp_path / "out", workers=0, console=QUIET)
    assert result.quarantined == 1
    (line,) = quarantine(tmp_path / "out").values()
    assert "larger than 10,000 pixels" in line["reason"]


def test_fault_19_a_segment_larger_than_the_slide_declares_is_not_decoded(tmp_path, monkeypatch):
    path = write_jpeg_slide(tmp_path / "a.tif", monkeypatch=monkeypatch)
    level = Slide(path)._direct_levels()[0]
    bomb = jpeg(picture(512, 512))
    level._offsets, level._counts = (0,) * len(level._counts), (len(bomb),) * len(level._counts)
    (tmp_path / "bomb.jpg").write_bytes(bomb)
    level._file = (tmp_path / "bomb.jpg").open("rb")
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(OSError, match=r"has \(512, 512\) RGB where \(64, 64\)"):
        level.read(0, 0, 64, 64)


# -------------------------------------------------------------------------------------------- 20: odd and cut images
def test_fault_20_truncated_images_are_quarantined_and_odd_ones_become_rgb(tmp_path):
    raw = tmp_path / "raw" / "TUM"
    raw.mkdir(parents=True)
    colour = Image.fromarray(picture(40, 40))
    colour.convert("CMYK").save(raw / "cmyk.tif")
    colour.quantize(32).save(raw / "palette.png")
    colour.convert("RGBA").save(raw / "alpha.png")
    Image.fromarray(np.asarray(colour.convert("L")).astype(np.uint16) * 256).save(raw / "deep.png")
    for name, kind in (("cut.jpg", "JPEG"), ("cut.png", "PNG")):
        Image.fromarray(picture(90, 90, seed=3)).save(raw / name, kind)
        (raw / name).write_bytes((raw / name).read_bytes()[:-900])
    assert code_of("prep", "tiles", tmp_path / "raw", tmp_path / "out", "--workers", 0) == ExitCode.SOME_FAILED
    text = (tmp_path / "out" / "quarantine.csv").read_text()
    assert text.count("truncated or damaged") == 2
    assert "cut.jpg" in text
    assert "cut.png" in text
    rows = Manifest.read(tmp_path / "out")
    assert {name for row in rows for name in row["tiles"]["name"]} == {
        f"TUM/{name}" for name in ("alpha.png", "cmyk.tif", "deep.png", "palette.png")
    }
    assert all(np.load(rows.folder / row["shard"]).shape[1:] == (40, 40, 3) for row in rows)


# ------------------------------------------------------------------------------------------------- 26, 27: manifests
@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Tiles of four patients."""
    root = tmp_path_factory.mktemp("tiles")
    for number in range(4):
        (root / "raw" / "TUM").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(40, 40, seed=number)).save(root / "raw" / "TUM" / f"p{number}_0.png")
    tiles_module.prepare(source=root / "raw", out=root / "out", subject_from=r"^(p\d)", workers=0, console=QUIET)
    return root / "out"


def spoilt(prepared, folder, change):
    """A copy of the data set whose rows were changed."""
    shutil.copytree(prepared, folder)
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    change(rows)
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_fault_26_bad_rows_of_tiles_are_listed_with_their_lines(prepared, tmp_path):
    def change(rows):
        rows[0]["tiles"]["name"] = []
        rows[1]["shard"] = "../../elsewhere.npy"
        rows[2]["count"] = "1"

    folder = spoilt(prepared, tmp_path / "bad", change)
    with pytest.raises(DataError, match=r"2 bad rows: line 1: 'tiles' must have 1 entries of 'name'; line 3: 'count'"):
        Samples(source=folder, view=Tiles())

    def escape(rows):
        rows[1]["shard"] = "../../elsewhere.npy"

    with pytest.raises(DataError, match=r"line 2: .* lies outside the folder"):
        Samples(source=spoilt(prepared, tmp_path / "escape", escape), view=Tiles())


def test_fault_26_a_shard_that_was_changed_is_found_by_its_hash_and_made_anew(prepared, tmp_path):
    folder = spoilt(prepared, tmp_path / "copy", lambda rows: None)
    shard = folder / "shards" / "p1.npy"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataError, match=r"line 2: shard 'shards/p1.npy' has sha256"):
        Manifest.read(folder, verify=True)
    raw = prepared.parent / "raw"
    result = tiles_module.prepare(source=raw, out=folder, subject_from=r"^(p\d)", workers=0, console=QUIET)
    assert (result.prepared, result.kept) == (1, 3)
    Manifest.read(folder, verify=True)


def test_fault_26_images_that_are_gone_since_are_not_needed(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "alone")
    assert len(Samples(source=tmp_path / "alone", view=Tiles(), split=None)) == 4


def test_fault_26_a_truncated_shard_is_named_when_it_is_read(prepared, tmp_path):
    folder = spoilt(prepared, tmp_path / "cut", lambda rows: None)
    for shard in (folder / "shards").glob("*.npy"):
        shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"p\d\.npy: the shard cannot be read"):
        Samples(source=folder, view=Tiles())[0]


def test_fault_27_a_patient_or_an_image_in_two_splits_is_refused(prepared, tmp_path):
    def twin(rows):
        for row, split in zip(rows, ("train", "test", "train", "train"), strict=True):
            row["subject"], row["split"] = "twin", split

    with pytest.raises(DataError, match=r"same subject is in more than one split: twin \(test, train\)"):
        Samples(source=spoilt(prepared, tmp_path / "twin", twin), view=Tiles())

    def same(rows):
        for row, split in zip(rows[:2], ("train", "test"), strict=True):
            row["tiles"]["sha256"], row["split"] = ["feed"], split

    with pytest.raises(DataError, match=r"TUM/p0_0\.png, TUM/p1_0\.png = feed \(test, train\)") as caught:
        Samples(source=spoilt(prepared, tmp_path / "same", same), view=Tiles())
    assert caught.value.exit_code == ExitCode.REFUSED


def test_fault_27_pretraining_on_patients_that_are_evaluated_is_refused(prepared, tmp_path):
    def everyone(split):
        def change(rows):
            for row in rows:
                row["split"] = split

        return change

    seen = Manifest.read(spoilt(prepared, tmp_path / "one", everyone("train")))
    asked = Manifest.read(spoilt(prepared, tmp_path / "two", everyone("test")))
    with pytest.raises(DataError, match="has seen 4 of the subjects to evaluate: p0, p1, p2, p3"):
        refuse_seen(seen.subjects("train"), asked)


# --------------------------------------------------------------------------------------------------- 50: privacy
def test_fault_50_the_label_image_is_never_read_and_header_texts_are_not_copied(shared, tmp_path, monkeypatch):
    path = shared / "data" / "histology" / "wsi" / "CMU-1-Small-Region.svs"
    if not path.is_file():
        pytest.skip("the shared data have no slide")
    with openslide.OpenSlide(path) as slide:
        assert {"label", "macro"} <= set(slide.associated_images)
        texts = [slide.properties["aperio.User"], slide.properties["aperio.ImageID"], "Aperio Image Library"]
    from openslide import lowlevel

    for name in ("read_associated_image", "get_associated_image_names"):
        monkeypatch.setattr(lowlevel, name, lambda *_: pytest.fail("an associated image was asked for"))
    answer = tile_slide(task(path, tmp_path / "out", tile=224, min_tissue=0.9))
    assert answer["row"]["count"] > 5
    written = json.dumps(answer) + "".join(str(file) for file in tmp_path.rglob("*"))
    assert not [text for text in texts if text in written]
    assert sorted(file.name for file in (tmp_path / "out" / "masks").iterdir()) == ["a.png", "a_overlay.png"]
