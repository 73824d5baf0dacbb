"""Clips of prepared videos: the view for pre-training, fine-tuning and the multi-view test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from medmae.data.manifest import Manifest, Row
from medmae.data.shards import Shards
from medmae.data.video.crops import CentreSquare, ClipCrop
from medmae.data.video.sampling import DenseFrames, Sampling
from medmae.data.video.stored import read_frames, resized, timeline_of
from medmae.data.video.times import seconds_of
from medmae.errors import DataError, check_choice

_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as Pillow has it
UNLABELLED = -1


@dataclass(frozen=True, kw_only=True)
class Clips:
    """Clips ``{"image": (C, T, H, W)}``, float32 in [0, 1] or uint8.

    What a clip draws is a function of (seed, epoch, index) alone, so that a resumed run reads the same clips.

    Args:
        sampling: Which frames.
        crop: Which part of them.
        size: Height and width that the part is resized to; one integer is a square.
        channels: C: grey is repeated, colour becomes grey.
        clips_per_video: Clips drawn of each video in an epoch (repeated sampling).
        test_views: Clips and crops of a test instead, the same in every epoch: ``(5, 3)`` gives 15 samples a video.
        seed: Of the draws.
        dtype: ``float32`` or ``uint8``, a quarter of the memory.

    Raises:
        ValueError: If a number is not positive or ``dtype`` is another word.
    """

    sampling: Sampling = field(default_factory=DenseFrames)
    crop: ClipCrop = field(default_factory=CentreSquare)
    size: int | Sequence[int] = 224
    channels: Literal[1, 3] = 3
    clips_per_video: int = 1
    test_views: Sequence[int] | None = None
    seed: int = 0
    dtype: Literal["float32", "uint8"] = "float32"

    def __post_init__(self) -> None:
        check_choice(self.dtype, ("float32", "uint8"), name="dtype")
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {self.channels}")
        if min(*self.shape, self.clips_per_video, *(self.test_views or (1, 1))) < 1:
            raise ValueError(
                "size, clips_per_video and test_views must be positive, got "
                f"{self.size}, {self.clips_per_video}, {self.test_views}"
            )
        if self.test_views is not None:
            self.crop.views(1, 1, self.test_views[1])  # refuses what it cannot do before anything is read

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return (self.size, self.size) if isinstance(self.size, int) else (self.size[0], self.size[1])

    @property
    def per_video(self) -> int:
        """Samples of each video."""
        return self.clips_per_video if self.test_views is None else self.test_views[0] * self.test_views[1]

    def clip(self, row: Row, shard: np.ndarray, *, number: int, index: int, epoch: int) -> Tensor:
        """One clip ``(C, T, H, W)``.

        Args:
            row: Of the manifest.
            shard: Its frames.
            number: Which of the video's samples.
            index: Of the sample in the data set.
            epoch: Of the draw.

        Raises:
            DataError: If the shard is not what the row says.
        """
        if shard.ndim != 4 or shard.shape[1:] != (*row["size"], row["channels"]) or _end(row) > len(shard):
            raise DataError(
                "the shard has other frames than its row says",
                path=row["shard"],
                field="shape",
                value=shard.shape,
                remedy="prepare the data again",
            )
        frames, box = self._chosen(row, number=number, index=index, epoch=epoch)
        clip = read_frames(shard, frames, first=row["first"], box=box)  # (T, h, w, C)
        image = _with_channels(resized(clip, size=self.shape), self.channels)  # (C, T, H, W)
        return image.float().div_(255) if self.dtype == "float32" else image

    def _chosen(self, row: Row, *, number: int, index: int, epoch: int) -> tuple[np.ndarray, tuple[int, int, int, int]]:
        video, (H, W) = timeline_of(row), row["size"]
        if self.test_views is not None:
            clips, crops = self.test_views
            return self.sampling.views(video, clips)[number // crops], self.crop.views(H, W, crops)[number % crops]
        rng = np.random.default_rng((self.seed, epoch, index))
        return self.sampling.draw(video, rng), self.crop.draw(H, W, rng)

    def place(self, row: Row, *, number: int, index: int, epoch: int) -> dict[str, str | int]:
        """Which part of its video a clip is: the first frame, the second at which it is shown, and the view."""
        frames, _ = self._chosen(row, number=number, index=index, epoch=epoch)
        first, seconds = int(frames[0]), seconds_of(row)
        told: dict[str, str | int] = {"frame": first}
        told |= {} if seconds is None else {"second": f"{seconds[first]:.2f}"}
        return told | ({} if self.test_views is None else {"view": number})

    def check(self, rows: Sequence[Row], path: Path) -> None:
        """Refuses videos that this sampling cannot sample.

        Raises:
            DataError: With those of which nothing tells the times.
        """
        timeless = [row["case"] for row in rows if row["times"] is None and row["fps"] is None]
        if self.sampling.needs_seconds and timeless:
            raise DataError(
                f"nothing tells when the frames of {len(timeless)} videos are shown: {', '.join(timeless[:10])}",
                path=path,
                field="fps",
                remedy="sample by frames, or state rates in a column fps and prepare them again",
            )


def _end(row: Mapping[str, Any]) -> int:
    return int(row["first"]) + int(row["count"])


def _with_channels(clip: Tensor, channels: int) -> Tensor:
    """``(C, T, H, W)`` uint8 with so many channels."""
    if len(clip) == channels:
        return clip
    if len(clip) == 1:
        return clip.expand(channels, -1, -1, -1).contiguous()
    grey = torch.tensordot(torch.tensor(_LUMA), clip.float(), dims=1)  # (T, H, W)
    return grey.round_().to(torch.uint8)[None]


class ClipDataset(Dataset[dict[str, Tensor | int]]):
    """One item a clip: ``{"image": (C, T, H, W), "label": int64 scalar, "index": i}``.

    The label is the place of the video's class in :attr:`classes`, -1 where it has none.

    Args:
        manifest: ``manifest.jsonl`` of :mod:`data_prep.video`, its folder, or a :class:`Manifest`.
        clips: Which clips, and how they are read.
        split: ``train``, ``val`` or ``test``; None takes all.
        classes: Names to keep, in the order of their numbers; None takes all of the manifest, sorted.
        may_be_empty: True for splits that a small source cannot fill.

    Raises:
        DataError: If nothing is left (unless ``may_be_empty``), or the manifest holds other things than videos.
    """

    def __init__(
        self,
        *,
        manifest: str | Path | Manifest,
        clips: Clips | None = None,
        split: str | None = "train",
        classes: Sequence[str] | None = None,
        may_be_empty: bool = False,
    ) -> None:
        self.manifest, self.clips, self.split = Manifest.of(manifest), clips or Clips(), split
        other = {row.get("kind") for row in self.manifest} - {"video"}
        if other:
            raise DataError(
                "this data set holds other things than videos",
                path=self.manifest.path,
                field="kind",
                value=sorted(map(str, other)),
                remedy="prepare the data with `medmae prep video`",
            )
        known = sorted({row["label"] for row in self.manifest if row["label"] is not None})
        self.classes = tuple(known if classes is None else classes)
        rows = self.manifest.select(split=split)
        self.rows = tuple(row for row in rows if classes is None or row["label"] in self.classes)
        number = {name: place for place, name in enumerate(self.classes)}
        of = [number.get(row["label"], UNLABELLED) for row in self.rows]
        self.labels = np.repeat(np.array(of, dtype=np.int64), self.clips.per_video)  # (N,)
        self.clips.check(self.rows, self.manifest.path)
        self._shards = Shards(self.manifest)  # type: ignore[arg-type, unused-ignore]
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # seen by workers that live on
        if not self.rows and not may_be_empty:
            raise DataError(
                "no video is left to read",
                path=self.manifest.path,
                field="split, classes",
                value=(split, list(self.classes)),
                remedy="prepare more videos, or choose another split or other classes",
            )

    @property
    def subjects(self) -> np.ndarray:
        """Whose each clip is ``(N,)``."""
        return np.repeat(np.array([row["subject"] for row in self.rows], dtype=np.str_), self.clips.per_video)

    def set_epoch(self, epoch: int) -> None:
        """Moves all clips on; every epoch has its own."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.rows) * self.clips.per_video

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        index = range(len(self))[index]
        row, number = self._where(index)
        image = self.clips.clip(row, self._shards[row["shard"]], number=number, index=index, epoch=int(self._epoch))
        return {"image": image, "label": torch.tensor(int(self.labels[index])), "index": index}

    def describe(self, index: int) -> dict[str, str | int]:
        """Case, subject, class, and which part of the video, for tables and pictures."""
        index = range(len(self))[index]
        row, number = self._where(index)
        place = self.clips.place(row, number=number, index=index, epoch=int(self._epoch))
        label = {} if row["label"] is None else {"label": row["label"]}
        return {"case": row["case"], "subject": row["subject"], **label, **place}

    def _where(self, index: int) -> tuple[Row, int]:
        return self.rows[index // self.clips.per_video], index % self.clips.per_video
