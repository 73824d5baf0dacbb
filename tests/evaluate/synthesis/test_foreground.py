"""Which voxels are the patient."""

import numpy as np
import pytest

from medmae.data.volumes.intensity import Normalisation
from medmae.evaluate.synthesis.foreground import stored_foreground


@pytest.mark.parametrize("rule", ["corner", "otsu"])
def test_the_foreground_of_a_stored_volume_is_that_of_its_source(rule):
    rng = np.random.default_rng(0)
    air = rng.integers(1, 60, (8, 30, 30)) if rule == "otsu" else np.zeros((8, 30, 30))
    volume = air.astype(np.float32)
    volume[2:6, 8:22, 8:22] = rng.integers(700, 900, (4, 14, 14))
    fit = Normalisation.fit(volume, rule=rule)
    found = stored_foreground(fit.apply(volume), {"normalisation": fit.to_dict()})
    assert np.array_equal(found, fit.foreground(volume))
    assert 0.1 < found.mean() < 0.2
