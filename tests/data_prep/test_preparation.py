"""What all preparations share: who is who is shown before anything is written, and can be said by the user."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from data_prep.mr import prepare as prepare_volumes
from data_prep.tiles import prepare as prepare_tiles
from data_prep.wsi import prepare as prepare_slides
from medmae.data import Manifest
from medmae.errors import DataError, ExitCode


def told(prepare, source, out, **options):
    text = io.StringIO()
    console = Console(file=text, width=200)
    return prepare(source=source, out=out, console=console, workers=0, **options), text.getvalue()


def pictures(folder, *names):
    for seed, name in enumerate(names):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 255, (6, 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return folder


def test_a_dry_run_shows_who_would_be_who_and_writes_nothing(cohort, tmp_path):
    source = cohort(("p1_visit1", "p1_visit2", "p2_visit1"))
    result, text = told(prepare_volumes, source, tmp_path / "out", dry_run=True)
    assert result.exit_code == ExitCode.OK
    assert "2 subjects in 3 top folders, 3 sessions" in text
    assert text.count("T1 T2") == 3
    assert "visit2" in text
    assert not (tmp_path / "out").exists()


def test_what_was_understood_is_told_before_the_work_and_the_table_names_subjects(cohort, tmp_path):
    _, text = told(prepare_volumes, cohort(("p1", "p2")), tmp_path / "out")
    assert text.index("2 subjects in 2 top folders, 2 sessions") < text.index("2 cases prepared")
    assert "subject" in text.split("2 cases prepared")[1].splitlines()[1]


def test_a_table_and_a_pattern_say_who_is_who_for_images(tmp_path):
    source = pictures(tmp_path / "raw", "a/7_1", "a/7_2", "b/8_1")
    with pytest.raises(DataError, match="2 subjects, with several visits, or 3 subjects"):
        told(prepare_tiles, source, tmp_path / "none")
    by_pattern, _ = told(prepare_tiles, source, tmp_path / "one", subject_from=r"^(\d+)_")
    (tmp_path / "who.csv").write_text("path,subject\na,anna\nb/8_1.png,bert\n")
    by_table, _ = told(prepare_tiles, source, tmp_path / "two", subjects=tmp_path / "who.csv")
    assert Manifest.read(by_pattern.manifest).subjects() == ("7", "8")
    assert Manifest.read(by_table.manifest).subjects() == ("anna", "bert")
    with pytest.raises(ValueError, match="give one"):
        told(prepare_tiles, source, tmp_path / "no", subject_from="(.)", subjects=tmp_path / "who.csv")


@pytest.mark.parametrize(
    ("names", "subjects"),
    [
        (("CNV/CNV-1016042-1", "CNV/CNV-1016042-2", "DME/DME-2016043-1"), ("1016042", "2016043")),
        (("patient00001_view1", "patient00001_view2", "patient00002_view1"), ("patient00001", "patient00002")),
        (("00000001_000", "00000001_001", "00000002_000"), ("00000001", "00000002")),
        (("SOB_B_A-14-22549AB-40-001", "SOB_B_A-14-22549AB-40-002"), ("22549AB",)),
        (("TCGA-AA-3872-01Z", "TCGA-AA-3872-02Z", "TCGA-AA-3873-01Z"), ("TCGA-AA-3872", "TCGA-AA-3873")),
    ],
)
def test_published_names_of_images_tell_their_patients(names, subjects, tmp_path):
    result, _ = told(prepare_tiles, pictures(tmp_path / "raw", *names), tmp_path / "out")
    assert Manifest.read(result.manifest).subjects() == subjects


@pytest.mark.parametrize(
    "names",
    [
        ("AbdomenCT/000001", "BreastMRI/000001"),  # MedNIST
        ("BloodImage_00001", "BloodImage_00002"),  # BCCD
        ("ADI/ADI-TCGA-AAAMHQMK", "TUM/TUM-TCGA-AAHCTWEE"),  # NCT-CRC
        ("lungaca1", "lungaca10"),  # LC25000
        ("ISIC_0024306", "ISIC_0024307"),  # HAM10000
        ("0005f7aaab2800f6170c399693a96917", "000920ad0b612851f8e01bcc880d9b3d"),  # PANDA
        ("tumor_001", "normal_001"),  # CAMELYON16
    ],
)
def test_names_that_tell_no_patient_are_taken_as_they_are_and_that_is_told(names, tmp_path):
    _, text = told(prepare_tiles, pictures(tmp_path / "raw", *names), tmp_path / "out")
    assert "no patient is known" in text


def test_equal_pixels_under_two_subjects_are_refused_whatever_file_holds_them(tmp_path):
    source = pictures(tmp_path / "raw", "p1", "p2", "p3")
    Image.open(source / "p1.png").save(source / "p4.tif")
    with pytest.raises(DataError, match=r"same content under different subjects: p1\.png \(p1\) = p4\.tif \(p4\)"):
        told(prepare_tiles, source, tmp_path / "out", subject_from="(.*)")
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


def test_equal_voxels_under_two_subjects_are_refused_whatever_file_holds_them(cohort, tmp_path):
    import nibabel as nib

    source = cohort(("p1", "p2", "p3"))
    image = nib.load(source / "p1" / "T1.nii.gz")
    shutil.rmtree(source / "p3")
    (source / "p3").mkdir()
    values = np.asarray(image.dataobj).astype(np.float32)
    nib.save(nib.Nifti1Image(values[::-1], image.affine @ np.diag([-1, 1, 1, 1])), source / "p3" / "T1.nii")
    with pytest.raises(DataError, match=r"same content under different subjects: p1 T1 \(p1\) = p3 T1 \(p3\)"):
        told(prepare_volumes, source, tmp_path / "out")


def test_columns_of_patients_that_nobody_reads_are_refused_and_others_are_named(tmp_path):
    pictures(tmp_path / "raw", "a", "b")
    table = tmp_path / "raw" / "t.csv"
    table.write_text("path,label,patient name\na.png,x,anna\nb.png,y,anna\n")
    with pytest.raises(DataError, match=r"looks like patients or splits is not read: patient name \(is it patient\?\)"):
        told(prepare_tiles, table, tmp_path / "out")
    table.write_text("path,lable,patient_id\na.png,x,anna\nb.png,y,anna\n")
    with pytest.warns(UserWarning, match=r"not read: lable \(is it label\?\)"):
        result, _ = told(prepare_tiles, table, tmp_path / "out")
    assert Manifest.read(result.manifest).subjects() == ("anna",)
    Image.new("RGB", (4, 4)).save(tmp_path / "raw" / "a.tif")
    table.write_text("slide,set\na,test\n")
    with pytest.raises(DataError, match="not read: set"):
        told(prepare_slides, tmp_path / "raw", tmp_path / "out", table=table)


def test_a_dry_run_takes_no_shard_for_a_patient(tmp_path):
    _, text = told(prepare_tiles, pictures(tmp_path / "raw", "a/x1", "a/x2", "b/y1"), tmp_path / "out", dry_run=True)
    assert "no patient is known of 3 files" in text
    assert "subjects in" not in text
    assert "(unknown)" in text
