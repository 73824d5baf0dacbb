"""What users see when something is wrong."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from medmae.errors import DataError, ExitCode, SomeFailedError


@pytest.fixture
def error():
    return DataError(
        "the header promises no slices", path=Path("sub-1.nii.gz"), field="dim", value=[3, 0], remedy="export it again"
    )


def test_the_text_names_path_field_value_and_remedy(error):
    assert str(error) == "sub-1.nii.gz: the header promises no slices [dim = [3, 0]] -> export it again"


def test_what_is_not_known_is_left_out():
    assert str(DataError("no cases")) == "no cases"
    assert str(DataError("wrong", field="dim", value=None)) == "wrong [dim = None]"


@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_an_error_survives_the_way_back_from_a_worker_process(error, again):
    other = again(error)
    assert type(other) is DataError
    assert str(other) == str(error)
    assert vars(other) == vars(error)


def test_an_error_comes_back_as_what_it_was():
    again = pickle.loads(pickle.dumps(SomeFailedError("2 of 9 cases failed")))
    assert type(again) is SomeFailedError
    assert again.exit_code == ExitCode.SOME_FAILED != DataError("no cases").exit_code


def test_it_is_a_value_error(error):
    assert isinstance(error, ValueError)


def test_exit_codes_are_distinct_and_zero_is_success():
    assert ExitCode.OK == 0
    assert len({int(code) for code in ExitCode}) == len(ExitCode.__members__) == 8
