"""Weights that constructors draw from torch's own generators, by a seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def drawn_by(seed: int, *, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seeds torch's generators of the CPU and of one device for a block, and puts both back afterwards.

    ``torch.manual_seed`` would seed all CUDA devices, of which a fork of some puts back only these.

    Args:
        seed: Of what is drawn.
        device: Where else the block draws.
    """
    device = torch.device(device)
    on_cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_cuda else []):
        torch.default_generator.manual_seed(seed)
        if on_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
