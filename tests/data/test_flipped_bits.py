"""Bits that a disk flipped: an array of the right shape, and not the one that was written."""

import json
import multiprocessing

import numpy as np
import pytest
from typer.testing import CliRunner

from medmae.cli import app
from medmae.data import Samples, Slices
from medmae.data.manifest import Manifest
from medmae.errors import DataError
from medmae.evaluate.verify import verify_folder
from medmae.files import sha256_of
from medmae.training.loader import ResumableLoader


def flip(path):
    """One bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def shard_of(path, place=0):
    return path.parent / json.loads(path.read_text().splitlines()[place])["shard"]


def test_a_shard_with_a_flipped_bit_is_refused_when_it_is_first_opened(prepared):
    path = prepared({"a": "train", "b": "train"})
    flip(shard_of(path))
    shards = Manifest.read(path).shards
    with pytest.raises(DataError, match=r"not what was written.*medmae verify"):
        shards[shard_of(path).relative_to(path.parent).as_posix()]
    assert shards[shard_of(path, 1).relative_to(path.parent).as_posix()].shape == (6, 2, 20, 16)


def test_a_training_does_not_learn_from_it(prepared):
    path = prepared({"a": "train", "b": "train"})
    flip(shard_of(path))
    loader = ResumableLoader(dataset=Samples(source=path, view=Slices(size=16)), batch_size=2)
    with pytest.raises(DataError, match="not what was written"):
        list(loader)


def test_a_shard_is_compared_once_whoever_opens_it(prepared, monkeypatch):
    path = prepared({"a": "train"})
    samples = Samples(source=path, view=Slices(size=16))
    worker = multiprocessing.get_context("fork").Process(target=samples.__getitem__, args=(0,))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    monkeypatch.setattr("medmae.data.shards.sha256_of_shard", pytest.fail)
    assert samples[0]["image"].shape == (1, 16, 16)  # what the worker compared is not read again here


def test_verify_names_every_file_that_differs(prepared):
    path = prepared({"a": "train", "b": "test", "c": "val"})
    assert verify_folder(path.parent).startswith("3 files of 3 cases are what was written")
    flip(shard_of(path, 0))
    flip(shard_of(path, 2))
    result = CliRunner().invoke(app, ["verify", str(path.parent)])
    assert isinstance(result.exception, DataError)
    assert "2 bad rows: line 1" in str(result.exception)
    assert "line 3" in str(result.exception)


def test_verify_compares_the_weights_of_a_run(tmp_path):
    weights = tmp_path / "models" / "model.pt"
    weights.parent.mkdir()
    weights.write_bytes(bytes(100))
    record = {"hashes": {"model.pt": sha256_of(weights)}, "paths": {"model_dir": "/elsewhere/models"}}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert "1 weight files are what was written" in verify_folder(tmp_path)
    flip(weights)
    with pytest.raises(DataError, match=r"model\.pt differs"):
        verify_folder(tmp_path)


def test_a_folder_without_a_record_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"neither manifest\.jsonl nor run\.json"):
        verify_folder(tmp_path)
