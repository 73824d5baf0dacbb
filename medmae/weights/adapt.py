"""Weights of another picture size, channel count, patch size or number of axes, made to fit; only where asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, get_args

from torch import Tensor, nn

from medmae.errors import check_choice
from medmae.weights.kernels import ChannelRule, InflationRule, adapt_channels, adapt_patches, inflate
from medmae.weights.tables import PositionRule, adapt_positions, belongs_elsewhere

Adaptation = Literal[PositionRule, ChannelRule, InflationRule, "patches"]
Shape = tuple[int, ...]

# Of each kind of rule a file is adapted by one; the first is the one that messages suggest.
_KINDS: dict[str, tuple[Any, ...]] = {
    "positions": get_args(PositionRule),
    "channels": get_args(ChannelRule),
    "patches": ("patches",),
    "inflate": get_args(InflationRule),
}


def adapt_state(
    module: nn.Module,
    state: Mapping[str, Tensor],
    *,
    wanted: Adaptation | Collection[Adaptation],
    file_grid: Sequence[int] | None = None,
) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors of the shapes that ``module`` has, where a wanted rule makes them.

    - ``positions``, ``positions_own``: see :func:`medmae.weights.tables.adapt_positions`.
    - ``channels``, ``channels_sum``, ``channels_mean``, ``channels_repeat``: see
      :func:`medmae.weights.kernels.adapt_channels`.
    - ``patches``: see :func:`medmae.weights.kernels.adapt_patches`.
    - ``inflate``, ``inflate_centre``: of pictures for volumes; see :func:`medmae.weights.kernels.inflate`.

    Tensors that fit already pass untouched. Heads, which predict pixels, are never adapted.

    Args:
        module: Has the shapes that are wanted.
        state: Theirs, under our keys.
        wanted: A rule, or several, at most one of a kind.
        file_grid: Tokens along each axis of the file's position tables; None for a grid of equal edges.

    Returns:
        The state, and the keys that were adapted.

    Raises:
        ValueError: If a rule is not known or two are of a kind, or a position table belongs to no such grid.
    """
    chosen = _one_of_a_kind(wanted)
    own = module.state_dict()
    adapted = {}
    shared = state.keys() & own.keys()
    flat = any(_flat(key, state[key].ndim, own[key].ndim) for key in shared)
    for key in shared:
        kinds = rules_for(key, tuple(state[key].shape), tuple(own[key].shape))
        if not kinds and belongs_elsewhere(module, state[key], key=key, flat=flat, file_grid=file_grid):
            kinds = ["positions"]
            if "positions" not in chosen:
                raise ValueError(f"{key} has as many rows as ours, but of another grid; adapt={kinds} resizes it")
        if not kinds or not set(kinds) <= chosen.keys():
            continue
        if "positions" in kinds:
            how = {"rule": chosen["positions"], "flat": flat, "file_grid": file_grid}
            adapted[key] = adapt_positions(module, state[key], key=key, own=own[key], **how)
        else:
            rules = {kind: chosen[kind] for kind in kinds}
            adapted[key] = _adapted_kernel(state[key], rules=rules, shape=tuple(own[key].shape))
    return {**state, **adapted}, sorted(adapted)


def rules_for(key: str, theirs: Shape, ours: Shape) -> list[str]:
    """The rules that would turn a tensor of shape ``theirs`` into one of shape ``ours``; none if they agree.

    Where there are several of a kind, its first.
    """
    if key.endswith("pos_embed") and len(theirs) == len(ours):
        return ["positions"] if [a == b for a, b in zip(theirs, ours, strict=True)] == [True, False, True] else []
    if not key.endswith("patch_embed.proj.weight") or theirs[0] != ours[0]:
        return []
    flat = _flat(key, len(theirs), len(ours))
    patch = ours[3:] if flat else ours[2:]
    if len(theirs) != 2 + len(patch):
        return []
    needed = {"channels": theirs[1] != ours[1], "patches": theirs[2:] != patch, "inflate": flat}
    return [kind for kind, wanted in needed.items() if wanted]


def _flat(key: str, theirs: int, ours: int) -> bool:
    """Whether a kernel of so many axes is of pictures, and ours of volumes."""
    return key.endswith("patch_embed.proj.weight") and (theirs, ours) == (4, 5)


def _one_of_a_kind(wanted: Adaptation | Collection[Adaptation]) -> dict[str, Any]:
    wanted = [wanted] if isinstance(wanted, str) else wanted  # whose letters would be taken for rules
    for rule in wanted:
        check_choice(rule, sum(_KINDS.values(), ()), name="adapt")
    chosen = {kind: [rule for rule in rules if rule in wanted] for kind, rules in _KINDS.items()}
    for rules in chosen.values():
        if len(rules) > 1:
            raise ValueError(f"adapt takes one of {' and '.join(rules)}, got both")
    return {kind: rules[0] for kind, rules in chosen.items() if rules}


def _adapted_kernel(kernel: Tensor, *, rules: Mapping[str, Any], shape: Shape) -> Tensor:
    """In the plane first, then along the axis that a volume has more."""
    if "channels" in rules:
        kernel = adapt_channels(kernel, channels=shape[1], rule=rules["channels"])
    if "patches" in rules:
        kernel = adapt_patches(kernel, patch=shape[-(kernel.ndim - 2) :])
    return inflate(kernel, depth=shape[2], rule=rules["inflate"]) if "inflate" in rules else kernel
