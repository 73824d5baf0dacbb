"""One training a folder: a second one would write its log, checkpoints and weights among those of the first."""

from __future__ import annotations

import fcntl
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medmae.errors import DataError

NAME = ".training.lock"


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Holds a folder while the block runs; the operating system lets it go when the process ends, however it ends.

    On a file system without locks it warns, and locks nothing.

    Args:
        folder: The run directory, which exists.

    Raises:
        DataError: If another process holds it.
    """
    path = Path(folder) / NAME
    with path.open("a+", encoding="utf-8") as file:
        try:  # lockf: unlike those of flock, its locks do not live on in worker processes
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            raise DataError(
                "another training writes into this folder",
                path=folder,
                field="output_dir",
                value=f"process {file.read().strip() or 'unknown'}",
                remedy="wait for it, end it, or give this one another --output_dir",
            ) from None
        except OSError as error:
            warnings.warn(
                f"{path} cannot be locked ({error.strerror}): see that nobody else trains there", stacklevel=3
            )
            yield
            return
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield  # the file stays: one that was taken away and made anew would be locked twice
