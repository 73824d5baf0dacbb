"""Patch kernels for other channels, other patches, and volumes: each by a rule that says what it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

ChannelRule = Literal["channels", "channels_sum", "channels_mean", "channels_repeat"]
InflationRule = Literal["inflate", "inflate_centre"]


def adapt_channels(kernel: Tensor, *, channels: int, rule: ChannelRule = "channels") -> Tensor:
    """A patch kernel ``(D, C, *patch)`` for another number of channels.

    - ``channels``: every channel gets the mean kernel, times C over the new number. So a picture whose channels are all
      equal gives the same tokens as before: of three channels' kernels one becomes the sum, and one is shared out
      among three.
    - ``channels_sum``: one channel gets the sum, which is the same; refused for more than one.
    - ``channels_mean``: every channel gets the mean kernel as it is: each weighs as much as one did on average.
    - ``channels_repeat``: theirs in turn, times C over the new number, as timm's ``in_chans`` has it. Keeps the
      tokens of a picture whose channels are all equal where the new number is a multiple of C.

    Raises:
        ValueError: If a sum is asked for where there is more than one channel.
    """
    count = kernel.shape[1]
    if rule == "channels_sum" and channels != 1:
        raise ValueError(f"channels_sum makes one channel, and there are {channels}: name channels, or another rule")
    if rule == "channels_repeat":
        return kernel[:, torch.arange(channels) % count] * (count / channels)
    mean = kernel.mean(dim=1, keepdim=True)
    if rule != "channels_mean":
        mean = mean * (count / channels)
    return mean.repeat(1, channels, *(1,) * (kernel.ndim - 2))


def adapt_patches(kernel: Tensor, *, patch: Sequence[int]) -> Tensor:
    """A patch kernel ``(D, C, *patch)`` for patches of another size, by pseudo-inverse resizing.

    FlexiViT (Beyer et al., arXiv 2212.08013, section 3.4). A patch magnified by linear interpolation gives the same
    token as before; for smaller patches the result is the nearest one in the sense of least squares.
    """
    result = kernel.double()
    for axis, size in enumerate(patch, start=2):
        basis = torch.eye(kernel.shape[axis], dtype=torch.float64)[None]
        resize = F.interpolate(basis, size=size, mode="linear", align_corners=False)[0]  # (old, new), transposed B
        moved = torch.linalg.pinv(resize) @ result.movedim(axis, -1).unsqueeze(-1)  # (..., new, 1)
        result = moved.squeeze(-1).movedim(-1, axis)
    return result.to(kernel.dtype)


def inflate(kernel: Tensor, *, depth: int, rule: InflationRule = "inflate") -> Tensor:
    """A kernel of pictures ``(D, C, h, w)`` for volumes, ``(D, C, depth, h, w)``: the new axis is the first.

    - ``inflate``: the kernel over ``depth``, at every depth (I3D, Carreira and Zisserman, CVPR 2017, arXiv
      1705.07750): a volume that does not change along the new axis gives the tokens of its slices.
    - ``inflate_centre``: the kernel in the middle, zeros around it: a patch gives the token of its middle slice (for
      an even ``depth`` the one after the middle).
    """
    if rule == "inflate":
        return kernel.unsqueeze(2).repeat(1, 1, depth, 1, 1) / depth
    inflated = kernel.new_zeros(*kernel.shape[:2], depth, *kernel.shape[2:])
    inflated[:, :, depth // 2] = kernel
    return inflated
