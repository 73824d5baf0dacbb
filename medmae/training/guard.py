"""What is checked before hours are spent."""

from __future__ import annotations

import tempfile
from pathlib import Path

from medmae.errors import DataError
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


def require_writable(folder: str | Path) -> None:
    """Writes and removes a probe file.

    Raises:
        DataError: If the folder cannot be made or written.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0")
    except OSError as error:
        raise DataError(
            f"cannot write there ({error.strerror})",
            path=folder,
            remedy="choose another output folder or free space",
        ) from error
