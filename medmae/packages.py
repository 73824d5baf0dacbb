"""Packages of this installation: those that are functions of ``import medmae``, too, and ``data_prep`` beside it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

DATA_PREP = Path(__file__).resolve().parent.parent / "data_prep"  # in a clone as in a wheel


class CallablePackage(ModuleType):
    """A package that, when it is called, does what ``medmae.api`` has under its name.

    ``medmae.methods()`` and ``medmae.evaluate(...)`` are named as the packages ``medmae.methods`` and
    ``medmae.evaluate`` are; as soon as one of these is imported, its name in ``medmae`` is the package's.
    """

    def __call__(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (whatever the function takes and gives)
        """See the function in ``medmae.api``."""
        return getattr(importlib.import_module("medmae.api"), self.__name__.rpartition(".")[2])(*args, **options)


def own_data_prep() -> None:
    """Makes ``data_prep`` the package that came with medmae, whatever else of this name the search path leads to.

    A user's own ``data_prep.py``, in the working directory or on PYTHONPATH, is neither imported nor in the way.

    Raises:
        ImportError: If another one was imported in this process before.
    """
    name = DATA_PREP.name
    if name in sys.modules:
        found = Path(sys.modules[name].__file__ or "").resolve()
        if found.parent != DATA_PREP:
            raise ImportError(f"{found} was imported as {name}, which is also a package of medmae: rename it")
        return
    spec = importlib.util.spec_from_file_location(name, DATA_PREP / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
