"""A shipped bundle as a folder of the user's own, to be edited."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from medmae.bundle.shipped import shipped
from medmae.errors import DataError

_PARTS = ("configs", "docs", "LICENSE")  # a clone may have models and results beside them
_NAME = re.compile(r"[A-Za-z][\w.-]*")


def copy_bundle(name: str, folder: str | Path) -> Path:
    """Copies a shipped bundle; the copy says its own name wherever the bundle said its, and its files can be written.

    Args:
        name: Of a shipped bundle.
        folder: Where to; made, with its parents. Its last part is the name of the copy.

    Returns:
        The folder, absolute.

    Raises:
        FileNotFoundError: If there is no such bundle.
        DataError: If there is such a folder or file already, or its name will not do for a bundle.
    """
    if name not in shipped():
        raise FileNotFoundError(f"no shipped bundle {name!r}: there are {', '.join(shipped())}")
    target = Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 (a link at the end is to be seen)
    _check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".medmae-copy-") as work:
        whole = Path(work) / target.name
        for part in _PARTS:
            _copy(shipped()[name] / part, whole / part, old=name, new=target.name)
        whole.rename(target)
    return target


def _check_target(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise DataError("there is something already", path=target, remedy="name a folder that does not exist")
    if target.name in shipped():
        raise DataError(
            "a bundle that came with medmae has this name", path=target, remedy="give the copy a name of its own"
        )
    if not _NAME.fullmatch(target.name):
        raise DataError(
            "this is no name for a bundle",
            path=target,
            value=target.name,
            remedy="begin with a letter, then letters, digits, '_', '-' and '.'",
        )


def _copy(source: Path, target: Path, *, old: str, new: str) -> None:
    """A file or a folder, with permissions as new files have them: an installation may be read-only."""
    if source.is_dir():
        for child in source.iterdir():
            _copy(child, target / child.name, old=old, new=new)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix in (".yaml", ".json", ".md"):
        # Results of a shipped bundle go to runs/NAME, those of any other into its folder.
        text = re.sub(rf"(runs/)?\b{old}\b", new, source.read_text(encoding="utf-8"))
        target.write_text(text, encoding="utf-8")
    else:
        shutil.copyfile(source, target)
