"""What our weight files say of themselves: entries of text in the header of a safetensors file, JSON each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open

from medmae.errors import DataError
from medmae.files import from_json
from medmae.weights.damage import damaged

T = TypeVar("T")


def entry(field: str, value: object) -> dict[str, str]:
    """One entry, for the ``metadata`` of :func:`medmae.weights.io.save_safetensors`."""
    return {field: json.dumps(value, separators=(",", ":"))}


def read_entry(path: str | Path, field: str, parse: Callable[[Any], T], *, empty: T) -> T:
    """What the header of a file says under a name; ``empty`` of other files, and of those that do not say it.

    Args:
        path: Of weights.
        field: Name of the entry.
        parse: Makes of its JSON what is wanted; raises ValueError, TypeError, KeyError or AttributeError of another.
        empty: Of a file without the entry.

    Raises:
        DataError: If the header cannot be read, or says it in another form.
    """
    if Path(path).suffix != ".safetensors":
        return empty
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(field)
        return empty if text is None else parse(from_json(text))
    except SafetensorError as error:
        raise damaged(Path(path), f"no readable safetensors file: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"the header does not say {field!r} as medmae writes it",
            path=path,
            remedy="write the file anew: load its tensors, save_safetensors(state, path)",
        ) from error
