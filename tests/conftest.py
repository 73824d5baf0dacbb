"""What the tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shared_folder() -> Path:
    """The folder of reference data, beside the repository or where MEDMAE_SHARED says; it need not exist."""
    return Path(os.environ.get("MEDMAE_SHARED") or ROOT.parent / "shared")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data."""
    folder = shared_folder()
    if not folder.is_dir():
        pytest.skip("no shared reference data beside the repository; MEDMAE_SHARED can name its folder")
    return folder
