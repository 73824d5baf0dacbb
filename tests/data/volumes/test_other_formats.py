"""FreeSurfer, Analyze, NRRD and MetaImage give what NIfTI gives."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest

from medmae.data.names import stem_of
from medmae.data.volumes.layouts import find_cases
from medmae.data.volumes.volume_file import Source, load_source, sha256_of_source
from medmae.errors import DataError

sitk = pytest.importorskip("SimpleITK")
AFFINE = np.array([[-1.0, 0, 0, 10], [0, 1.5, 0, -20], [0, 0, 2, 5], [0, 0, 0, 1]])
ARRAY = np.arange(960, dtype=np.int16).reshape(12, 10, 8)


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".mgz", ".mgh"):
        nib.save(nib.MGHImage(ARRAY, AFFINE), path)
    elif path.suffix == ".hdr":
        nib.save(nib.Spm99AnalyzeImage(ARRAY, np.diag([-1.0, 1.5, 2, 1])), path.with_suffix(".img"))
    else:
        image = sitk.GetImageFromArray(ARRAY.transpose(2, 1, 0))
        image.SetSpacing((1, 1.5, 2))
        image.SetOrigin((-10, 20, 5))
        image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
        sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("suffix", [".mgz", ".mgh", ".nrrd", ".mha", ".hdr"])
def test_a_case_of_another_format_is_found_and_read(tmp_path, suffix):
    write(tmp_path / "p1" / f"T1{suffix}")
    (case,) = find_cases(tmp_path).cases
    (source,) = case.contrasts
    assert source.name == stem_of(source.path.name) == "T1"
    volume = load_source(source)
    np.testing.assert_array_equal(volume.array, ARRAY)
    assert volume.grid.spacing == pytest.approx((2, 1.5, 1))
    if suffix == ".hdr":
        assert volume.flags == ("no_orientation_codes",)
    else:
        np.testing.assert_allclose(volume.grid.affine, AFFINE, atol=1e-5)
    with pytest.raises(DataError, match="limit"):
        load_source(source, limit_gb=1e-7)
    source.path.write_bytes(source.path.read_bytes()[:200])
    with pytest.raises(DataError) as caught:
        load_source(source)
    assert caught.value.path == source.path


@pytest.mark.parametrize(("suffix", "wide"), [(".mgh", 300), (".mgz", 30_000)])
def test_a_header_that_promises_more_than_the_file_can_hold_takes_no_memory(tmp_path, monkeypatch, suffix, wide):
    image = nib.MGHImage(ARRAY, AFFINE)
    content = bytearray(image.to_bytes())
    content[4:8] = wide.to_bytes(4, "big")  # the first axis
    path = tmp_path / f"T1{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".mgz" else content)
    monkeypatch.setattr(nib.MGHImage.ImageArrayProxy, "__array__", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(DataError, match=r"T1.*shorter than its header promises"):
        load_source(Source(name="T1", path=path))


def test_four_axes_are_refused(tmp_path):
    (tmp_path / "p1").mkdir()
    nib.save(nib.MGHImage(np.zeros((4, 4, 4, 3), np.float32), AFFINE), tmp_path / "p1" / "T1.mgz")
    (case,) = find_cases(tmp_path).cases
    with pytest.raises(DataError, match="3-D volume"):
        load_source(case.contrasts[0])


@pytest.mark.parametrize(("header", "voxels"), [("T1.hdr", "T1.img"), ("T1.mhd", "T1.raw"), ("T1.nhdr", "T1.raw")])
def test_other_voxels_beside_the_same_header_are_another_volume(tmp_path, header, voxels):
    write(tmp_path / "p1" / header)
    found = find_cases(tmp_path)
    (source,) = found.cases[0].contrasts
    assert found.left_out == []  # the voxels belong to their header
    before = load_source(source)
    data = bytearray((tmp_path / "p1" / voxels).read_bytes())
    data[-1] ^= 1
    (tmp_path / "p1" / voxels).write_bytes(data)
    after = load_source(source)
    assert not np.array_equal(before.array, after.array)
    assert before.sha256 != after.sha256 == sha256_of_source(source)
