"""A kill or an error never leaves half a file."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import warnings
from pathlib import Path

import pytest

from medmae import files
from medmae.errors import DataError
from medmae.files import all_or_none, atomic_write, read_object, sha256_of, write_text


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_the_old_file_stays_when_writing_fails(tmp_path, error):
    path = tmp_path / "result.bin"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic_write(path) as file:
            file.write(b"half of the new")
            file.flush()
            raise error("no space left")

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_appears_before_the_block_ends(tmp_path):
    path = tmp_path / "result.bin"
    with atomic_write(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_existing_file_is_replaced_and_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "result.txt"
    write_text(path, "first, and longer")
    write_text(path, "zweite µ")
    assert path.read_text(encoding="utf-8") == "zweite µ"


def test_a_result_is_as_readable_as_any_other_file(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "result.txt", "")
        assert stat.S_IMODE((tmp_path / "result.txt").stat().st_mode) == 0o640
        assert os.umask(0o027) == 0o027  # and the process keeps its umask
    finally:
        os.umask(before)


def test_the_bytes_are_on_disk_before_the_name_is(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, type(tmp_path).replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), sync(handle))[1])
    monkeypatch.setattr(type(tmp_path), "replace", lambda self, to: (done.append("rename"), replace(self, to))[1])
    write_text(tmp_path / "result.txt", "text")
    assert done == ["sync", "rename", "sync"]  # the second is the folder's


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_of_files_that_belong_together_none_stays_when_one_fails(tmp_path, error):
    image, note = tmp_path / "image", tmp_path / "note"
    (tmp_path / "other").write_text("mine")

    def write_both(*, fail):
        with all_or_none([image, note]):
            write_text(image, "")
            if fail:
                raise error
            write_text(note, "")

    with pytest.raises(error):
        write_both(fail=True)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    write_both(fail=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image", "note", "other"]


def test_the_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "data").write_bytes(b"abc" * 100_000)
    assert sha256_of(tmp_path / "data") == hashlib.sha256(b"abc" * 100_000).hexdigest()


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127, "short"])
def test_names_may_be_as_long_as_a_file_system_allows(tmp_path, name):
    write_text(tmp_path / name, "text")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def not_supported(*_: object) -> None:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


@pytest.mark.parametrize("fault", ["chmod", "fsync"])
def test_a_share_without_chmod_or_fsync_of_folders_is_written_to_with_one_warning(tmp_path, monkeypatch, fault):
    real = os.fsync
    monkeypatch.setattr(files, "_TOLD", set())
    if fault == "chmod":
        monkeypatch.setattr(Path, "chmod", not_supported)
    else:
        is_folder = lambda handle: stat.S_ISDIR(os.fstat(handle).st_mode)  # noqa: E731
        monkeypatch.setattr(os, "fsync", lambda handle: not_supported() if is_folder(handle) else real(handle))
    with pytest.warns(UserWarning, match="this file system has no"):
        write_text(tmp_path / "first", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_text(tmp_path / "second", "2")
    assert [(tmp_path / name).read_text() for name in ("first", "second")] == ["1", "2"]


def test_a_disk_that_fails_to_sync_a_file_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", not_supported)
    with pytest.raises(OSError, match="Invalid"):
        write_text(tmp_path / "file", "text")
    assert list(tmp_path.iterdir()) == []


def test_json_nested_too_deep_is_refused_as_any_other_that_cannot_be_read(tmp_path):
    path = tmp_path / "run.json"
    path.write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    with pytest.raises(DataError, match=r"run\.json: this file is not JSON \(it is nested too deep\) -> again"):
        read_object(path, remedy="again")
