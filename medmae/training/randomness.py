"""The random number generators of a process: kept in a checkpoint, put back, set for one sample."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info


def capture() -> dict[str, Any]:
    """States of Python's, numpy's, torch's and every CUDA device's generator, as tensors and plain numbers only."""
    state = np.random.get_state(legacy=False)
    assert isinstance(state, dict)
    plain = {**state, "state": {**state["state"], "key": torch.from_numpy(state["state"]["key"].astype(np.int64))}}
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"python": random.getstate(), "numpy": plain, "torch": torch.get_rng_state(), "cuda": cuda}


def restore(states: dict[str, Any]) -> None:
    """Puts back what :func:`capture` gave; CUDA only where there are as many devices as then."""
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    plain = states["numpy"]
    key = plain["state"]["key"].cpu().numpy().astype(np.uint32)
    np.random.set_state({**plain, "state": {**plain["state"], "key": key}})
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]])


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Sets the three CPU generators from ``key`` for a block; outside of workers they are put back afterwards.

    What a data set draws for a sample is thereby a function of the key, wherever the sample is read.
    """
    keep = None if get_worker_info() else (random.getstate(), np.random.get_state(), torch.get_rng_state())
    first, second, third = np.random.SeedSequence(key).generate_state(3).tolist()
    random.seed(first)
    np.random.seed(second)
    torch.default_generator.manual_seed(third)
    try:
        yield
    finally:
        if keep:
            random.setstate(keep[0])
            np.random.set_state(keep[1])
            torch.set_rng_state(keep[2])
