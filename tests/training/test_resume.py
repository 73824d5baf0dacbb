"""Checkpoint files."""

import pytest
import torch

from medmae.training.resume import AtomicCheckpointIO


def test_a_checkpoint_is_read_back_as_it_was(tmp_path):
    AtomicCheckpointIO().save_checkpoint({"weights": torch.arange(3)}, tmp_path / "a.ckpt")
    assert torch.equal(torch.load(tmp_path / "a.ckpt", weights_only=True)["weights"], torch.arange(3))


def test_a_save_that_fails_leaves_the_older_checkpoint_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "a.ckpt"
    AtomicCheckpointIO().save_checkpoint({"weights": torch.arange(3)}, path)

    def break_off(checkpoint, file):
        file.write(b"half a checkpoint")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", break_off)
    with pytest.raises(OSError, match="disk full"):
        AtomicCheckpointIO().save_checkpoint({"weights": torch.zeros(3)}, path)
    assert torch.equal(torch.load(path, weights_only=True)["weights"], torch.arange(3))
    assert [file.name for file in tmp_path.iterdir()] == ["a.ckpt"]


def test_options_of_remote_storage_are_refused(tmp_path):
    with pytest.raises(TypeError, match="storage options"):
        AtomicCheckpointIO().save_checkpoint({}, tmp_path / "a.ckpt", storage_options={"key": 1})
