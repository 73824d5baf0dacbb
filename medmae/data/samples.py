"""One data set for every kind of data: samples of a source, as a view makes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from medmae.data.evenly import evenly
from medmae.data.images.shapes import to_bytes
from medmae.data.labels import Labels, Task
from medmae.data.share import share_of
from medmae.data.source import Source
from medmae.data.views import About, Item, Keepable, View
from medmae.errors import DataError
from medmae.kinds import Kind


class Samples(Dataset[dict[str, Any]]):
    """One item a sample: the tensors of its view, ``index``, and ``label`` where the source has labels.

    A label is the place of the sample's class in :attr:`classes` (int64 scalar, -1 where it has none), or float32
    ``(K,)`` of several labels or numbers. Items and their order are a function of the options and, for views that draw,
    of the epoch alone, so that a resumed run reads the same.

    Args:
        source: A manifest or a table; or the path of one, which the view knows how to read.
        view: Which samples a unit gives, and what one looks like.
        but: Options of the view that are others here, such as those of training beside a view of a test.
        split: ``train``, ``val`` or ``test``; None takes all.
        classes: Names to keep, in the order of their numbers; None takes all of the source, so that numbers are the
            same in every split. Samples of no named class are left out.
        fraction: Share to keep, in (0, 1].
        fraction_by: ``subjects`` rounds to whole ones, so that no patient is cut in two; what a sample of the view is
            called, in plural (``slices``), keeps exactly the first ``int(fraction * N)`` in order.
        fraction_seed: Shuffles the subjects before some are kept; None takes the first by name.
        limit: At most so many samples, evenly over the others.
        in_memory: Keeps what was read once, as uint8, in memory that worker processes share; for views of one size.
        may_be_empty: True for held-out splits, which a small source cannot fill.
        grouped: Whether a sample says whose it is, ``"group"``, int64: contrasts take samples of one subject for no
            negatives of each other.

    Raises:
        DataError: If nothing is left (unless ``may_be_empty``), a class is unknown, or the source does not suit the
            view.
        ValueError: If an option is out of range.
    """

    def __init__(
        self,
        *,
        source: Source | str | Path,
        view: View[Any],
        but: Mapping[str, Any] | None = None,
        split: str | None = "train",
        classes: Sequence[str] | None = None,
        fraction: float = 1.0,
        fraction_by: str = "subjects",
        fraction_seed: int | None = None,
        limit: int | None = None,
        in_memory: bool = False,
        may_be_empty: bool = False,
        grouped: bool = False,
    ) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be positive or None, got {limit}")
        view = replace(view, **but) if but else view  # type: ignore[type-var]  # each is a dataclass
        if in_memory and not isinstance(view, Keepable):
            raise ValueError(f"{type(view).__name__} draws its samples anew each time: in_memory has nothing to keep")
        kept_shape = view.kept_shape if in_memory and isinstance(view, Keepable) else None
        self.source, self.view, self.split = view.open(source), view, split
        getattr(self.source, "shards", None)  # before worker processes are made, which share what they have compared
        self._chosen = {
            "split": split,
            "classes": None if classes is None else list(classes),
            "fraction": [fraction, fraction_by, fraction_seed],
            "limit": limit,
        }
        places = self.source.places(split)
        items = view.items(self.source, places)  # (N, K)
        labels = view.labels(self.source, items)
        if classes is not None:
            labels = labels or Labels.of_classes([None] * len(items), known=())
            labels = labels.chosen(classes, path=self.source.path)
            items, labels = items[labels.known], labels[labels.known]
        kept = share_of(
            items[:, 0],
            subject_of=self.source.subject_of,
            fraction=fraction,
            by=fraction_by,
            seed=fraction_seed,
            noun=f"{view.noun}s",
        )
        kept = kept if limit is None else kept[evenly(len(kept), limit)]
        self._items, self._labels = items[kept], None if labels is None else labels[kept]
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # seen by workers that live on
        self._kept = None if kept_shape is None else _Kept(len(self), kept_shape)
        self._groups = np.unique(self.subjects, return_inverse=True)[1] if grouped else None
        if not len(self) and not may_be_empty:
            raise DataError(
                f"no {view.noun} is left to read",
                path=self.source.path,
                field="split, classes, fraction, limit, view",
                value=(*self._chosen.values(), view.options),
                remedy=view.remedy(self.source, places),
            )

    def part(self, split: str | None, *, source: Source | str | Path | None = None) -> Samples:
        """All samples of another split, or of another source, that this view makes; there may be none."""
        source = self.source if source is None else source
        return Samples(source=source, view=self.view, split=split, may_be_empty=True)

    @property
    def labels(self) -> np.ndarray:
        """Of every sample: int64 ``(N,)``, or float32 ``(N, K)``; -1 where there is none."""
        return np.full(len(self), -1) if self._labels is None else self._labels.values

    @property
    def task(self) -> Task | None:
        """What labels are; None without any."""
        return None if self._labels is None else self._labels.task

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of classes by number, or of the values that a label holds."""
        return () if self._labels is None else self._labels.names

    @property
    def subjects(self) -> np.ndarray:
        """Whose each sample is ``(N,)``: what folds and intervals are grouped by."""
        return np.array([self.source.subject_of(place) for place in self._items[:, 0].tolist()], dtype=np.str_)

    @property
    def kinds(self) -> dict[str, Kind]:
        """What the tensors of a sample are, by name."""
        return self.view.kinds(self.source)

    @cached_property
    def sha256(self) -> str:
        """Of the source, which samples of it these are, and how they are read."""
        about = {"source": self.source.sha256, "view": self.view.options, **self._chosen}
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    @cached_property
    def selection(self) -> dict[str, Any]:
        """What of its source it holds and how that is read: what a resumed training must share with itself."""
        return {"source": self.source.sha256, "view": self.view.options, **self._chosen, "samples": self.order_sha256}

    @cached_property
    def order_sha256(self) -> str:
        """Of the source and which samples of it these are, however they are read: what a position in them means."""
        return hashlib.sha256(self.source.sha256.encode() + self._items.tobytes()).hexdigest()

    def set_epoch(self, epoch: int) -> None:
        """Moves on views that draw anew in each epoch."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self._items)

    def item(self, index: int) -> Item:
        """Which sample of the source that of this index is."""
        index = range(len(self))[index]
        return Item(self._items[index].tolist(), index, int(self._epoch))

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.item(index)
        if self._kept is None:
            data = self.view.read(self.source, item)
        else:
            assert isinstance(self.view, Keepable)
            data = self.view.finish(self._kept.get(item, self._raw))
        label = {} if self._labels is None else {"label": self._labels.tensor(item.index)}
        group = {} if self._groups is None else {"group": int(self._groups[item.index])}
        return {**data, **label, **group, "index": item.index}

    def describe(self, index: int) -> About:
        """Case, subject and what else tells a sample from others, for tables and pictures."""
        return self.view.describe(self.source, self.item(index))

    def _raw(self, item: Item) -> Tensor:
        assert isinstance(self.view, Keepable)
        return self.view.raw(self.source, item)


class _Kept:
    """Samples that were read once, in shared memory: whatever a worker reads, all have."""

    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        try:
            self.samples = torch.empty(count, *shape, dtype=torch.uint8).share_memory_()
            self.there = torch.zeros(count, dtype=torch.bool).share_memory_()
        except RuntimeError as error:  # of /dev/shm, of which a container has 64 MB unless told otherwise
            raise DataError(
                f"there is no room to keep these samples in memory ({error})",
                field="in_memory: samples, shape of each",
                value=(count, shape),
                remedy="read them anew each time (--in_memory false), or give more shared memory (docker: --shm-size)",
            ) from error

    def get(self, item: Item, read: Callable[[Item], Tensor]) -> Tensor:
        """A sample uint8, read if it is not there yet."""
        if not self.there[item.index]:
            raw = read(item)
            self.samples[item.index] = raw if raw.dtype == torch.uint8 else to_bytes(raw)
            self.there[item.index] = True  # after the sample: another process may be looking
        return self.samples[item.index]
