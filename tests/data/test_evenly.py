"""Some of many places."""

from __future__ import annotations

import numpy as np
import pytest

from medmae.data.evenly import evenly


@pytest.mark.parametrize(
    ("count", "most", "places"), [(5, 3, [0, 2, 4]), (2, 9, [0, 1]), (0, 4, []), (9, 1, [0]), (7, 2, [0, 6])]
)
def test_places_are_spread_from_the_first_to_the_last(count, most, places):
    assert evenly(count, most).tolist() == places


def test_gaps_between_them_are_alike():
    assert np.ptp(np.diff(evenly(100, 12))) <= 1
