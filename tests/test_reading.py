"""The shell around readers: one kind of error for a file, another for the machine, and sizes before memory."""

from __future__ import annotations

import errno

import pytest

from medmae.errors import DataError, MachineError
from medmae.reading import check_budget, reading


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        AssertionError(),
        RecursionError("deep"),
        OSError("cut"),
        UnicodeDecodeError("utf8", b"", 0, 1, "no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_library_raises_names_the_file(error):
    with (
        pytest.raises(DataError, match=r"a\.xyz: the scan cannot be read") as caught,
        reading("a.xyz", what="the scan"),
    ):
        raise error
    assert caught.value.remedy
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOMEM, errno.ENOSPC])
def test_what_the_machine_lacks_is_no_fault_of_the_file(code):
    with pytest.raises(MachineError), reading("a.xyz"):
        raise OSError(code, "short")
    with pytest.raises(MachineError, match="memory"), reading("a.xyz"):
        raise MemoryError


def test_an_error_of_our_own_and_a_missing_package_pass_through():
    for error in (DataError("ours", path="b"), ModuleNotFoundError("no such module")):
        with pytest.raises(type(error)) as caught, reading("a.xyz"):
            raise error
        assert caught.value is error


def test_a_size_above_the_budget_is_refused_with_both_sizes():
    check_budget(4_000_000_000, path="a", field="dim", value=1)
    with pytest.raises(DataError, match=r"promises 4\.5 GB.* limit is 4\.0 GB"):
        check_budget(4_500_000_000, path="a", field="dim", value=1)
