"""Several channels to one, by a rule that the user chooses; no rule depends on how samples are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from medmae.errors import DataError, check_choice

Mix = Literal["mean", "first", "all"]
MIXES = ("mean", "first", "all")
_CANCELS = 0.1  # of the power of a mean over that of its channels: below it they cancel each other


def mixed(samples: np.ndarray, *, mix: Mix, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Channels as they are wanted, and what was done.

    Args:
        samples: float32 ``(C, T)``.
        mix: ``mean`` of all channels; ``first`` takes one as it is; ``all`` keeps them.
        path: For the message.

    Returns:
        ``(1, T)``, or ``(C, T)`` of ``all``; flags: ``mixed:2``, ``first_of:2``.

    Raises:
        DataError: If the mean would cancel what the channels hold, as of one signal with both signs.
        ValueError: If there is no such rule.
    """
    check_choice(mix, MIXES, name="mix")
    count = len(samples)
    if count == 1 or mix == "all":
        return samples, ()
    if mix == "first":
        return samples[:1], (f"first_of:{count}",)
    mean = samples.mean(axis=0, keepdims=True)
    loudest = float(np.square(samples, dtype=np.float64).mean(axis=1).max())
    if float(np.square(mean, dtype=np.float64).mean()) * count**2 < _CANCELS * loudest:
        raise DataError(
            "its channels cancel each other: they hold one signal with both signs, and their mean would be silent",
            path=path,
            field="--mix",
            value=mix,
            remedy="take --mix first, or --mix all",
        )
    return mean, (f"mixed:{count}",)
