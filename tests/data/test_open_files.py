"""More shards than a process may hold open files."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import numpy as np
import pytest

from medmae.data import open_files
from medmae.data.shards import Shards
from medmae.errors import MachineError
from medmae.training.loader import ResumableLoader

COUNT = 150


class Means:
    """A data set of the shards of a folder: the mean of each."""

    def __init__(self, folder):
        self.shards = Shards(folder)

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return {"image": np.float32(self.shards[f"{index}.npy"].mean())}


@pytest.fixture
def folder(tmp_path):
    for index in range(COUNT):
        np.save(tmp_path / f"{index}.npy", np.full((4, 4), index, dtype=np.float32))
    return tmp_path


@pytest.fixture
def few_files(monkeypatch):
    """A process that may open forty more files than it has, and has no leave to raise that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = len(list(Path("/proc/self/fd").iterdir())) + 40
    monkeypatch.setattr(open_files, "WANTED", most)
    monkeypatch.setattr(open_files, "RECENT", open_files.RecentMaps())
    monkeypatch.setattr("medmae.data.shards.RECENT", open_files.RECENT)
    monkeypatch.setattr(open_files, "allowed_files", lambda: 40)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_every_shard_is_read_where_few_files_may_be_open(folder, few_files):
    loader = ResumableLoader(dataset=Means(folder), batch_size=10, seed=0)
    seen = sorted(int(value) for batch in loader for value in batch["image"])
    assert seen == list(range(COUNT))
    assert len(open_files.RECENT) == 10


def test_what_was_used_last_stays_open_and_what_was_let_go_is_still_whole(folder, few_files):
    shards = Shards(folder)
    first = shards["0.npy"]
    for index in range(1, COUNT):
        assert shards["1.npy"][0, 0] == 1
        shards[f"{index}.npy"]
    assert first[0, 0] == 0
    assert shards["1.npy"] is shards["1.npy"]


def test_files_of_a_reader_that_is_gone_are_closed_and_those_of_another_stay(folder):
    def still_open():
        return sum(one.resolve().parent == folder.resolve() for one in Path("/proc/self/fd").iterdir())

    stays, goes = Shards(folder), Shards(folder)
    for index in range(20):
        goes[f"{index}.npy"]
    kept, shared_out = stays["0.npy"], goes["1.npy"]
    assert still_open() == 21
    del goes
    assert still_open() == 2  # the other reader's, and the array that somebody has
    assert stays["0.npy"] is kept
    assert shared_out[0, 0] == 1


def test_the_end_of_open_files_is_an_error_of_the_machine_and_replaces_no_sample(folder, few_files, monkeypatch):
    monkeypatch.setattr(open_files, "allowed_files", lambda: 10_000)
    with pytest.raises(MachineError, match=r"ulimit -n"):
        list(ResumableLoader(dataset=Means(folder), batch_size=10, seed=0))


@pytest.mark.parametrize("code", [errno.ENOMEM, errno.ENFILE])
def test_so_is_all_else_that_the_machine_is_short_of(folder, monkeypatch, code):
    def short(*args, **options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(np, "load", short)
    with pytest.raises(MachineError):
        list(ResumableLoader(dataset=Means(folder), batch_size=10, seed=0))


def test_the_soft_limit_is_raised_as_far_as_the_hard_one_allows(monkeypatch):
    limits = [[256, 4096]]
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits[-1]))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: limits.append(pair))
    assert open_files.allowed_files.__wrapped__() == 4096
    assert limits[-1] == (4096, 4096)
    limits.append((512, resource.RLIM_INFINITY))
    assert open_files.allowed_files.__wrapped__() == open_files.WANTED
