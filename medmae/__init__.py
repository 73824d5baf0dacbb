"""Masked-autoencoder self-supervised learning for everything a hospital records.

``medmae.methods()``, ``create``, ``pretrain``, ``load_encoder``, ``embed`` and ``evaluate`` are the way in from Python;
what they need is imported when one of them is first asked for. See :mod:`medmae.api`.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["Embedded", "Run", "create", "embed", "evaluate", "load_encoder", "methods", "pretrain"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (types are in __init__.pyi)
    if name in ("evaluate", "methods"):  # packages, too
        return importlib.import_module(f"medmae.{name}")
    if name in __all__:
        return getattr(importlib.import_module("medmae.api"), name)
    raise AttributeError(f"module 'medmae' has no attribute {name!r}; from here come {', '.join(__all__)}")
