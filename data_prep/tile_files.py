"""Finding tiles: as images are found, and what their names tell of class, patient and slide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from medmae.data.identity.given import Given, compiled, require_match
from medmae.data.images.folders import ImageFile, find_images, with_patients
from medmae.data.left_out import LeftOut
from medmae.data.table_files import all_or_none


def find_tiles(
    source: Path, *, label_from: str | None = None, slide_from: str | None = None, given: Given | None = None
) -> tuple[list[ImageFile], list[LeftOut]]:
    """The images below a folder or in a table, sorted by name, and all other files of the folder, with the reason.

    Args:
        source: See :func:`medmae.data.images.folders.find_images`.
        label_from: Regular expression on file names without suffix; its first group is the class.
        slide_from: The same for the slide.
        given: What the user says of patients.

    Raises:
        DataError: No image; a pattern that misses some; patients, slides or splits of some images only; names of which
            several could be one patient's.
    """
    files, left = find_images(source)
    for column, pattern in (("label", label_from), ("slide", slide_from)):
        files = _filled(files, column, pattern)
    files = with_patients(files, source, given=given)
    for column in ("patient", "slide", "split"):
        all_or_none(column, {file.name: getattr(file, column) for file in files}, source)
    return sorted(files, key=lambda file: file.name), sorted(left)


def _filled(files: list[ImageFile], column: str, pattern: str | None) -> list[ImageFile]:
    option = f"--{column}-from"
    regex = compiled(pattern, option=option)
    if regex is None:
        return files
    found = require_match({file.name: file.path.stem for file in files}, regex, option=option)
    changes: list[dict[str, Any]] = [{column: found[file.name]} for file in files]
    return [replace(file, **change) for file, change in zip(files, changes, strict=True)]
