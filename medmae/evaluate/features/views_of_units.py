"""Views of a unit, such as clips of a video, as one sample."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor
from torch.utils.data import Dataset

from medmae.data.samples import Samples
from medmae.data.views import About
from medmae.errors import DataError
from medmae.tokens.modalities import THERE


class ViewsOfUnits(Dataset[dict[str, Tensor | int]]):
    """One item a unit: each kind of data of its views, such as ``image``, as ``(V, C, *size)``, and ``views``: V.

    Where views say which kinds they have, that is handed on.

    Args:
        samples: Which say what ``view`` of their unit they are (:meth:`~medmae.data.samples.Samples.describe`).
        members: Numbers of the views of each unit.

    Raises:
        DataError: If units have different numbers of views.
    """

    def __init__(self, samples: Samples, members: Sequence[Sequence[int]]) -> None:
        if len(counts := sorted({len(views) for views in members})) > 1:
            raise DataError("units have different numbers of views", path=samples.source.path, value=counts)
        self.samples, self.members, self.views = samples, members, counts[0]

    @classmethod
    def of(cls, samples: Samples) -> Self | None:
        """Units of samples that are views; None of samples that stand for themselves.

        Raises:
            DataError: If some views of a unit were left out: the mean of the others would stand for all.
        """
        if not len(samples) or "view" not in samples.describe(0):
            return None
        members: dict[int, list[int]] = {}
        for number in range(len(samples)):
            members.setdefault(samples.item(number).numbers[0], []).append(number)
        if len(samples) != (whole := len(samples.view.items(samples.source, list(members)))):
            raise DataError(
                "some views of a unit are left out, and the mean of the others would stand for all",
                path=samples.source.path,
                field="limit, fraction",
                value=(len(samples), whole),
                remedy="leave whole subjects out (fraction), or ask for fewer views",
            )
        return cls(samples, list(members.values()))

    @property
    def first(self) -> list[int]:
        """Number of the first view of each unit, whose labels and patient are those of all."""
        return [views[0] for views in self.members]

    @property
    def sha256(self) -> str:
        """Of the samples, and which of them belong together."""
        return hashlib.sha256(f"{self.samples.sha256} {self.members}".encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        views = [self.samples[number] for number in self.members[index]]
        names = [name for kind in self.samples.kinds for name in (kind, kind + THERE) if name in views[0]]
        return {name: torch.stack([view[name] for view in views]) for name in names} | {"views": self.views}

    def describe(self, index: int) -> About:
        """Of the first view."""
        return self.samples.describe(self.members[index][0])
