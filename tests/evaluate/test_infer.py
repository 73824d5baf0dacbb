"""Whole volumes through a network."""

import nibabel as nib
import numpy as np
import pytest
import torch

from medmae.data.volumes.folder import VolumeFolder
from medmae.errors import ExitCode, SomeFailedError
from medmae.evaluate.infer import VolumeInference
from medmae.methods.edge_mae import edge_mae_tiny
from medmae.nn.heads import FeatureMap


def write_head(path, *, shape=(40, 48, 10), seed=0):
    """A ball of tissue in air, in an oblique anisotropic frame."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1.2, 1.2, n) for n in shape), indexing="ij"))
    data = np.where((grid**2).sum(axis=0) < 1, 500 + 100 * rng.random(shape), 0).astype(np.float32)
    turn = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.1, 0.05, 0) @ np.diag([-1.0, 1.0, 4.0]), [3, 4, 5])
    image = nib.Nifti1Image(data, turn)
    image.set_sform(turn, code=2)
    image.set_qform(turn, code=1)
    nib.save(image, path)
    return image


def inference(source, out, *, output):
    torch.manual_seed(0)
    method = edge_mae_tiny()
    network = FeatureMap(encoder=method.encoder, use_class_token=False)
    volumes = VolumeFolder(source=source)
    return VolumeInference(network=network, method=method, volumes=volumes, output=output, output_dir=out, size=64)


def test_features_have_one_dense_map_for_each_slice_that_is_not_empty(tmp_path):
    write_head(tmp_path / "a.nii.gz")
    inference(tmp_path / "a.nii.gz", tmp_path / "out", output="features").run()
    found = np.load(tmp_path / "out" / "a_desc-features.npz")
    assert found["features"].shape == (len(found["slices"]), 32, 8, 8)
    assert np.allclose(found["pooled"], found["features"].astype(np.float32).mean(axis=(2, 3)), atol=1e-3)
    assert found["slices"].tolist() == list(range(1, 9))


def test_a_reconstruction_lies_on_the_grid_of_its_source_and_keeps_what_was_visible(tmp_path):
    source = write_head(tmp_path / "a.nii.gz")
    inference(tmp_path / "a.nii.gz", tmp_path / "out", output="reconstruction").run()
    result = nib.load(tmp_path / "out" / "a_desc-reconstruction.nii.gz")
    hidden = nib.load(tmp_path / "out" / "a_desc-hidden_mask.nii.gz").get_fdata() > 0
    assert result.shape == source.shape
    assert np.array_equal(result.affine, source.affine)
    assert (int(result.header["sform_code"]), int(result.header["qform_code"])) == (2, 1)
    assert np.array_equal(result.header.get_zooms(), source.header.get_zooms())
    assert b"synthetic" in bytes(result.header["descrip"])
    visible = ~hidden & (source.get_fdata() > 0)
    below_clip = source.get_fdata() < np.percentile(source.get_fdata()[source.get_fdata() > 0], 99)
    assert visible.any()
    assert np.allclose(result.get_fdata()[visible & below_clip], source.get_fdata()[visible & below_clip], rtol=2e-3)


def test_one_bad_volume_is_left_out_named_and_turns_the_exit_code(tmp_path):
    write_head(tmp_path / "good.nii.gz")
    (tmp_path / "broken.nii.gz").write_bytes((tmp_path / "good.nii.gz").read_bytes()[:2000])
    with pytest.raises(SomeFailedError, match=r"1 of 2 volumes.*broken.nii.gz") as caught:
        inference(tmp_path, tmp_path / "out", output="features").run()
    assert caught.value.exit_code == ExitCode.SOME_FAILED
    assert (tmp_path / "out" / "good_desc-features.npz").is_file()


def test_an_unknown_output_is_refused(tmp_path):
    write_head(tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match="'features' or 'reconstruction', got 'both'"):
        inference(tmp_path / "a.nii.gz", tmp_path, output="both")
