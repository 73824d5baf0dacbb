"""What a record says of how something was trained or evaluated: read off what was built, not written a second time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from torch import nn

from medmae.methods.base import MaskedMethod
from medmae.training.loader import ResumableLoader
from medmae.training.module import MaskedModule
from medmae.training.settings import describe

# Sizes that follow from others, and what is told under another name.
_DERIVED = frozenset({"num_tokens", "num_decoded", "num_cells", "num_marked", "grid", "patches", "ratio", "epochs"})


def settings_of(module: MaskedModule, *, trainer: pl.Trainer, loader: ResumableLoader) -> dict[str, Any]:
    """Those of a training: of its method, its batches, optimiser, schedule and augmentation."""
    spec = module.optimizer_spec
    rate = "learning_rate_per_256" if spec.scale_by_batch else "learning_rate"
    optimizer = {name: value for name, value in describe(spec).items() if name not in ("base_lr", "scale_by_batch")}
    return {
        "seed": module.seed,
        **settings_of_method(module.method),
        "batch_size": loader.batch_size,
        "batches_a_step": trainer.accumulate_grad_batches,
        rate: spec.base_lr,
        **_flat(optimizer),
        **_flat(describe(module.schedule), "schedule"),
        "epochs": trainer.max_epochs,
        **_flat(describe(module.augment), "augment"),
        "precision": str(trainer.precision),
    }


def settings_of_method(method: nn.Module) -> dict[str, Any]:
    """Sizes, masks and objectives of a method; of a classifier those of its encoder."""
    encoder = getattr(method, "encoder", None)
    patches = getattr(method, "patches", None) or getattr(encoder, "patches", None)
    sizes = {} if patches is None else {"image_size": list(patches.size), "patch_size": list(patches.patch)}
    scales = {name: kind.scale for name, kind in getattr(encoder, "kinds", {}).items() if not kind.scale.identity}
    sizes |= _flat({"scale" if name == "image" else f"scale.{name}": s.as_dict() for name, s in scales.items()})
    maskings: dict[str, Any] = describe(method.maskings) if isinstance(method, MaskedMethod) else {}
    if len(maskings) > 1:
        return sizes | _flat({**describe(method), "masking": maskings})
    masking: dict[str, Any] = next(iter(maskings.values()), {})
    if "ratio" in masking:
        sizes["mask_ratio"] = masking["ratio"]
    return sizes | _flat({**describe(method), "masking": masking.pop("type", None), **masking})


def _flat(found: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Names of nested settings joined by dots; the name of a type stands for the thing itself."""
    flat: dict[str, Any] = {}
    for name, value in found.items():
        key = prefix if name == "type" else f"{prefix}.{name}".lstrip(".")
        if not key or value is None or name in _DERIVED:
            continue
        flat |= _flat(value, key) if isinstance(value, Mapping) else {key: value}
    return flat
