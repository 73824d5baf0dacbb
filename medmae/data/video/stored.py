"""Frames as they are stored: those that a clip needs, and when they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medmae.data.video.clip_crops import Box
from medmae.data.video.sampling import Timeline
from medmae.data.video.times import seconds_of

Row = Mapping[str, Any]


def timeline_of(row: Row) -> Timeline:
    """Count and times of the frames of a row."""
    return Timeline(row["count"], seconds_of(row))


def read_frames(shard: np.ndarray, frames: np.ndarray, *, first: int = 0, box: Box | None = None) -> np.ndarray:
    """Some frames of a shard ``(T, H, W, C)``, uint8; only the box of each is touched.

    Args:
        shard: Memory map.
        frames: Which ``(n,)``, counted from ``first``; each is read once, however often it is wanted.
        first: Where the video starts in the shard.
        box: Top, left, height and width; None is all.

    Returns:
        ``(n, h, w, C)``.
    """
    top, left, height, width = (0, 0, *shard.shape[1:3]) if box is None else box
    wanted, place = np.unique(frames, return_inverse=True)
    out = np.empty((len(wanted), height, width, shard.shape[3]), dtype=np.uint8)
    for target, frame in zip(out, wanted.tolist(), strict=True):
        target[:] = shard[first + frame, top : top + height, left : left + width]
    return out if len(wanted) == len(frames) else out[place]


def resized(clip: np.ndarray, *, size: tuple[int, int]) -> Tensor:
    """A clip ``(T, H, W, C)`` uint8 as ``(C, T, *size)`` uint8: bilinear, antialiased where it shrinks."""
    H, W = clip.shape[1:3]
    frames = torch.from_numpy(np.ascontiguousarray(clip)).permute(0, 3, 1, 2)  # (T, C, H, W), channels innermost
    if size == (H, W):
        return frames.permute(1, 0, 2, 3).contiguous()
    smooth = size[0] < H or size[1] < W
    found = F.interpolate(frames, size=size, mode="bilinear", align_corners=False, antialias=smooth)
    return found.permute(1, 0, 2, 3).contiguous()
