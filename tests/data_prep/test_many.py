"""A hospital's size: what a case costs, in seconds and in memory, does not depend on how many there are."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from data_prep.outcome import CaseResult
from data_prep.preparation import Preparation
from data_prep.unit import FoundUnits
from data_prep.work import run_cases
from medmae.data.volumes.case import Case
from medmae.errors import DataError

alive: list[weakref.ref] = []


def failing(task):
    volume = np.zeros((64, 64), np.float32)
    alive.append(weakref.ref(volume))
    try:
        {}[float(volume[0, 0])]
    except KeyError as error:
        raise DataError("it cannot be used", path=str(task)) from error


def test_failed_cases_keep_no_volumes():
    names, quiet = [str(number) for number in range(100)], Console(quiet=True)
    gc.disable()  # nothing may stay until somebody collects it
    try:
        outcome = run_cases(failing, names, names=names, workers=0, scheduler=None, console=quiet)
        assert sum(volume() is not None for volume in alive) <= 1
    finally:
        gc.enable()
    assert len(outcome.failed) == 100
    assert str(outcome.failed[99]) == "99: it cannot be used"


class Looked(CaseResult):
    """A result that counts how often somebody looks at it."""

    times = 0

    def __getattribute__(self, name):
        Looked.times += 1
        return super().__getattribute__(name)


def nothing(task):
    row = {"case": task.case, "subject": task.subject, "session": None, "flags": [], "contrasts": [], "labels": []}
    return Looked(rows=(row,), kept=True, seconds=0.0)


@dataclass(frozen=True, kw_only=True)
class NothingToDo(Preparation[Case]):
    """Of as many patients as its source says, all of whom were prepared before."""

    columns, packages = (), ()
    work = staticmethod(nothing)

    def find(self):
        return FoundUnits(units=tuple(Case(f"p{number:03d}", None) for number in range(int(Path(self.source).name))))

    def task(self, unit):
        return unit

    def line(self, row):
        return {}

    def check(self):
        pass


def test_each_case_is_looked_at_some_times_and_not_once_a_case(tmp_path):
    for patients in (50, 200):
        Looked.times = 0
        NothingToDo(source=str(patients), out=tmp_path, workers=0, console=Console(quiet=True)).prepare()
        assert Looked.times < 20 * patients
