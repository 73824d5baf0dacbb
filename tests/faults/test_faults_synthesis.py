"""Synthesis of whole cases under the faults of files and machines: refused by name, the others are made."""

from __future__ import annotations

import gzip
import json

import nibabel as nib
import numpy as np
import pytest
import torch

from medmae.data.volumes.grid import Grid
from medmae.errors import DataError, ExitCode, SomeFailedError
from medmae.evaluate.synthesis import synthetic_files
from medmae.training.out_of_memory import NotEnoughMemoryError
from tests.evaluate.synthesis.test_synthesise import Stub, head, synthesis, write


def made(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def damage_header(path, **fields):
    image = nib.load(path)
    content = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(gzip.compress(bytes(header.binaryblock) + bytes(content[348:])))


def truncated(path):
    path.write_bytes(path.read_bytes()[:1500])


def wrong_checksum(path):
    content = bytearray(path.read_bytes())
    content[-8] ^= 255
    path.write_bytes(bytes(content))


def huge(path):
    damage_header(path, dim=[3, 32000, 32000, 32000, 1, 1, 1, 1])


def negative_dimension(path):
    damage_header(path, dim=[3, -20, 24, 10, 1, 1, 1, 1])


def no_affine(path):
    damage_header(path, srow_x=0, srow_y=0, srow_z=0)


def no_voxel_size(path):
    damage_header(path, pixdim=[1, 0, 1, 3, 0, 0, 0, 0])


def nan(path):
    array = head().astype(np.float32)
    array[10, 12, 5] = np.nan
    write(path, array=array)


def constant(path):
    write(path, array=np.full((20, 24, 10), 7, np.int16))


def four_dimensions(path):
    write(path, array=np.stack([head(), head()], axis=-1))


def colours(path):
    write(path, array=np.zeros((20, 24, 10), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")]))


def complex_numbers(path):
    write(path, array=head().astype(np.complex64))


def a_slice(path):
    write(path, array=head()[:, :, 5])


FAULTS = [
    (truncated, "compressed data are damaged"),
    (wrong_checksum, "compressed data are damaged"),
    (huge, "the header promises 131,072.0 GB"),
    (negative_dimension, "impossible dimensions"),
    (no_affine, "the affine is singular or not finite"),
    (no_voxel_size, "the voxel size is not between"),
    (nan, r"NaN or infinite voxels \[voxels = 1\]"),
    (constant, r"all voxels have one value.*\[voxels = 7.0\]"),
    (four_dimensions, r"one 3-D volume is expected.*\[20, 24, 10, 2\]"),
    (colours, "RGB colours"),
    (complex_numbers, "complex numbers"),
    (a_slice, "one 3-D volume is expected, this has 2 dimensions"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_faults_1_to_9_a_bad_case_is_named_and_left_out_and_the_others_are_made(tmp_path, fault, words):
    for name in ("p1", "p2", "p3"):
        write(tmp_path / "raw" / name / "T1.nii.gz")
    fault(tmp_path / "raw" / "p2" / "T1.nii.gz")
    with pytest.raises(SomeFailedError, match=rf"1 of 3 volumes were left out: .*p2/T1\.nii\.gz: .*{words}") as caught:
        synthesis(tmp_path / "raw", tmp_path / "out").run()
    assert caught.value.exit_code == ExitCode.SOME_FAILED
    assert made(tmp_path / "out") == [
        f"{name}_desc-syntheticT2.{ending}" for name in ("p1", "p3") for ending in ("json", "nii.gz")
    ]


def test_fault_7_nan_voxels_are_set_when_that_is_asked_for(tmp_path):
    nan(tmp_path / "T1.nii.gz")
    run = synthesis(tmp_path, tmp_path / "out")
    run.cases.nan = "zero"
    run.run()
    assert len(made(tmp_path / "out")) == 2


def test_fault_12_contrasts_on_different_grids_are_refused_with_both_shapes(tmp_path):
    write(tmp_path / "p1" / "T1.nii.gz")
    write(tmp_path / "p1" / "FLAIR.nii.gz", shape=(20, 24, 11))
    method = Stub(size=24, num_contrasts=3)
    options = {"contrasts": ("FLAIR", "T1", "T2"), "targets": None, "at_least": 1}
    words = r"case p1: FLAIR and T1 \(T1\.nii\.gz\) are not on one grid.*\(20, 24, 11\) in FLAIR, \(20, 24, 10\) in T1"
    with pytest.raises(SomeFailedError, match=words):
        synthesis(tmp_path, tmp_path / "out", method=method, **options).run()
    assert made(tmp_path / "out") == []


def test_fault_25_a_missing_source_is_refused_by_case_and_the_run_goes_on(tmp_path):
    write(tmp_path / "p1" / "T2.nii.gz")
    write(tmp_path / "p2" / "T1.nii.gz")
    with pytest.raises(SomeFailedError, match=r"1 of 2 .*case p1 has no T1 \[contrasts = \['T2'\]\]"):
        synthesis(tmp_path, tmp_path / "out", targets=["PD"]).run()
    assert made(tmp_path / "out") == ["p2_desc-syntheticPD.json", "p2_desc-syntheticPD.nii.gz"]


def test_fault_25_a_case_that_has_nothing_but_the_target_is_refused(tmp_path):
    write(tmp_path / "p1" / "T2.nii.gz")
    method = Stub(size=24, num_contrasts=2)
    with pytest.raises(SomeFailedError, match=r"case p1 has nothing but what is to be made \[targets = \['T2'\]\]"):
        synthesis(tmp_path, tmp_path / "out", method=method, contrasts=("T1", "T2"), targets=["T2"], at_least=1).run()


@pytest.mark.parametrize("size", [16, (4, 8, 8), (64, 64, 64)])
def test_fault_10_volumes_of_any_size_pass_through_a_network_of_any_size(tmp_path, size):
    write(tmp_path / "T1.nii.gz", shape=(13, 33, 7))
    synthesis(tmp_path, tmp_path / "out", method=Stub(size=size)).run()
    assert nib.load(next((tmp_path / "out").glob("*.nii.gz"))).shape == (13, 33, 7)


@pytest.mark.parametrize("uncertainty", [False, True])
def test_fault_29_a_network_that_answers_with_nan_writes_nothing(tmp_path, uncertainty):
    write(tmp_path / "p1" / "T1.nii.gz")
    method = Stub(size=24, answer=lambda image: image / 0)
    with pytest.raises(SomeFailedError, match=r"the network gave values that are not finite \[case = 'p1'\]"):
        synthesis(tmp_path, tmp_path / "out", method=method, uncertainty=uncertainty).run()
    assert made(tmp_path / "out") == []


def test_fault_35_a_folder_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    write(tmp_path / "raw" / "T1.nii.gz")
    (tmp_path / "out").write_text("mine")
    method = Stub(size=24, answer=lambda _: pytest.fail("the work started"))
    with pytest.raises(DataError, match="out is a file, not a folder"):
        synthesis(tmp_path / "raw", tmp_path / "out", method=method).run()


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_fault_35_of_the_files_of_a_case_none_stays_without_the_others(tmp_path, monkeypatch, failing):
    for name in ("p1", "p2"):
        write(tmp_path / "raw" / name / "T1.nii.gz")
    calls = []

    def failing_one(real):
        def call(*arguments, **options):
            calls.append(real)
            if len(calls) == 4 + failing:  # p1 is whole by then
                raise OSError(28, "No space left on device")
            return real(*arguments, **options)

        return call

    monkeypatch.setattr(Grid, "write_nifti", failing_one(Grid.write_nifti))
    monkeypatch.setattr(synthetic_files, "write_text", failing_one(synthetic_files.write_text))
    with pytest.raises(OSError, match="No space left"):
        synthesis(tmp_path / "raw", tmp_path / "out", uncertainty=True).run()
    assert made(tmp_path / "out") == [
        f"p1_desc-{kind}T2.{ending}" for kind in ("synthetic", "uncalibrated") for ending in ("json", "nii.gz")
    ]


def test_fault_36_without_memory_the_run_stops_at_once_and_keeps_what_is_whole(tmp_path):
    for name in ("p1", "p2", "p3"):
        write(tmp_path / "raw" / name / "T1.nii.gz")
    seen = []
    method = Stub(size=24, answer=lambda image: seen.append(1) or (image if len(seen) < 2 else torch.empty(2**50)))
    with pytest.raises(NotEnoughMemoryError, match=r"= \(16, 4\).*try batch_size 8"):
        synthesis(tmp_path / "raw", tmp_path / "out", method=method).run()
    assert made(tmp_path / "out") == ["p1_desc-syntheticT2.json", "p1_desc-syntheticT2.nii.gz"]


def test_fault_47_a_folder_with_blanks_and_other_letters_works(tmp_path):
    write(tmp_path / "Größe 1" / "p1" / "T1.nii.gz")
    synthesis(tmp_path / "Größe 1", tmp_path / "out put").run()
    assert made(tmp_path / "out put") == ["p1_desc-syntheticT2.json", "p1_desc-syntheticT2.nii.gz"]


def test_fault_50_what_the_source_says_of_a_patient_is_not_passed_on(tmp_path):
    path = write(tmp_path / "raw" / "p1" / "T1.nii.gz")
    damage_header(path, descrip=b"DOE^JANE", db_name=b"DOE^JANE", intent_name=b"DOE^JANE", aux_file=b"DOE^JANE")
    synthesis(tmp_path / "raw", tmp_path / "out").run()
    for name in made(tmp_path / "out"):
        content = (tmp_path / "out" / name).read_bytes()
        assert b"DOE" not in (gzip.decompress(content) if name.endswith(".gz") else content)
    assert json.loads((tmp_path / "out" / "p1_desc-syntheticT2.json").read_text())["sources"][0]["file"] == "T1.nii.gz"
