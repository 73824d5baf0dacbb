"""Weights of another picture size, channel count or patch size, made to fit; only where that is asked for."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.errors import check_choice
from medmae.nn.positions import resize_positions
from medmae.nn.vit import MaskedViT

Adaptation = Literal["positions", "channels", "patches"]
Shape = tuple[int, ...]


def adapt_state(
    module: nn.Module, state: Mapping[str, Tensor], *, wanted: Collection[Adaptation]
) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors of the shapes that ``module`` has, where a wanted rule makes them.

    - ``positions``: position tables of a square grid are interpolated to ours, as MAE's fine-tuning does; see
      :func:`medmae.nn.positions.resize_positions`.
    - ``channels``: see :func:`adapt_channels`.
    - ``patches``: see :func:`adapt_patches`.

    Tensors that fit already pass untouched. Heads, which predict pixels, are never adapted.

    Returns:
        The state, and the keys that were adapted.

    Raises:
        ValueError: If a rule is not known, or a position table belongs to no square grid.
    """
    for rule in wanted:
        check_choice(rule, get_args(Adaptation), name="adapt")
    own = module.state_dict()
    adapted = {}
    for key, value in state.items():
        rules = rules_for(key, tuple(value.shape), tuple(own[key].shape)) if key in own else []
        if rules and set(rules) <= set(wanted):
            adapted[key] = _adapted(module, value, rules=rules, shape=tuple(own[key].shape))
    return {**state, **adapted}, sorted(adapted)


def rules_for(key: str, theirs: Shape, ours: Shape) -> list[Adaptation]:
    """The rules that would turn a tensor of shape ``theirs`` into one of shape ``ours``; none if they agree."""
    if len(theirs) != len(ours):
        return []
    differ = {axis for axis, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a != b}
    if key.endswith("pos_embed") and differ == {1}:
        return ["positions"]
    if not key.endswith("patch_embed.proj.weight") or 0 in differ:
        return []
    rules: list[Adaptation] = ["channels"] if 1 in differ else []
    return [*rules, "patches"] if differ - {1} else rules


def adapt_channels(kernel: Tensor, *, channels: int) -> Tensor:
    """A patch kernel ``(D, C, *patch)`` for another number of channels.

    Every channel gets the mean kernel, times C over the new number. So a picture whose channels are all equal gives
    the same tokens as before: of three channels' kernels one becomes the sum, and one is shared out among three.
    """
    mean = kernel.mean(dim=1, keepdim=True) * (kernel.shape[1] / channels)
    return mean.repeat(1, channels, *(1,) * (kernel.ndim - 2))


def adapt_patches(kernel: Tensor, *, patch: Sequence[int]) -> Tensor:
    """A patch kernel ``(D, C, *patch)`` for patches of another size, by pseudo-inverse resizing.

    FlexiViT (Beyer et al., arXiv 2212.08013, section 3.4). A patch magnified by linear interpolation gives the same
    token as before; for smaller patches the result is the nearest one in the sense of least squares.
    """
    result = kernel.double()
    for axis, size in enumerate(patch, start=2):
        basis = torch.eye(kernel.shape[axis], dtype=torch.float64)[None]
        resize = F.interpolate(basis, size=size, mode="linear", align_corners=False)[0]  # (old, new), transposed B
        moved = torch.linalg.pinv(resize) @ result.movedim(axis, -1).unsqueeze(-1)  # (..., new, 1)
        result = moved.squeeze(-1).movedim(-1, axis)
    return result.to(kernel.dtype)


def _adapted(module: nn.Module, value: Tensor, *, rules: Sequence[Adaptation], shape: Shape) -> Tensor:
    if "positions" in rules:
        return _positions(module, value, rows=shape[1])
    if "channels" in rules:
        value = adapt_channels(value, channels=shape[1])
    return adapt_patches(value, patch=shape[2:]) if "patches" in rules else value


def _positions(module: nn.Module, table: Tensor, *, rows: int) -> Tensor:
    grid = next(part.patches.grid for part in module.modules() if isinstance(part, MaskedViT))
    prefix = rows - math.prod(grid)
    edge = round((table.shape[1] - prefix) ** (1 / len(grid)))
    if prefix + edge ** len(grid) != table.shape[1]:
        raise ValueError(
            f"a position table of {table.shape[1]} rows, {prefix} of them for class tokens, belongs to no grid of "
            "equal edges: resize it with medmae.nn.positions.resize_positions, which takes any grid"
        )
    return resize_positions(table, old_grid=(edge,) * len(grid), new_grid=grid, prefix=prefix)
