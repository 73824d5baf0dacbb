"""Synthetic data in true formats, seconds to make: one module a source, for ``medmae check`` and for tests.

A bundle names its source in ``metadata.json`` (``medmae_check``: ``{"data": "mr"}``); ``data_prep/tiny/mr.py`` is it.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from medmae.errors import check_choice


def make(source: str, folder: Path) -> tuple[Path, Path]:
    """Makes raw files and the data set that is prepared from them.

    Args:
        source: Name of a module of this package.
        folder: Receives both.

    Returns:
        The folder of the prepared data set, and that of the raw files.

    Raises:
        ValueError: If there is no such module, with the names that exist.
    """
    check_choice(source, [module.name for module in pkgutil.iter_modules(__path__)], name="data")
    prepared, raw = importlib.import_module(f"data_prep.tiny.{source}").make(folder)
    return prepared, raw
