"""What the tests of several rooms share."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shared_folder() -> Path:
    """The folder of reference data, beside the repository or where MEDMAE_SHARED says; it need not exist."""
    return Path(os.environ.get("MEDMAE_SHARED") or ROOT.parent / "shared")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A bundle that runs in a test sets logging up; the next test finds it as it was."""
    loggers = [
        logging.getLogger(),
        *(one for one in logging.Logger.manager.loggerDict.values() if hasattr(one, "level")),
    ]
    before = [(one, one.level, one.propagate, one.disabled, list(one.handlers)) for one in loggers]
    yield
    for one, level, propagate, disabled, handlers in before:
        one.setLevel(level)
        one.propagate, one.disabled, one.handlers = propagate, disabled, handlers


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data."""
    folder = shared_folder()
    if not folder.is_dir():
        pytest.skip("no shared reference data beside the repository; MEDMAE_SHARED can name its folder")
    return folder
