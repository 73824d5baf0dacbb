"""The module by which an encoder is fine-tuned, as the MAE family does it."""

from __future__ import annotations

from typing import Any

from medmae.methods.base import Method
from medmae.training.module import MaskedModule
from medmae.training.optim import OptimizerSpec
from medmae.training.schedule import WarmupCosine


class TunedModule(MaskedModule):
    """AdamW of momenta 0.9 and 0.999, rates that fall from layer to layer, a linear warm-up, a cosine.

    Args:
        method: Is trained.
        base_lr: Peak rate per 256 samples.
        min_lr: Rate at the end.
        warmup_epochs: How long the rate rises.
        layer_decay: Factor of the rate from a layer to the one before it; None: one rate for all.
        weight_decay: AdamW's.
        module: Other arguments of :class:`medmae.training.module.MaskedModule`.
    """

    def __init__(
        self,
        *,
        method: Method,
        base_lr: float,
        min_lr: float,
        warmup_epochs: float,
        layer_decay: float | None = 0.75,
        weight_decay: float = 0.05,
        **module: Any,
    ) -> None:
        rates: dict[str, Any] = {"weight_decay": weight_decay, "layer_decay": layer_decay}
        super().__init__(
            method=method,
            optimizer=OptimizerSpec(base_lr=base_lr, betas=(0.9, 0.999), **rates),
            schedule=WarmupCosine(warmup_epochs=warmup_epochs, min_lr=min_lr),
            **module,
        )
