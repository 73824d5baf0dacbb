"""How many samples a run may fail to read."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from medmae.errors import DataError
from medmae.training.reading import Failure, name_of


class Unreadable:
    """Samples that could not be read, each counted once; more than max(1, 0.1 %) of them end the run.

    Where an epoch draws several samples of one thing, such as clips of a video, as many are lost with it: one video may
    be.

    Args:
        dataset: Names its samples.
    """

    def __init__(self, dataset: object) -> None:
        self._dataset = dataset
        repeats: int = getattr(getattr(dataset, "view", None), "repeats", 1)
        self.limit = max(1, len(dataset) // repeats // 1000) * repeats  # type: ignore[arg-type]
        self.reasons: dict[int, str] = {}

    def note(self, failures: Iterable[Failure], *, hopeless: bool) -> None:
        """Counts and warns.

        Args:
            failures: Index and reason of each; known ones are passed over.
            hopeless: No replacement was found either.

        Raises:
            DataError: If it is too much.
        """
        for index, reason in failures:
            if index not in self.reasons:
                name = name_of(self._dataset, index)
                warnings.warn(f"sample {name} is replaced by the next one: {reason}", stacklevel=2)
                self.reasons[index] = reason
        if len(self.reasons) > self.limit or hopeless:
            first = list(self.reasons.items())[:5]
            raise DataError(
                "too many samples cannot be read; the first are "
                + "; ".join(f"{name_of(self._dataset, index)}: {reason}" for index, reason in first),
                field="unreadable, allowed",
                value=(len(self.reasons), self.limit),
                remedy="prepare the data again; `Manifest.read(path, verify=True)` names every damaged shard",
            )
