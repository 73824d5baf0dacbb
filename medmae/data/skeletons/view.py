"""Samples of prepared skeletons: the view for pre-training, fine-tuning and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from medmae.axes import Axis
from medmae.data.augment.skeleton import SkeletonAugment
from medmae.data.held import SKELETONS
from medmae.data.labels import Labels
from medmae.data.manifest import Manifest, Row
from medmae.data.skeletons.cut import SkeletonCut
from medmae.data.skeletons.layouts import LAYOUTS, Layout
from medmae.data.skeletons.stored import common_layout, layout_of_row, read_body
from medmae.data.skeletons.streams import STREAMS, Stream, stream_of
from medmae.data.source import Source
from medmae.data.views import About, Item, View
from medmae.errors import DataError, check_choice
from medmae.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class Skeletons(View[Manifest]):
    """Samples ``{"skeleton": (C, T, V)}`` of what ``medmae prep skeleton`` wrote, a sample a body.

    Where a joint of the manifest was not seen, or a recording is shorter than the cut, there is also
    ``"real": bool (1, T, V)``, False there. What a sample draws is a function of (seed, epoch, index) alone.

    Args:
        cut: Which part of a recording, and in how many frames.
        augment: What is changed besides in training; never in a test.
        stream: ``joint``; ``bone``, each joint from the one it hangs on; ``motion``, its change to the next frame.
        layout: Name of a known layout that all are brought into, by the names of joints; None takes their own.
        bodies: None makes a sample of each body. A number puts so many side by side along the joints, ``(C, T, M V)``,
            zeros where there is none.
        test: Whether samples are those of a test: the middle of each recording, nothing drawn.
        repeats_each: Parts drawn of each recording in an epoch.
        seed: Of the draws.
        target: What is to be learnt: the ``label`` of a recording, or its ``value``.

    Raises:
        ValueError: If a number is not positive, or a word is another one.
    """

    noun = "skeleton"

    cut: SkeletonCut = field(default_factory=SkeletonCut)
    augment: SkeletonAugment | None = None
    stream: Stream = "joint"
    layout: str | None = None
    bodies: int | None = None
    test: bool = False
    repeats_each: int = 1
    seed: int = 0
    target: Literal["label", "value"] = "label"

    def __post_init__(self) -> None:
        check_choice(self.stream, STREAMS, name="stream")
        check_choice(self.target, ("label", "value"), name="target")
        if self.repeats_each < 1 or (self.bodies is not None and self.bodies < 1):
            raise ValueError(f"bodies and repeats_each must be positive, got {self.bodies} and {self.repeats_each}")

    @property
    def repeats(self) -> int:  # type: ignore[override]
        """Parts that are drawn of a recording in an epoch."""
        return 1 if self.test else self.repeats_each

    def open(self, source: Source | str | Path) -> Manifest:
        """The manifest.

        Raises:
            DataError: If it holds other things, other joints, coordinates or units, or lacks rates that the cut needs.
        """
        manifest = Manifest.of(source).require(*SKELETONS)
        layout = common_layout(manifest.rows, self.layout, path=manifest.path)
        for name in ("unit", "coordinates"):
            found = sorted({str(row[name]) for row in manifest})
            if len(found) > 1:
                raise DataError(
                    f"recordings differ in their {name}",
                    path=manifest.path,
                    field=name,
                    value=found,
                    remedy="prepare them apart, or with --unit",
                )
        if self.stream == "bone" and not layout.bones:
            raise DataError(
                "these joints have no bones", path=manifest.path, field="bones", value=0, remedy="prepare with --bones"
            )
        if self.augment is not None:
            self.augment.check(layout)
        self.cut.check(manifest.rows, path=manifest.path)
        return manifest

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """``(N, 4)``: row, body (-1 is all), which of its parts, and whether any sample of all is not wholly real."""
        partial = any(row["unseen"] or not self.cut.whole_of(row) for row in source)
        rows = [
            (place, body, number, int(partial))
            for place in places
            for body in (range(source.rows[place]["bodies"]) if self.bodies is None else (-1,))
            for number in range(self.repeats)
        ]
        return np.array(rows, dtype=np.int64).reshape(-1, 4)

    def labels(self, source: Manifest, items: np.ndarray) -> Labels | None:
        """The class of each recording, numbered alike in every split; or its number."""
        rows = [source.rows[place] for place in items[:, 0].tolist()]
        return Labels.of_rows(rows, every=source, target=self.target)

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """Places of joints over time; their graph goes with it."""
        row, layout = source.rows[0], self._layout(source)
        time = Axis("time") if self.cut.rate is None else Axis("time", unit="s", step=1 / self.cut.rate)
        unit = row["unit"] if self.cut.size == "kept" else "bones"
        number = self.bodies or 1
        firsts = [body * len(layout.joints) for body in range(number)]
        bones = layout.bones if self.stream == "joint" else ()  # of what is no place nothing is drawn
        links = tuple((child + first, parent + first) for first in firsts for child, parent in bones)
        joints = Axis("joint", links=links)
        kind = Kind("skeleton", (time, joints), tuple(row["coordinates"]), peak=None, unit=unit)
        return {"skeleton": kind}

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """``{"skeleton": (C, T, V)}``, and ``"real"`` where some sample needs it.

        Raises:
            DataError: If the shard is not what the row says.
        """
        row, layout = source.rows[item.numbers[0]], self._layout(source)
        rng, body = self._rng(item), item.numbers[1]
        chosen = range(min(row["bodies"], self.bodies or 1)) if body < 0 else (body,)
        part = self.cut.part(row, rng)
        read = [self._body(source, row, layout, one, part) for one in chosen]
        data, real = (torch.stack(parts, dim=2) for parts in zip(*read, strict=True))  # (C, T, M, V), (1, T, M, V)
        if self.augment is not None and rng is not None:
            data = self.augment(data, layout, rng)
        data = stream_of(data, self.stream, layout)
        if self.bodies is not None:
            data = data * real.any(dim=3, keepdim=True).any(dim=1, keepdim=True)  # who is not there is zeros
            data, real = (_filled_up(values, self.bodies) for values in (data, real))
        data, real = data.flatten(2), real.flatten(2)  # (C, T, M V), (1, T, M V)
        return {"skeleton": data, "real": real} if item.numbers[3] else {"skeleton": data}

    def describe(self, source: Manifest, item: Item) -> About:
        """Patient, case, class, and which body and part."""
        row = source.rows[item.numbers[0]]
        place: dict[str, str | int] = {"frame": self.cut.part(row, self._rng(item))[0]}
        place |= {"body": item.numbers[1]} if row["bodies"] > 1 and item.numbers[1] >= 0 else {}
        return About(row["case"], row["subject"], label=row.get("label"), place=place)

    def joint_names(self, source: Manifest) -> tuple[str, ...]:
        """Of the last axis, in order."""
        return self._layout(source).joints * (self.bodies or 1)

    def _rng(self, item: Item) -> np.random.Generator | None:
        return None if self.test else np.random.default_rng((self.seed, item.epoch, item.index))

    def _layout(self, source: Manifest) -> Layout:
        return layout_of_row(source.rows[0]) if self.layout is None else LAYOUTS[self.layout]

    def _body(
        self, source: Manifest, row: Row, layout: Layout, body: int, part: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        positions, sure = read_body(source.shards[row["shard"]], row, body)
        order = layout.order_of(row["joints"])
        return self.cut.read(positions[:, order], sure[:, order], part, row=row, layout=layout)


def _filled_up(values: Tensor, bodies: int) -> Tensor:
    """``(..., m, V)`` -> ``(..., bodies, V)``."""
    return torch.nn.functional.pad(values, (0, 0, 0, bodies - values.shape[2]))
