"""What weights make says which weights made it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medmae.evaluate.provenance import write_made_by
from medmae.weights.quality import made_by, sentence


def tell_maker(weights: Path, *, out: str | Path, **about: object) -> dict[str, Any]:
    """Writes ``made_by.json`` among the files that are about to be made, and prints how good their maker was found.

    Args:
        weights: The file.
        out: Folder of what is made.
        about: What else is told of it, such as the name of a table.

    Returns:
        See :func:`medmae.weights.quality.made_by`.
    """
    made = made_by(weights)
    write_made_by(out, {"made_by": made, **about})
    print(sentence(made))
    return made
