"""Whatever happens to a file, its reader takes or refuses it; the long run: ``python -m tests.fuzzing N``."""

from __future__ import annotations

import pytest

from tests.fuzzing import READERS, fuzz


@pytest.mark.parametrize("name", READERS)
def test_damage_never_escapes_as_an_error_of_a_library(name, tmp_path):
    found = fuzz(name, count=8, seed=0, folder=tmp_path)
    assert set(found) <= {"read", "refused"}, found
    assert "read" in found  # the sound file is
