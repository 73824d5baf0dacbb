"""Links to folders are followed, and loops refused, wherever files are looked for."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from data_prep.slides import _slide_files
from data_prep.video_walk import videos_below
from medmae.data.images.folders import find_images
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


def shut(monkeypatch, folder):
    """A folder that cannot be opened, whoever runs the tests."""
    scandir, listed = os.scandir, os.listdir

    def opened(read):
        def of(path="."):
            if Path(path) == folder:
                raise PermissionError(13, "Permission denied", str(path))
            return read(path)

        return of

    monkeypatch.setattr(os, "scandir", opened(scandir))
    monkeypatch.setattr(os, "listdir", opened(listed))


def finds(kind, root):
    """What a search for a kind of data says it leaves out: path -> (reason, whether that is a failure)."""
    if kind == "volumes":
        left = find_cases(root).left_out
    elif kind == "images":
        left = find_images(root)[1]
    elif kind == "slides":
        left = _slide_files(root)[1]
    else:
        left = videos_below(root)[1]
    return {one.path.relative_to(root).as_posix(): (one.reason, one.damaged) for one in left}


@pytest.mark.parametrize("kind", ["volumes", "images", "slides", "videos"])
def test_no_search_waits_for_a_pipe_or_passes_over_a_shut_folder_without_a_word(kind, tmp_path, monkeypatch):
    for folder in ("a", "b", "shut"):
        (tmp_path / folder).mkdir()
    for folder, seed in (("a", 1), ("b", 2)):
        nib.save(nib.Nifti1Image(np.full((4, 4, 4), seed, np.int16), np.eye(4)), tmp_path / folder / "T1.nii")
        Image.new("RGB", (8, 8), (seed, 0, 0)).save(tmp_path / folder / "x.png")
    os.mkfifo(tmp_path / "a" / "notes.dcm")
    os.mkfifo(tmp_path / "b" / "pipe")
    shut(monkeypatch, tmp_path / "shut")
    told = finds(kind, tmp_path)
    assert told["a/notes.dcm"] == told["b/pipe"] == ("a pipe, socket or device, and no file", False)
    (tmp_path / "c").symlink_to(tmp_path / "gone")
    (tmp_path / "a" / "README.md").symlink_to(tmp_path / "gone.md")
    told = finds(kind, tmp_path)
    assert told["c"] == ("a link to nothing", True)
    assert told["a/README.md"][1] is False
    assert told["shut"] == ("a folder that cannot be opened", True)


def test_a_source_that_cannot_be_opened_is_refused(tmp_path, monkeypatch):
    shut(monkeypatch, tmp_path)
    with pytest.raises(DataError, match="the folder cannot be opened"):
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
