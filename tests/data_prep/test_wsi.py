from __future__ import annotations

import csv
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from data_prep import slide as slide_module
from data_prep.tiny.wsi import picture, write_pyramid
from data_prep.wsi import main, prepare
from medmae.data import Manifest, Samples, Tiles
from medmae.data.slides.slide_grid import SlideGrid
from medmae.data.slides.wsi import Slide
from medmae.errors import DataError, ExitCode
from tests.slides import work_here, write_dicom_slide, write_jpeg_slide, write_scn

QUIET = Console(quiet=True)


@pytest.fixture
def here(monkeypatch):
    work_here(monkeypatch)


@pytest.fixture
def slides(tmp_path):
    """A folder of slides ``a, b, c``, zlib-compressed, 420 x 340 at 0.5 microns."""

    def make(names=("a", "b", "c"), **options):
        for number, name in enumerate(names):
            write_pyramid(tmp_path / "raw" / f"{name}.tif", picture(420, 340, seed=number), **options)
        return tmp_path / "raw"

    return make


def run(source, out, **options):
    return prepare(source=source, out=out, **{"console": QUIET, "workers": 0, "tile": 64, **options})


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def code_of(*arguments):
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return caught.value.code


def test_a_folder_becomes_a_data_set_that_tile_datasets_read(here, slides, tmp_path):
    result = run(slides(), tmp_path / "out")
    assert (result.exit_code, result.prepared, result.kept, result.quarantined) == (ExitCode.OK, 3, 0, 0)
    assert result.subjects == {"train": 1, "val": 1, "test": 1}
    manifest = Manifest.read(result.manifest, verify=True)
    assert [row["case"] for row in manifest] == ["a", "b", "c"]
    data = Samples(source=manifest, view=Tiles(size=None), split=None)
    assert len(data) == sum(row["count"] for row in manifest) > 30
    assert [line["case"] for line in table(tmp_path / "out" / "summary.csv")] == ["a", "b", "c"]
    assert table(tmp_path / "out" / "quarantine.csv") == []
    record = json.loads((tmp_path / "out" / "prep.json").read_text())
    assert record["options"]["mpp"] == 0.5
    assert record["versions"]["openslide-bin"] != "not installed"
    assert not list((tmp_path / "out").rglob("*.part"))


def test_each_stored_tile_is_the_slide_at_its_coordinates(here, slides, tmp_path):
    source = slides(("a",))
    (row,) = manifest = Manifest.read(run(source, tmp_path / "out").manifest)
    shard = np.load(manifest.folder / row["shard"], mmap_mode="r")
    coords = np.load(manifest.folder / row["coords"])
    assert (shard.dtype, coords.dtype) == (np.uint8, np.int64)
    assert shard.shape == (len(coords), 64, 64, 3)
    pixels = picture(420, 340)
    for tile, (x, y) in zip(shard, coords.tolist(), strict=True):
        np.testing.assert_array_equal(tile, pixels[y : y + 64, x : x + 64])


def test_tiles_keep_their_size_in_microns_at_any_resolution(here, tmp_path):
    """The same tissue scanned at 0.5 and at 0.37 microns a pixel gives the same tiles, up to interpolation."""
    fine = np.asarray(Image.fromarray(picture(400, 320)).resize((1600, 1280), Image.Resampling.BICUBIC))
    for name, mpp in (("a", 0.5), ("b", 0.37)):
        size = tuple(round(n * 0.25 / mpp) for n in (1600, 1280))
        scan = np.asarray(Image.fromarray(fine).resize(size, Image.Resampling.BILINEAR))
        write_pyramid(tmp_path / "raw" / f"{name}.tif", scan, mpp=mpp, levels=1)
    rows = Manifest.read(run(tmp_path / "raw", tmp_path / "out", mpp=1.0, tile=32).manifest)
    grids = [SlideGrid.from_dict(row["grid"]) for row in rows]
    assert [grid.microns for grid in grids] == [32, 32]
    assert grids[0].ratio == pytest.approx((2, 2))
    assert grids[1].ratio[0] == pytest.approx(1 / 0.37)
    tiles = [np.load(rows.folder / row["shard"]).astype(float) for row in rows]
    places = [np.rint(np.load(rows.folder / row["coords"]) * row["grid"]["mpp"] / 32).astype(int) for row in rows]
    common = [(i, j) for i, one in enumerate(places[0]) for j, two in enumerate(places[1]) if (one == two).all()]
    assert len(common) > 10
    assert np.mean([np.abs(tiles[0][i] - tiles[1][j]).mean() for i, j in common]) < 6


def test_the_nearest_finer_level_is_read(here, slides, tmp_path):
    source = slides(("a",))
    levels = {}
    for mpp in (0.5, 0.9, 1.0, 1.5, 2.0, 4.0):
        (row,) = Manifest.read(run(source, tmp_path / f"out{mpp}", mpp=mpp, tile=16).manifest)
        levels[mpp] = (row["grid"]["level"], round(row["grid"]["ratio"][0], 3))
    assert levels == {0.5: (0, 1), 0.9: (0, 1.8), 1.0: (1, 1), 1.5: (1, 1.5), 2.0: (2, 1), 4.0: (2, 2)}


def test_a_slide_coarser_than_the_tiles_is_refused_but_a_nominal_20x_passes(here, slides, tmp_path):
    with pytest.raises(DataError, match=r"0\.5 microns a pixel: tiles of 0\.25 would be invented.*--mpp 0\.5"):
        run(slides(("a",)), tmp_path / "out", mpp=0.25)
    run(slides(("a",), mpp=0.5034), tmp_path / "out", mpp=0.5)


def test_tiles_show_tissue_and_the_mask_is_kept_for_the_eye(here, slides, tmp_path):
    source = slides(("a",))
    out = tmp_path / "out"
    strict, loose = (Manifest.read(run(source, out, min_tissue=share).manifest) for share in (0.9, 0.05))
    assert 5 < strict.rows[0]["count"] < loose.rows[0]["count"] < 6 * 5
    everything = Manifest.read(run(source, out, min_tissue=0).manifest)
    assert everything.rows[0]["count"] == 6 * 5
    mask = np.asarray(Image.open(out / "masks" / "a.png"))
    overlay = np.asarray(Image.open(out / "masks" / "a_overlay.png"))
    assert set(np.unique(mask)) == {0, 255}
    assert (mask > 0).mean() == pytest.approx(everything.rows[0]["tissue"], abs=1e-3)
    assert overlay.shape == (*mask.shape, 3)


def test_overlapping_tiles_repeat_that_share(here, slides, tmp_path):
    (row,) = manifest = Manifest.read(run(slides(("a",)), tmp_path / "out", overlap=0.5, min_tissue=0).manifest)
    coords = np.load(manifest.folder / row["coords"])
    assert np.unique(np.diff(np.unique(coords[:, 0]))).tolist() == [32]
    assert len(coords) == 12 * 9


# --------------------------------------------------------------------------------------------- resolution, patients
def test_resolution_patient_and_label_come_from_the_table(here, slides, tmp_path):
    source = slides(mpp=None)
    (tmp_path / "t.csv").write_text("slide,patient,mpp,label\na.tif,p1,0.5,tumour\nb,p1,0.5,\nc,p2,0.25,normal\n")
    rows = Manifest.read(run(source, tmp_path / "out", table=tmp_path / "t.csv").manifest)
    assert [(row["subject"], row["label"], row["grid"]["mpp"][0]) for row in rows] == [
        ("p1", "tumour", 0.5),
        ("p1", None, 0.5),
        ("p2", "normal", 0.25),
    ]
    assert len({row["split"] for row in rows if row["subject"] == "p1"}) == 1
    assert all(row["flags"] == ["mpp_from_table"] for row in rows)
    assert Samples(source=rows, view=Tiles(), split=None).classes == ("normal", "tumour")


def test_a_wrong_resolution_is_corrected_by_table_or_option_and_told(here, slides, tmp_path, capsys):
    true = {row["case"]: row["count"] for row in Manifest.read(run(slides(), tmp_path / "true").manifest)}
    for name, mpp in (("a", 0.05), ("b", 5.0), ("c", 21.1667)):  # off by ten either way; 1200 dots an inch
        write_pyramid(tmp_path / "raw" / f"{name}.tif", picture(420, 340, seed="abc".index(name)), mpp=mpp)
    with pytest.raises(DataError, match=r"21\.2 or more.* if its resolution is wrong, --slide-mpp, or a column mpp"):
        run(tmp_path / "raw" / "c.tif", tmp_path / "refused")
    (tmp_path / "t.csv").write_text("slide,mpp\na,0.5\nb,0.5\nc,0.5\n")
    for options in ({"table": tmp_path / "t.csv"}, {"slide_mpp": 0.5}):
        out = tmp_path / f"out_{next(iter(options))}"
        console = Console(stderr=True, width=300)
        rows = Manifest.read(run(tmp_path / "raw", out, **options, console=console).manifest)
        assert {row["case"]: row["count"] for row in rows} == true
        assert [row["flags"][:2] for row in rows] == [
            ["mpp_from_table", f"mpp_corrected:{wrong}->0.5"] for wrong in ("0.05", "5", "21.1667")
        ]
        assert all("mpp_corrected" in line["flags"] for line in table(out / "summary.csv"))
        assert "3 of 3 slides are taken at the resolution that you state" in capsys.readouterr().err


def test_a_resolution_that_cannot_be_is_flagged_and_told(here, slides, tmp_path, capsys):
    write_pyramid(slides() / "a.tif", picture(1200, 1000), mpp=0.05)
    result = run(tmp_path / "raw", tmp_path / "out", tile=16, console=Console(stderr=True, width=300))
    flags = {row["case"]: row["flags"] for row in Manifest.read(result.manifest)}
    assert flags["a"] == ["mpp_doubtful:0.05", "no_patient"]
    assert flags["b"] == ["no_patient"]
    assert "1 of 3 slides say a resolution that no scanner has" in capsys.readouterr().err


def test_tiles_of_tinted_glass_are_left_out_and_the_slide_is_flagged(here, slides, tmp_path):
    tinted = (picture(420, 340, seed=0) * (np.array((240, 230, 180)) / (243, 242, 245))).astype(np.uint8)
    write_pyramid(slides(("a", "b")) / "b.tif", tinted)
    rows = {row["case"]: row for row in Manifest.read(run(tmp_path / "raw", tmp_path / "out", min_tissue=0.5).manifest)}
    assert rows["b"]["count"] == pytest.approx(rows["a"]["count"], abs=1)
    assert rows["b"]["flags"][0].startswith("tinted_glass:2")
    assert not any("glass" in flag for flag in rows["a"]["flags"])
    assert rows["b"]["count"] < len(SlideGrid.from_dict(rows["b"]["grid"]).origins())


def test_the_glass_is_looked_for_within_the_bounds_of_a_slide(here, tmp_path):
    path = write_scn(tmp_path / "raw" / "a.scn", (900, 700), offset=(400, 300))
    (row,) = Manifest.read(run(tmp_path / "raw", tmp_path / "out").manifest)
    assert row["grid"]["origin"] == [400, 300]
    with Slide(path) as slide:
        assert slide_module._scanned(Image.new("RGB", (450, 350)), slide).shape == (200, 250, 3)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("slide,mpp\nz,0.5\n", "names slides that are not here: z"),
        ("slide,patient\na,p1\n", r"no patient of 2 slides: b\.tif, c\.tif"),
        ("slide,mpp\na,0.5\na,0.25\n", "line 3 names a slide again"),
        ("slide,mpp\na,250\n", "nothing plausible of slide a"),
        ("slide,mpp\na,fast\n", "nothing plausible of slide a"),
        ("name\na\n", "lacks columns"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(slides, tmp_path, lines, message):
    (tmp_path / "t.csv").write_text(lines)
    with pytest.raises(DataError, match=message):
        run(slides(), tmp_path / "out", table=tmp_path / "t.csv")


def test_a_patient_comes_from_the_name_by_pattern_or_barcode_else_the_slide_counts_as_one(here, slides, tmp_path):
    names = ("TCGA-AA-3872-01Z-00-DX1.x", "TCGA-AA-3872-01Z-00-DX2.y", "S21-7_b")
    source = slides(names)
    rows = Manifest.read(run(source, tmp_path / "out").manifest)
    assert [row["subject"] for row in rows] == ["S21-7_b", "TCGA-AA-3872", "TCGA-AA-3872"]
    assert [row["flags"] for row in rows] == [["no_patient"], [], []]
    rows = Manifest.read(run(source, tmp_path / "out", subject_from=r"^(\w+)-").manifest)
    assert [row["subject"] for row in rows] == ["S21", "TCGA", "TCGA"]
    with pytest.raises(DataError, match=r"--subject-from matches nothing in 1 of 3 names: S21-7_b"):
        run(source, tmp_path / "out", subject_from="TCGA")
    with pytest.raises(ValueError, match="no regular expression"):
        run(source, tmp_path / "out", subject_from="(")


def test_slides_of_one_name_in_two_folders_are_told_apart(here, slides, tmp_path):
    source = slides(("a",))
    write_pyramid(source / "more" / "a.tif", picture(420, 340, seed=5))
    rows = Manifest.read(run(source, tmp_path / "out").manifest)
    assert [row["case"] for row in rows] == ["a.tif", "more_a.tif"]
    (tmp_path / "t.csv").write_text("slide,label\nmore_a.tif,x\n")
    rows = Manifest.read(run(source, tmp_path / "out", table=tmp_path / "t.csv").manifest)
    assert [row["label"] for row in rows] == [None, "x"]
    (tmp_path / "t.csv").write_text("slide,label\na,x\n")
    with pytest.raises(DataError, match="not here: a"):
        run(source, tmp_path / "out", table=tmp_path / "t.csv")


def test_a_given_split_is_obeyed(here, slides, tmp_path):
    source = slides()
    (tmp_path / "s.csv").write_text("subject,split\na,test\nb,train\nc,train\n")
    result = run(source, tmp_path / "out", split=tmp_path / "s.csv")
    assert Manifest.read(result.manifest).subjects("test") == ("a",)


# ----------------------------------------------------------------------------------------------------- bad and empty
def test_a_slide_without_tissue_is_listed_as_empty_and_is_no_failure(here, slides, tmp_path):
    source = slides(("a", "b"))
    write_pyramid(source / "blank.tif", picture(420, 340, tissue=False))
    result = run(source, tmp_path / "out")
    assert (result.exit_code, result.prepared, result.quarantined) == (ExitCode.OK, 2, 0)
    assert [row["case"] for row in Manifest.read(result.manifest)] == ["a", "b"]
    lines = {line["case"]: line for line in table(tmp_path / "out" / "summary.csv")}
    assert (lines["blank"]["tiles"], lines["blank"]["flags"]) == ("0", "no_patient empty")
    assert not (tmp_path / "out" / "shards" / "blank.npy").exists()
    assert (tmp_path / "out" / "masks" / "blank_overlay.png").exists()
    assert run(source, tmp_path / "out").kept == 2


def test_slides_that_are_all_empty_are_refused(here, tmp_path):
    write_pyramid(tmp_path / "raw" / "blank.tif", picture(420, 340, tissue=False))
    with pytest.raises(DataError, match="no tissue was found in any of the 1 slides"):
        run(tmp_path / "raw", tmp_path / "out")


def test_a_slide_smaller_than_a_tile_is_empty(here, slides, tmp_path):
    source = slides(("a",))
    write_pyramid(source / "small.tif", picture(60, 200), levels=1)
    run(source, tmp_path / "out")
    lines = {line["case"]: line["tiles"] for line in table(tmp_path / "out" / "summary.csv")}
    assert lines["small"] == "0"


def test_a_bad_slide_is_quarantined_and_the_rest_goes_on(here, slides, tmp_path):
    source = slides()
    (source / "b.tif").write_bytes(b"no slide")
    assert code_of(source, tmp_path / "out", "--workers", 0, "--tile", 64) == ExitCode.SOME_FAILED
    (failure,) = table(tmp_path / "out" / "quarantine.csv")
    assert failure["case"] == "b"
    assert failure["file"] == str(source / "b.tif")
    assert "no slide format" in failure["reason"]
    assert [row["case"] for row in Manifest.read(tmp_path / "out")] == ["a", "c"]


def test_two_slides_of_one_content_in_two_splits_are_refused(here, slides, tmp_path):
    source = slides()
    shutil.copy(source / "a.tif", source / "b.tif")
    (tmp_path / "s.csv").write_text("subject,split\na,test\nb,train\nc,train\n")
    with pytest.raises(DataError, match=r"the same content under different subjects: a \(a\) = b \(b\)"):
        run(source, tmp_path / "out", split=tmp_path / "s.csv")
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


# ----------------------------------------------------------------------------------------------------------- resume
def test_a_second_run_keeps_what_has_not_changed(here, slides, tmp_path, monkeypatch):
    source, out = slides(), tmp_path / "out"
    run(source, out)
    first = (out / "manifest.jsonl").read_bytes()
    monkeypatch.setattr("data_prep.resume.sha256_of", lambda path: pytest.fail(f"{path} was read again"))
    assert run(source, out).kept == 3
    monkeypatch.undo()
    assert (out / "manifest.jsonl").read_bytes() == first


def test_what_has_changed_is_made_anew(here, slides, tmp_path):
    source, out = slides(), tmp_path / "out"
    run(source, out)
    os.utime(source / "a.tif", (1, 1))  # another time, the same bytes
    write_pyramid(source / "b.tif", picture(420, 340, seed=77))
    result = run(source, out)
    assert (result.prepared, result.kept) == (1, 2)
    shard = out / "shards" / "c.npy"
    time = shard.stat().st_mtime_ns
    shard.write_bytes(shard.read_bytes()[:-10])
    os.utime(shard, ns=(time, time))
    assert (run(source, out).prepared, run(source, out).kept) == (1, 3)
    assert run(source, out, mpp=1.0).prepared == 3
    Manifest.read(out, verify=True)


def test_another_resolution_in_the_table_makes_the_slide_anew(here, slides, tmp_path):
    source, table = slides(("a", "b"), mpp=None), tmp_path / "t.csv"
    table.write_text("slide,mpp\na,0.5\nb,0.5\n")
    run(source, tmp_path / "out", table=table)
    table.write_text("slide,mpp\na,0.4\nb,0.5\n")
    result = run(source, tmp_path / "out", table=table)
    assert (result.prepared, result.kept) == (1, 1)


def test_a_corrected_table_changes_names_without_new_shards(here, slides, tmp_path):
    source, out = slides(), tmp_path / "out"
    run(source, out)
    (tmp_path / "t.csv").write_text("slide,patient,label\na,p1,x\nb,p2,x\nc,p3,y\n")
    result = run(source, out, table=tmp_path / "t.csv")
    assert result.kept == 3
    assert Manifest.read(result.manifest).subjects() == ("p1", "p2", "p3")


def test_a_run_killed_between_shard_and_record_does_not_trust_the_shard(here, slides, tmp_path, monkeypatch):
    source, out = slides(("a",)), tmp_path / "out"
    run(source, out)

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(slide_module, "write_finished", killed)
    with pytest.raises(KeyboardInterrupt):
        run(source, out, mpp=1.0)
    monkeypatch.undo()
    assert not (out / "shards" / "a.json").exists()


def test_bad_options_are_refused_with_the_value(slides, tmp_path, capsys):
    source = slides(("a",))
    for options in ({"tile": 0}, {"mpp": 0.0}, {"overlap": 1.0}, {"min_tissue": 2}, {"slide_mpp": 0}, {"limit_s": 0}):
        with pytest.raises(ValueError, match="got"):
            run(source, tmp_path / "out", **options)
    assert code_of(source, tmp_path / "out", "--mpp", 1, "--microns", 100) == ExitCode.REFUSED
    assert "say the same thing" in capsys.readouterr().err


def test_microns_of_a_tile_are_another_way_to_say_its_resolution(here, slides, tmp_path):
    assert code_of(slides(("a",)), tmp_path / "out", "--tile", 64, "--microns", 48, "--workers", 0) == ExitCode.OK
    (row,) = Manifest.read(tmp_path / "out")
    assert row["grid"]["tile_mpp"] == 0.75


# --------------------------------------------------------------------------------------------------- formats, whole
def test_a_jpeg_pyramid_is_tiled_without_openslide_to_the_same_pixels(here, tmp_path, monkeypatch):
    write_jpeg_slide(tmp_path / "raw" / "a.tif", picture(420, 340), monkeypatch=monkeypatch)
    (row,) = fast = Manifest.read(run(tmp_path / "raw", tmp_path / "fast", mpp=0.7).manifest)
    monkeypatch.setattr("medmae.data.slides.wsi.VENDORS", ())
    assert Slide(tmp_path / "raw" / "a.tif")._direct_levels() == {}
    (other,) = Manifest.read(run(tmp_path / "raw", tmp_path / "slow", mpp=0.7).manifest)
    assert row["shard_sha256"] == other["shard_sha256"]
    assert len(fast) == 1


def test_a_dicom_slide_is_one_slide_named_after_its_folder(here, tmp_path):
    """Levels are files of one series; the label is one of them, or a series by itself, and is no slide."""
    folder = tmp_path / "raw" / "slide-7"
    write_dicom_slide(folder, picture(420, 340))
    write_dicom_slide(tmp_path / "more", picture(420, 340))
    (tmp_path / "more" / "a.dcm").rename(folder / "0.dcm")
    assert len(list(folder.iterdir())) == 4
    (row,) = manifest = Manifest.read(run(tmp_path / "raw", tmp_path / "out", subject_from=r"-(\d)").manifest)
    assert (row["case"], row["subject"]) == ("slide-7", "7")
    assert row["grid"]["slide_size"] == [420, 340]
    assert row["grid"]["mpp"] == [0.5, 0.5]
    tile, (x, y) = np.load(manifest.folder / row["shard"])[0], np.load(manifest.folder / row["coords"])[0]
    assert np.abs(tile - picture(420, 340)[y : y + 64, x : x + 64].astype(int)).mean() < 12  # JPEG
    assert run(tmp_path / "raw", tmp_path / "out").kept == 1


def test_mirax_parts_belong_to_the_slide(slides, tmp_path):
    from data_prep.slides import find_slides

    source = slides(("a",))
    (source / "m.mrxs").write_bytes(b"x")
    (source / "m").mkdir()
    (source / "m" / "Slidedat.ini").write_text("x")
    (source / "m" / "Data0000.dat").write_text("x")
    found = {slide.case: [file.name for file in slide.files] for slide in find_slides(source)}
    assert found == {"a": ["a.tif"], "m": ["m.mrxs", "Data0000.dat", "Slidedat.ini"]}


def test_a_folder_without_slides_is_refused(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataError, match="no slide is here"):
        run(tmp_path / "raw", tmp_path / "out")
    with pytest.raises(DataError, match="no such file or folder"):
        run(tmp_path / "nowhere", tmp_path / "out")


def test_a_real_slide_becomes_tiles(shared, tmp_path):
    """In a child process, as users run it."""
    source = shared / "data" / "histology" / "wsi"
    if not source.is_dir():
        pytest.skip("the shared data have no slide")
    result = prepare(source=source, out=tmp_path / "out", workers=0, console=QUIET)
    (row,) = manifest = Manifest.read(result.manifest, verify=True)
    assert row["grid"]["mpp"] == [0.499, 0.499]
    assert 0.25 < row["tissue"] < 0.45
    assert 40 < row["count"] < 70
    tiles = np.load(manifest.folder / row["shard"])
    assert (tiles.mean(axis=(1, 2, 3)) < 235).all()  # none is of glass alone
    assert "AppMag" not in result.manifest.read_text()  # header texts stay where they are
