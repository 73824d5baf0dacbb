"""A synthesis method evaluated as what it is: its sizes need not be said again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from medmae.data.manifest import Manifest
from medmae.evaluate.synthesis import evaluate_synthesis
from medmae.methods.mt_unet import MTUNet


def evaluate_method(
    *,
    method: MTUNet,
    manifest: str | Path | Manifest,
    out: str | Path,
    source: str | None,
    target: str | None,
    contrasts: Sequence[str] | None = None,
    split: str = "test",
    smooth: float = 0.0,
    uncertainty: bool = False,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
) -> dict[str, dict[str, Any]]:
    """See :func:`medmae.evaluate.synthesis.evaluate_synthesis`; network, size and neighbours are the method's."""
    return evaluate_synthesis(
        network=method.to(device).eval().synthesise,
        manifest=manifest,
        out=out,
        size=method.patches.size,
        source=source,
        target=target,
        contrasts=contrasts,
        split=split,
        neighbours=method.neighbours,
        smooth=smooth,
        uncertainty=uncertainty,
        batch_size=batch_size,
        device=device,
    )
