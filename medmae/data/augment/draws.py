"""What augmentations draw, and the checks of what they may draw from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

TENTHS_AROUND_ONE = (0.8, 0.9, 1.0, 1.1, 1.2)
TENTHS_TO_THREE = tuple(tenth / 10 for tenth in range(31))


def check_shares(shares: Mapping[str, float]) -> None:
    """Refuses chances and fractions outside [0, 1], by name."""
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must lie in [0, 1], got {share}")


def checked_factors(name: str, factors: Sequence[float]) -> Tensor:
    """Factors of a photometric step as a tensor; ``(1,)`` is how a step is switched off."""
    if len(factors) == 0 or not all(math.isfinite(factor) and factor >= 0 for factor in factors):
        raise ValueError(f"{name} must be a list of factors >= 0, (1,) for no change, got {factors}")
    return torch.tensor(list(factors), dtype=torch.float32)


def draw_factors(factors: Tensor, batch_size: int, *, generator: torch.Generator | None) -> Tensor:
    """One of the factors for each sample, ``(B,)``."""
    device = device_of(generator)
    return factors.to(device)[torch.randint(len(factors), (batch_size,), generator=generator, device=device)]


def draw_flips(batch_size: int, *, chance: float, generator: torch.Generator | None) -> Tensor:
    """``(B, 2)`` bool: up-down, left-right; at most one of them, and both as likely."""
    which = torch.rand(batch_size, generator=generator, device=device_of(generator))
    return torch.stack([which < chance / 2, (which >= chance / 2) & (which < chance)], dim=1)


def draw_turns(batch_size: int, *, square: bool, generator: torch.Generator | None) -> Tensor:
    """Quarter turns ``(B,)``: 0 to 3 alike, or only 0 and 2 where a quarter would change the shape."""
    drawn = torch.randint(4 if square else 2, (batch_size,), generator=generator, device=device_of(generator))
    return drawn if square else 2 * drawn


def draw_some_turns(batch_size: int, *, chance: float, square: bool, generator: torch.Generator | None) -> Tensor:
    """Quarter turns ``(B,)``: none, or with this chance 1 to 3 alike, or 2 where a quarter would change the shape."""
    turned = torch.rand(batch_size, generator=generator, device=device_of(generator)) < chance
    quarters = 1 + torch.randint(3, (batch_size,), generator=generator, device=device_of(generator))
    return turned * (quarters if square else 2)


def device_of(generator: torch.Generator | None) -> torch.device:
    """Where a generator's numbers come to be; the CPU without one."""
    return torch.device("cpu") if generator is None else generator.device
