"""Noise of libraries is kept from users; what medmae warns of is not."""

from __future__ import annotations

import warnings

from medmae.bundle.quiet import quiet


def test_only_noise_is_kept_back() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with quiet():
            warnings.warn("The number of training batches (3) is smaller than the logging interval", stacklevel=1)
            warnings.warn_explicit("old", FutureWarning, "torch/nn.py", 1, module="torch.nn")
            warnings.warn_explicit("ours", UserWarning, "fitting.py", 1, module="medmae.training.fitting")
            warnings.warn_explicit("a NaN", UserWarning, "trainer.py", 1, module="pytorch_lightning.trainer")
    assert [str(each.message) for each in seen] == ["ours", "a NaN"]
