from __future__ import annotations

import pytest

from data_prep.engine import run_tasks
from medmae.errors import DataError


def halved(number):
    if number % 2:
        raise DataError("odd", field="number", value=number)
    return number // 2


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_failing_task_does_not_stop_the_others(workers):
    found = dict(run_tasks(halved, [4, 3, 8], workers=workers))
    assert found[0] == 2
    assert found[2] == 4
    assert isinstance(found[1], DataError)
    assert found[1].value == 3  # the details survive the way back from a process


def test_no_tasks_need_no_cluster():
    assert list(run_tasks(halved, [], workers=4)) == []


def test_bad_workers_and_a_silent_scheduler_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="got -1"):
        list(run_tasks(halved, [2], workers=-1))
    import distributed

    def no_answer(address, **_):
        raise OSError(f"no one at {address}")

    monkeypatch.setattr(distributed, "Client", no_answer)
    with pytest.raises(DataError, match="no Dask scheduler answers"):
        list(run_tasks(halved, [2], scheduler="tcp://nowhere:1"))
