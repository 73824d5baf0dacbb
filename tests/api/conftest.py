from __future__ import annotations

import pytest

from data_prep.tiny import make


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Forty images of two classes from ten patients."""
    return make("images", tmp_path_factory.mktemp("images"))[0]
