"""A convolutional U-Net that sees the picture at full resolution, and the tokens of an encoder at its coarsest (ours).

What a token holds is a patch; what a patch looks like inside, a generator of tokens alone has to learn anew for every
pixel. Here convolutions carry it across, as in O. Ronneberger et al., "U-Net", MICCAI 2015, arXiv 1505.04597, and the
transformer speaks where it is strong, as in J. Chen et al., "TransUNet", 2021, arXiv 2102.04306.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LAYERS: dict[int, tuple[type[nn.Conv2d | nn.Conv3d], type[nn.Module], type[nn.Module], str]] = {
    2: (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, "bilinear"),
    3: (nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d, "trilinear"),
}


class ConvUNet(nn.Module):
    """Picture and tokens in, a picture with values in (0, 1) out; two or three axes.

    Each stage is two 3 x 3 convolutions with batch norm; a maximum halves, linear interpolation doubles (transposed
    convolutions print a checkerboard in short trainings). Tokens are laid on their grid, projected, interpolated to the
    coarsest stage and added to it, whatever the extent of a patch is. A picture may have any extents: to those that can
    be halved often enough it is padded with zeros behind, which the result is cut from again.

    Args:
        grid: Tokens along each axis, as they come from the encoder.
        in_channels: Channels of the picture that is given.
        out_channels: Channels of the one that is made.
        embed_dim: D, width of the tokens.
        channels: Width of each stage, the full resolution first.
        background: First of the channels of the picture given, and the one behind the last of them, whose zeros are
            background: where all of these are 0, so is the picture that is made. None lets it be anything there.

    Raises:
        ValueError: If there are fewer than two stages, or not two or three axes.
    """

    def __init__(
        self,
        *,
        grid: Sequence[int],
        in_channels: int = 1,
        out_channels: int = 1,
        embed_dim: int = 128,
        channels: Sequence[int] = (16, 32, 64, 128),
        background: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        _check(len(grid), stages=len(channels))
        self.first, self.last = background or (0, 0)
        self.coarsest: int = 2 ** (len(channels) - 1)  # pixels along each axis behind one of the coarsest stage
        self.grid, self.in_channels, self.out_channels = list(grid), in_channels, out_channels
        ndim = len(self.grid)
        conv, _, pool, self.interpolation = _LAYERS[ndim]
        self.down = nn.ModuleList(
            convolutions(before, after, ndim=ndim)
            for before, after in zip((in_channels, *channels), channels, strict=False)
        )
        self.halve = pool(2)
        self.tokens = conv(embed_dim, channels[-1], 1)
        self.up = nn.ModuleList(
            convolutions(coarse + fine, fine, ndim=ndim)
            for coarse, fine in zip(channels[:0:-1], channels[-2::-1], strict=True)
        )
        self.head = conv(channels[0], out_channels, 1)

    def forward(self, tokens: Tensor, image: Tensor) -> Tensor:
        """``(B, N, D)`` and ``(B, C_in, *size)`` -> ``(B, C_out, *size)`` in (0, 1)."""
        size, given = image.shape[2:], image
        image = self._padded(image)
        if image.ndim == 4:
            image = image.contiguous(memory_format=torch.channels_last)  # a fifth faster on CPUs
        found: list[Tensor] = []  # (B, C_s, *size / 2^s) of each stage
        for index, stage in enumerate(self.down):
            image = stage(self.halve(image) if index else image)
            found.append(image)
        image = image + self._resized(self.tokens(tokens.transpose(1, 2).unflatten(2, self.grid)), like=image)
        for index, stage in enumerate(self.up):  # the coarsest first
            fine = found[-2 - index]
            image = stage(torch.cat([fine, self._resized(image, like=fine)], dim=1))
        picture = self.head(image).float().sigmoid()  # of a logit in bfloat16, too, a fine picture
        for axis, extent in enumerate(size):
            picture = picture.narrow(axis + 2, 0, extent)
        if self.first == self.last:
            return picture
        return picture * given[:, self.first : self.last].ne(0).any(dim=1, keepdim=True)

    def _padded(self, image: Tensor) -> Tensor:
        """``(B, C, ...)`` with zeros behind, such that every extent is a multiple of ``coarsest``."""
        pads: list[int] = []
        for axis in range(image.ndim - 1, 1, -1):  # the last axis first, as torch wants them
            pads += [0, (self.coarsest - image.shape[axis] % self.coarsest) % self.coarsest]
        return F.pad(image, pads) if max(pads) > 0 else image

    def _resized(self, features: Tensor, like: Tensor) -> Tensor:
        """``(B, C, ...)`` on the grid of ``like``."""
        return F.interpolate(features, size=like.shape[2:], mode=self.interpolation, align_corners=False)


def convolutions(before: int, after: int, *, ndim: int) -> nn.Sequential:
    """Two convolutions of 3 along each axis, each with batch norm and a leaky rectifier."""
    conv, norm, _, _ = _LAYERS[ndim]
    layers: list[nn.Module] = []
    for width in (before, after):
        layers += [conv(width, after, 3, padding=1, bias=False), norm(after), nn.LeakyReLU(0.1, inplace=True)]
    return nn.Sequential(*layers)


def _check(ndim: int, *, stages: int) -> None:
    if stages < 2:
        raise ValueError(f"a U-Net needs channels of at least two stages, got {stages}")
    if ndim not in _LAYERS:
        raise ValueError(f"convolutions are of two or three axes, got {ndim}")
