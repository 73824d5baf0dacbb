"""What is checked before hours are spent."""

from __future__ import annotations

import os
from pathlib import Path

from medmae.errors import DataError
from medmae.files import atomic_write
from medmae.training.loader import Loader


def require_batches(loader: Loader, *, name: str) -> None:
    """Refuses a loader that would give no batch; Lightning would finish at once, silently.

    Raises:
        DataError: With the counts and the remedy.
    """
    samples = len(loader.dataset)  # type: ignore[arg-type]
    if len(loader) > 0:
        return
    raise DataError(
        f"the {name} loader gives no batch",
        field="samples, batch_size, drop_last",
        value=(samples, loader.batch_size, loader.drop_last),
        remedy="lower batch_size or set drop_last to false" if samples else "check the split and the contrasts chosen",
    )


def require_writable(*folders: str | Path) -> None:
    """Writes a probe into each folder as results will be written (temp file, forced to disk, renamed), and removes it.

    Missing parents are made.

    Raises:
        DataError: If a folder cannot be made or written, or a file is in its place; with the part of the path at fault.
    """
    for folder in folders:
        probe = Path(folder) / f".write-probe-{os.getpid()}"
        try:
            with atomic_write(probe) as file:
                file.write(b"\0")
            probe.unlink()
        except OSError as error:
            raise _not_writable(Path(folder), error) from error


def _not_writable(folder: Path, error: OSError) -> DataError:
    there = next(part for part in (folder, *folder.absolute().parents) if part.exists())
    if not there.is_dir():
        reason, remedy = f"{there} is a file, not a folder", "choose another output folder, or move that file"
    elif there != folder.absolute():
        reason, remedy = f"it cannot be made in {there}: {error.strerror}", "make it, or mount its disk"
    else:
        reason, remedy = f"{error.strerror}", "choose another output folder, or free space"
    return DataError(f"cannot write there ({reason}); nothing was done", path=folder, remedy=remedy)
