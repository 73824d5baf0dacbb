"""A temporal convolutional network (Conv-TasNet's) over spectrograms: one feature a sound.

Luo and Mesgarani, IEEE/ACM TASLP 2019, arXiv 1809.07454; as mpuc-mer builds it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medmae.kinds import Kind, ScaleLike
from medmae.nn.whole import WholeEncoder

SPECTROGRAM = Kind.spectrogram()


class GlobalNorm(nn.Module):
    """Zero mean and unit deviation over all channels and times of a sample; then a scale and a shift a channel.

    Args:
        channels: C.
        eps: Added to the variance.
    """

    def __init__(self, channels: int, *, eps: float = 1e-8) -> None:
        super().__init__()
        self.eps = eps
        self.gamma, self.beta = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, data: Tensor) -> Tensor:
        """``(B, C, T)`` -> the same shape."""
        variance, mean = torch.var_mean(data, dim=(1, 2), keepdim=True, correction=0)
        return self.gamma.unsqueeze(1) * (data - mean) / (variance + self.eps).sqrt() + self.beta.unsqueeze(1)


class DilatedBlock(nn.Module):
    """Adds what a dilated depthwise convolution between two of width 1 finds: ``(B, C, T)`` -> the same shape.

    Args:
        channels: C.
        hidden: Channels between.
        kernel: Odd length of the depthwise one.
        dilation: Steps between its values.
    """

    def __init__(self, channels: int, *, hidden: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.shared_block = nn.Sequential(
            nn.Conv1d(channels, hidden, 1),
            nn.PReLU(),
            GlobalNorm(hidden),
            nn.Conv1d(hidden, hidden, kernel, padding=dilation * (kernel - 1) // 2, dilation=dilation, groups=hidden),
            nn.PReLU(),
            GlobalNorm(hidden),
        )
        self.res_conv = nn.Conv1d(hidden, channels, 1)

    def forward(self, data: Tensor) -> Tensor:
        """See the class."""
        return data + self.res_conv(self.shared_block(data))


class TemporalConvNet(WholeEncoder):
    """``(B, 1, T, F)`` of any T -> ``(B, D)``; frequencies are channels.

    Args:
        bins: F.
        dim: D.
        channels: Between blocks.
        hidden: Within blocks.
        blocks: Blocks of a repeat, dilated by 1, 2, 4, ...
        repeats: How often these follow each other.
        kernel: Odd length of convolutions along time.
        dropout: Share of the feature that is dropped in training.
        kind: What it takes.
        scale: See :class:`WholeEncoder`.
    """

    def __init__(
        self,
        *,
        bins: int = 128,
        dim: int = 512,
        channels: int = 64,
        hidden: int = 128,
        blocks: int = 5,
        repeats: int = 2,
        kernel: int = 3,
        dropout: float = 0.1,
        kind: Kind = SPECTROGRAM,
        scale: ScaleLike | None = None,
    ) -> None:
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, so that time keeps its length, got {kernel}")
        super().__init__(kind=kind, dim=dim, example=(1, 30, bins), scale=scale)
        self.bins = bins
        self.bottleneck = nn.Sequential(GlobalNorm(bins), nn.Conv1d(bins, channels, 1))
        dilations = [2**power for _ in range(repeats) for power in range(blocks)]
        self.blocks = nn.ModuleList(
            DilatedBlock(channels, hidden=hidden, kernel=kernel, dilation=dilation) for dilation in dilations
        )
        self.output = nn.Sequential(nn.PReLU(), nn.Linear(channels, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, data: Tensor) -> Tensor:
        """``(B, 1, T, F)``, scaled -> ``(B, D)``.

        Raises:
            ValueError: If it has another number of bands.
        """
        if data.shape[3] != self.bins:
            raise ValueError(f"the encoder was built for {self.bins} bands of frequency, got {data.shape[3]}")
        hidden = self.bottleneck(data.squeeze(1).transpose(1, 2))  # (B, C, T)
        for block in self.blocks:
            hidden = block(hidden)
        return self.dropout(self.output(hidden.mean(dim=2)))

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`."""
        return [list(part.parameters()) for part in (self.bottleneck, *self.blocks, self.output)]
