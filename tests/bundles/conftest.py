"""A prepared cohort of three small heads, made once."""

from pathlib import Path

import pytest

from data_prep.mr import prepare
from data_prep.tiny.mr import write_cohort


@pytest.fixture(scope="session")
def cohort(tmp_path_factory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort") / "raw")


@pytest.fixture(scope="session")
def prepared(cohort, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("cohort") / "prepared"
    prepare(source=cohort, out=out, workers=0)
    return out
