"""Initialisation of the MAE family, of Swin, and of classifiers that begin from scratch."""

from __future__ import annotations

import math

from torch import nn

from medmae.nn.mlp import MLP

_PACKED = {"qkv": 3, "kv": 2}


def initialise_linears(module: nn.Module, *, unpack: bool = False) -> None:
    """Xavier-uniform weights and zero biases for every ``Linear`` below ``module``.

    Args:
        module: Holds them.
        unpack: Treats the matrices packed in ``qkv`` and ``kv`` one by one (MultiMAE); MAE takes them as one, which
            gives smaller weights.
    """
    for name, child in module.named_modules():
        if isinstance(child, nn.Linear):
            parts = _PACKED.get(name.rpartition(".")[2], 1) if unpack else 1
            for matrix in child.weight.detach().chunk(parts):
                nn.init.xavier_uniform_(matrix)
            if child.bias is not None:
                nn.init.zeros_(child.bias)


def initialise_flax(module: nn.Module) -> None:
    """As flax's ViT: Xavier-uniform weights, of queries, keys and values one by one; biases of MLPs next to zero."""
    initialise_linears(module, unpack=True)
    for child in module.modules():
        if isinstance(child, MLP):
            nn.init.normal_(child.fc1.bias, std=1e-6)
            nn.init.normal_(child.fc2.bias, std=1e-6)


def initialise_truncated(module: nn.Module) -> None:
    """Truncated normal weights (0.02) and zero biases for every ``Linear`` below ``module`` (Swin, timm's ViT)."""
    for child in module.modules():
        if isinstance(child, nn.Linear):
            nn.init.trunc_normal_(child.weight, std=0.02)
            if child.bias is not None:
                nn.init.zeros_(child.bias)


def start_at(layer: nn.Linear | nn.Conv2d | nn.Conv3d, *, brightness: float) -> None:
    """Sets the bias of a layer before a sigmoid such that untrained it shows ``brightness``, in (0, 1), everywhere.

    Raises:
        ValueError: If no sigmoid ever shows that.
    """
    if not 0 < brightness < 1:
        raise ValueError(f"initial_brightness must lie in (0, 1), got {brightness}")
    assert layer.bias is not None
    nn.init.constant_(layer.bias, math.log(brightness / (1 - brightness)))
