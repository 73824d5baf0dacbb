"""Warnings of libraries that tell a user nothing he could act on; those of medmae are never among them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LIBRARIES = r"(?:torch|pytorch_lightning|lightning_fabric|lightning_utilities|monai|kornia|timm|tensorboard)\b"
_MESSAGES = (
    r".*does not have many workers",
    r"The number of training batches .* is smaller than the logging interval",
    r"You defined a `validation_step` but have no `val_dataloader`",
    r"The dirpath has changed from",
    r"Be aware that when using `ckpt_path`",
    r".*isinstance\(treespec, LeafSpec\)",
    r"Starting from v1\.9\.0\.? `tensorboardX`",
)


@contextmanager
def quiet() -> Iterator[None]:
    """Within it those warnings are not shown."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.filterwarnings("ignore", category=category, module=_LIBRARIES)
        for message in _MESSAGES:
            warnings.filterwarnings("ignore", message=message)
        yield
