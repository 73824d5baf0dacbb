"""How fast this machine multiplies."""

from __future__ import annotations

import time

GIGA = 1e9


def matmul_gflops(device: str, *, size: int = 1024, repeats: int = 5) -> float:
    """Best of a few matrix products, in 1e9 floating-point operations a second; draws from a generator of its own."""
    import torch

    own = torch.Generator(device=device).manual_seed(0)
    matrix = torch.rand(size, size, device=device, generator=own)
    best = float("inf")
    for _ in range(repeats + 1):  # the first also warms up
        begin = time.perf_counter()
        product = matrix @ matrix
        float(product[0, 0])  # waits for the device
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best / GIGA
