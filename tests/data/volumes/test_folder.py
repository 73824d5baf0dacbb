"""Whole volumes for inference."""

import re

import nibabel as nib
import numpy as np
import pytest

from medmae.data.volumes.bounding_box import bounding_box
from medmae.data.volumes.folder import VolumeFolder
from medmae.errors import DataError


def save(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, np.diag([-1.0, -1.0, 2.0, 1.0])), path)


def head(shape=(20, 24, 10)):
    data = np.zeros(shape, dtype=np.float32)
    data[5:15, 6:18, 2:8] = np.random.default_rng(0).uniform(100, 300, size=(10, 12, 6))
    return data


def test_a_volume_is_cropped_to_the_head_and_scaled_to_one(tmp_path):
    save(tmp_path / "a.nii.gz", head())
    volume = VolumeFolder(source=tmp_path)[0]
    assert volume.array.shape == (6 + 4, 12 + 4, 10 + 4)
    assert (volume.array.min(), volume.array.max()) == (0.0, 1.0)
    assert volume.name == "a"


def test_what_is_written_back_unchanged_equals_the_source_up_to_the_clip(tmp_path):
    save(tmp_path / "a.nii.gz", head())
    volume = VolumeFolder(source=tmp_path / "a.nii.gz")[0]
    volume.grid.write_nifti(volume.normalisation.invert(volume.array), tmp_path / "b.nii.gz", fill=volume.corner)
    back = nib.load(tmp_path / "b.nii.gz").get_fdata()
    expected = np.clip(head(), 0, volume.normalisation.upper)
    expected[head() > 0] = np.clip(expected[head() > 0], volume.normalisation.lower, None)
    assert np.allclose(back, expected, rtol=1e-6)


def test_folders_are_searched_through_and_one_file_is_enough(tmp_path):
    save(tmp_path / "x" / "b.nii.gz", head())
    save(tmp_path / "a.nii", head())
    assert [path.name for path in VolumeFolder(source=tmp_path).paths] == ["a.nii", "b.nii.gz"]
    assert len(VolumeFolder(source=[tmp_path / "a.nii"])) == 1


def test_two_volumes_of_one_name_are_refused_because_their_results_would_collide(tmp_path):
    save(tmp_path / "T1.nii.gz", head())
    save(tmp_path / "T1.nii", head())
    with pytest.raises(DataError, match=r"same file name.*T1.*rename"):
        VolumeFolder(source=tmp_path)


def test_a_folder_a_patient_gives_names_that_tell_them_apart(tmp_path):
    for patient in ("P1", "P2"):
        save(tmp_path / patient / "anat" / "T1.nii.gz", head())
    assert [volume.name for volume in map(VolumeFolder(source=tmp_path).__getitem__, range(2))] == [
        "P1_anat_T1",
        "P2_anat_T1",
    ]


def test_a_suffix_in_capitals_is_one(tmp_path):
    save(tmp_path / "P2_T1.nii.gz", head())
    (tmp_path / "P2_T1.nii.gz").rename(tmp_path / "P2_T1.NII.GZ")
    assert [volume.name for volume in [VolumeFolder(source=tmp_path)[0]]] == ["P2_T1"]


def test_masks_maps_and_synthetic_images_are_left_out_by_name_and_named(tmp_path):
    for name in ("P1_T1", "P1_T1_brain_mask", "P1_desc-syntheticT2", "P1_T1_map", "scan7"):
        save(tmp_path / f"{name}.nii.gz", head())
    with pytest.warns(UserWarning, match=r"names: P1_T1_brain_mask\S+, P1_T1_map\S+, P1_desc-syntheticT2\S+$"):
        volumes = VolumeFolder(source=tmp_path)
    assert volumes.names == ["P1_T1", "scan7"]
    assert len(VolumeFolder(source=tmp_path / "P1_T1_brain_mask.nii.gz")) == 1  # who names one file means it


def test_links_are_followed_other_formats_read_and_the_rest_is_told_with_the_reason(tmp_path):
    for number in (1, 2):
        save(tmp_path / "archive" / f"P{number}" / "T1.nii.gz", head())
    nib.save(nib.MGHImage(head(), np.diag([-1.0, -1.0, 2.0, 1.0])), tmp_path / "archive" / "P2" / "T2.mgz")
    (tmp_path / "in" / "P3").mkdir(parents=True)
    (tmp_path / "in" / "P3" / "readme.txt").write_text("nothing yet")
    for number in (1, 2):
        (tmp_path / "in" / f"P{number}").symlink_to(tmp_path / "archive" / f"P{number}")
    with pytest.warns(UserWarning, match=r"1 file left out, not of a format that is read here \(\.txt\)"):
        volumes = VolumeFolder(source=tmp_path / "in")
    assert volumes.names == ["P1_T1", "P2_T1", "P2_T2"]
    assert np.array_equal(volumes[2].array, volumes[1].array)
    (error,) = volumes.lost
    assert str(error.path).endswith("P3")
    assert "readme.txt" in error.reason


def test_a_folder_without_volumes_is_refused_by_its_name(tmp_path):
    with pytest.raises(DataError, match=f"{re.escape(str(tmp_path))}.*no NIfTI volume"):
        VolumeFolder(source=tmp_path)


def test_a_box_around_nothing_is_everything():
    assert bounding_box(np.zeros((4, 5, 6), dtype=bool)) == ((0, 4), (0, 5), (0, 6))
