"""Working through volumes one by one: what is checked before, what one bad volume means, what ends the run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from rich.progress import track

from medmae.errors import DataError, SomeFailedError
from medmae.methods.base import Method
from medmae.training.guard import require_writable
from medmae.training.out_of_memory import NotEnoughMemoryError, explaining_out_of_memory, inference_advice
from medmae.training.reading import Items

log = logging.getLogger(__name__)
Item = TypeVar("Item")


def each_volume(
    volumes: Items[Item],
    write: Callable[[Item], None],
    *,
    method: Method,
    batch_size: int,
    output_dir: Path,
    description: str,
    lost: Sequence[DataError] = (),
) -> None:
    """Reads each volume and writes what is made of it; one that cannot be read is logged and left out.

    Args:
        volumes: What to read.
        write: Works on one and writes its results, whole or not at all.
        method: Applied by ``write``; for the explanation when memory ends.
        batch_size: Likewise.
        output_dir: Where ``write`` writes.
        description: Of the progress bar.
        lost: What should have been a volume, and cannot be one.

    Raises:
        DataError: Before the first, if the output folder cannot be written.
        NotEnoughMemoryError: At once, since the next volume would meet the same; what is finished stays.
        SomeFailedError: At the end, if any was left out.
    """
    require_writable(output_dir)
    advice = partial(inference_advice, batch_size=batch_size)
    failed = [str(error) for error in lost]
    for error in lost:
        log.error("left out: %s", error)
    for index in track(range(len(volumes)), description=description):
        try:
            with explaining_out_of_memory(method=method, batch_size=batch_size, advice=advice):
                write(volumes[index])
        except NotEnoughMemoryError:
            raise
        except DataError as error:
            log.error("left out: %s", error)
            failed.append(str(error))
    if failed:
        raise SomeFailedError(
            f"{len(failed)} of {len(volumes) + len(lost)} volumes were left out: " + "; ".join(failed)
        )
