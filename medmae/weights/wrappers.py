"""What stands around a state dict: entries of a training's file, and what torch.compile puts into keys."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from torch import Tensor

# By the names that trainings give them: MAE, timm, Lightning, DeepSpeed, MONAI's examples, DINO and iBOT.
_ENTRIES = ("model", "model_state_dict", "state_dict", "module", "teacher")


def unwrapped(loaded: Any, *, path: Path) -> Any:  # noqa: ANN401
    """The state dict in what a file holds, or what stands there instead of one; a warning names others beside it."""
    while isinstance(loaded, dict):
        entry = next((name for name in _ENTRIES if isinstance(loaded.get(name), dict)), None)
        if entry is None:
            break
        others = [str(name) for name, value in loaded.items() if name != entry and _is_state(value)]
        if others:
            warnings.warn(
                f"{path} holds several sets of weights: {entry} is taken, {', '.join(others)} left; to take another, "
                "write it alone, with torch.save",
                stacklevel=4,
            )
        loaded = loaded[entry]
    if not isinstance(loaded, dict):
        return loaded
    plain = {key.replace("_orig_mod.", "") if isinstance(key, str) else key: value for key, value in loaded.items()}
    return plain if len(plain) == len(loaded) else loaded


def _is_state(value: object) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(part, Tensor) for part in value.values())
