"""Finding tiles: as images are found, and what their names tell of class, patient and slide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from data_prep.patients import compiled, require_match
from medmae.data.images.folders import ImageFile, all_or_none, find_images


def find_tiles(
    source: Path, *, label_from: str | None = None, patient_from: str | None = None, slide_from: str | None = None
) -> tuple[list[ImageFile], list[Path]]:
    """The images below a folder or in a table, sorted by name, and files that lie elsewhere than images do.

    Args:
        source: See :func:`medmae.data.images.folders.find_images`.
        label_from: Regular expression on file names without suffix; its first group is the class.
        patient_from: The same for the patient.
        slide_from: The same for the slide.

    Raises:
        DataError: No image; a pattern that misses some; patients, slides or splits of some images only.
    """
    files, ignored = find_images(source)
    for column, pattern in (("label", label_from), ("patient", patient_from), ("slide", slide_from)):
        files = _filled(files, column, pattern)
    for column in ("patient", "slide", "split"):
        all_or_none(files, column, source)
    return sorted(files, key=lambda file: file.name), sorted(ignored)


def _filled(files: list[ImageFile], column: str, pattern: str | None) -> list[ImageFile]:
    option = f"--{column}-from"
    regex = compiled(pattern, option=option)
    if regex is None:
        return files
    found = require_match((file.path.stem for file in files), regex, option=option)
    changes: list[dict[str, Any]] = [{column: found[file.path.stem]} for file in files]
    return [replace(file, **change) for file, change in zip(files, changes, strict=True)]
