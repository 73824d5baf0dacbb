"""Links to folders are followed, and loops refused, wherever files are looked for."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from medmae.data.tree import files_below
from medmae.data.volumes.layouts import find_cases
from medmae.errors import DataError


def test_linked_folders_are_followed_and_dotted_ones_left_out(tmp_path):
    for name in ("root/a", "elsewhere/b", "root/.git"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").touch()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    found = [path.relative_to(tmp_path / "root").as_posix() for path in files_below(tmp_path / "root")]
    assert found == ["a/file", "link/b/file"]


def test_a_link_to_a_folder_above_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    with pytest.raises(DataError, match="leads back"):
        files_below(tmp_path)


def test_linked_patients_are_cases(tmp_path):
    for patient in ("01", "02", "03"):
        path = tmp_path / "store" / f"sub-{patient}" / "anat" / f"sub-{patient}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.int16), np.eye(4)), path)
        (tmp_path / "src").mkdir(exist_ok=True)
        (tmp_path / "src" / f"sub-{patient}").symlink_to(tmp_path / "store" / f"sub-{patient}")
    assert len(find_cases(tmp_path / "src").cases) == 3


def test_a_loop_by_way_of_another_link_is_refused(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "archive").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "archive")
    (tmp_path / "archive" / "back").symlink_to(tmp_path / "root")
    with pytest.raises(DataError, match="leads back"):
        files_below(tmp_path / "root")
