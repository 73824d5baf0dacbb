"""Clips of prepared videos: the view for pre-training, fine-tuning and the multi-view test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from torch import Tensor

from medmae.data.augment.clip import ClipAugment
from medmae.data.held import VIDEOS
from medmae.data.images.shapes import with_channels
from medmae.data.labels import Labels, Target
from medmae.data.manifest import Manifest, Row
from medmae.data.source import Source
from medmae.data.video.clip_crops import Box, CentreCrop, ClipCrop
from medmae.data.video.sampling import DenseFrames, Sampling
from medmae.data.video.stored import read_frames, resized, timeline_of
from medmae.data.video.times import seconds_of
from medmae.data.views import About, Item, View
from medmae.errors import DataError, check_choice
from medmae.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class Clips(View[Manifest]):
    """Samples ``{"image": (C, T, H, W)}``, float32 in [0, 1] or uint8, of what ``medmae prep video`` wrote.

    What a clip draws is a function of (seed, epoch, index) alone, so that a resumed run reads the same clips.

    Args:
        sampling: Which frames.
        crop: Which part of them.
        augment: What is changed besides, alike in all frames; never in a test.
        size: Height and width that the part is resized to; one integer is a square. Parts have that shape, so that
            nothing is stretched, but where ``crop`` says otherwise.
        channels: C: grey is repeated, colour becomes grey.
        clips_per_video: Clips drawn of each video in an epoch (repeated sampling).
        test_views: Clips and crops of a test instead, the same in every epoch: ``(5, 3)`` gives 15 samples a video.
        seed: Of the draws.
        dtype: ``float32`` or ``uint8``, a quarter of the memory.
        target: What is to be learnt: the ``label`` of a video, its ``classes`` (several), or its ``value``.

    Raises:
        ValueError: If a number is not positive, or ``dtype`` or ``target`` is another word.
    """

    noun = "clip"

    sampling: Sampling = field(default_factory=DenseFrames)
    crop: ClipCrop = field(default_factory=CentreCrop)
    augment: ClipAugment | None = None
    size: int | Sequence[int] = 224
    channels: Literal[1, 3] = 3
    clips_per_video: int = 1
    test_views: Sequence[int] | None = None
    seed: int = 0
    dtype: Literal["float32", "uint8"] = "float32"
    target: Target = "label"

    def __post_init__(self) -> None:
        check_choice(self.dtype, ("float32", "uint8"), name="dtype")
        check_choice(self.target, get_args(Target), name="target")
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {self.channels}")
        for name, numbers in (("size", self.size), ("test_views", self.test_views)):
            pair = (numbers, numbers) if name == "size" and isinstance(numbers, int) else numbers
            if pair is not None and (isinstance(pair, int) or len(pair) != 2 or min(pair) < 1):
                raise ValueError(f"{name} must be two positive numbers, got {numbers}")
        if self.clips_per_video < 1:
            raise ValueError(f"clips_per_video must be positive, got {self.clips_per_video}")
        if self.test_views is not None:
            self.crop.views(
                1, 1, self.test_views[1], shape=self.shape
            )  # refuses what it cannot do before anything is read

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return (self.size, self.size) if isinstance(self.size, int) else (self.size[0], self.size[1])

    @property
    def repeats(self) -> int:  # type: ignore[override]
        """Clips that are drawn of a video in an epoch."""
        return self.clips_per_video if self.test_views is None else 1

    @property
    def per_video(self) -> int:
        """Samples of each video."""
        return self.clips_per_video if self.test_views is None else self.test_views[0] * self.test_views[1]

    def open(self, source: Source | str | Path) -> Manifest:
        """The manifest.

        Raises:
            DataError: If it holds other things than videos, or some that this sampling cannot sample.
        """
        manifest = Manifest.of(source).require(*VIDEOS)
        timeless = [row["case"] for row in manifest if row["times"] is None and row["fps"] is None]
        if self.sampling.needs_seconds and timeless:
            raise DataError(
                f"nothing tells when the frames of {len(timeless)} videos are shown: {', '.join(timeless[:10])}",
                path=manifest.path,
                field="fps",
                remedy="sample by frames, or state rates in a column fps and prepare them again",
            )
        return manifest

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """``(N, 2)``: row, and which of its clips (or views)."""
        rows, numbers = np.meshgrid(np.array(places, dtype=np.int64), np.arange(self.per_video), indexing="ij")
        return np.stack([rows.ravel(), numbers.ravel()], axis=1)

    def labels(self, source: Manifest, items: np.ndarray) -> Labels | None:
        """Of each video: its class, its classes, or its number; names are alike in every split."""
        return Labels.of_rows([source.rows[place] for place in items[:, 0].tolist()], every=source, target=self.target)

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """One clip."""
        return {"image": Kind.clip(channels=self.channels, peak=1.0 if self.dtype == "float32" else 255.0)}

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """``{"image": (C, T, H, W)}``.

        Raises:
            DataError: If the shard is not what the row says.
        """
        row = source.rows[item.numbers[0]]
        shard = source.shards[row["shard"]]  # (T, H, W, C)
        if shard.ndim != 4 or shard.shape[1:] != (*row["size"], row["channels"]) or _end(row) > len(shard):
            raise DataError(
                "the shard has other frames than its row says",
                path=row["shard"],
                field="shape",
                value=shard.shape,
                remedy="prepare the data again",
            )
        frames, box = self._chosen(row, item)
        clip = read_frames(shard, frames, first=row["first"], box=box)  # (T, h, w, C)
        image = with_channels(resized(clip, size=self.shape), self.channels)  # (C, T, H, W)
        if self.augment is not None and self.test_views is None:
            image = self.augment(image, np.random.default_rng((self.seed, item.epoch, item.index, 1)))
        return {"image": image.float().div_(255) if self.dtype == "float32" else image}

    def describe(self, source: Manifest, item: Item) -> About:
        """Patient, case, class, and which part of the video: first frame, its second, and the view of a test."""
        row = source.rows[item.numbers[0]]
        frames, _ = self._chosen(row, item)
        first, seconds = int(frames[0]), seconds_of(row)
        place: dict[str, str | int] = {"frame": first}
        place |= {} if seconds is None else {"second": f"{seconds[first]:.2f}"}
        place |= {} if self.test_views is None else {"view": item.numbers[1]}
        return About(row["case"], row["subject"], label=row["label"], place=place)

    def _chosen(self, row: Row, item: Item) -> tuple[np.ndarray, Box]:
        video, (H, W) = timeline_of(row), row["size"]
        if self.test_views is not None:
            clip, crop = divmod(item.numbers[1], self.test_views[1])
            boxes = self.crop.views(H, W, self.test_views[1], shape=self.shape)
            return self.sampling.views(video, self.test_views[0])[clip], boxes[crop]
        rng = np.random.default_rng((self.seed, item.epoch, item.index))
        return self.sampling.draw(video, rng), self.crop.draw(H, W, rng, shape=self.shape)


def _end(row: Mapping[str, Any]) -> int:
    return int(row["first"]) + int(row["count"])
