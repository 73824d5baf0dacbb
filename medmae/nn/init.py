"""Initialisation of the MAE family."""

from __future__ import annotations

from torch import nn


def initialise_linears(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for every ``Linear`` below ``module`` (MAE; fused qkv as one matrix)."""
    for child in module.modules():
        if isinstance(child, nn.Linear):
            nn.init.xavier_uniform_(child.weight)
            if child.bias is not None:
                nn.init.zeros_(child.bias)
