"""STTFormer: attention between joints of a few frames, shared by all times, then convolutions over time.

Qiu, Hou, Ren, Gong, "Spatio-Temporal Tuples Transformer for Skeleton-Based Action Recognition", arXiv 2201.02849.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.kinds import Kind, ScaleLike
from medmae.masking.base import Mask
from medmae.nn.positions import FlatSinusoid
from medmae.nn.skeletons import SKELETON
from medmae.nn.whole import WholeEncoder
from medmae.tokens.patches import Patches

Widths = Sequence[tuple[int, int, int]]  # of each block: channels in, channels out, channels of a query
ENCODER: Widths = (
    *((64, 64, 16), (64, 64, 16), (64, 128, 32), (128, 128, 32)),
    *((128, 256, 64), (256, 256, 64), (256, 256, 64), (256, 256, 64)),
)
DECODER: Widths = ((256, 128, 64), (128, 64, 32), (64, 64, 16))
_SLOPE = 0.1


class STTBlock(nn.Module):
    """``(B, C, S, U)``, U joints of a tuple of frames at S times -> ``(B, C', S, U)``.

    Who reads whom is one map for all times, without a softmax: what joints say of each other, and what was learned.

    Args:
        widths: C, C', and channels of a query.
        num_joints: U.
        num_heads: Maps.
        kernels: Times, and joints, of the convolutions.
    """

    places: Tensor

    def __init__(
        self, widths: tuple[int, int, int], *, num_joints: int, num_heads: int = 3, kernels: tuple[int, int] = (3, 5)
    ) -> None:
        super().__init__()
        channels, out, query = widths
        self.num_heads, self.query = num_heads, query
        table = FlatSinusoid().table(grid=(num_joints,), dim=channels)  # (1, U, C)
        self.register_buffer("places", table.transpose(1, 2).unsqueeze(2), persistent=False)  # (1, C, 1, U)
        self.to_qkvs = nn.Conv2d(channels, 2 * num_heads * query, 1)
        self.alphas = nn.Parameter(torch.ones(1, num_heads, 1, 1))
        self.att0s = nn.Parameter(torch.ones(1, num_heads, num_joints, num_joints) / num_joints)
        times, joints = kernels
        self.out_nets = _normed(channels * num_heads, out, (1, joints))
        self.ff_net = _normed(out, out, (1, 1))
        self.out_nett = _normed(out, out, (times, 1))
        same = channels == out
        self.ress: nn.Module = nn.Identity() if same else _normed(channels, out, (1, 1))
        self.rest: nn.Module = nn.Identity() if same else _normed(out, out, (1, 1))

    def forward(self, data: Tensor) -> Tensor:
        """See the class."""
        asked = self.to_qkvs(data + self.places).unflatten(1, (2, self.num_heads, self.query))
        query, key = asked.unbind(1)  # (B, H, q, S, U)
        said = torch.einsum("bhcsu,bhcsv->bhuv", query, key) / (self.query * data.shape[2])
        maps = said.tanh() * self.alphas + self.att0s  # (B, H, U, U)
        read = torch.einsum("bcsu,bhuv->bhcsv", data, maps).flatten(1, 2)  # (B, H C, S, U)
        beside = self.ress(data)
        found = F.leaky_relu(self.out_nets(read) + beside, _SLOPE)
        found = F.leaky_relu(self.ff_net(found) + beside, _SLOPE)
        return F.leaky_relu(self.out_nett(found) + self.rest(found), _SLOPE)


class STTFormer(WholeEncoder):
    """An encoder of skeletons over time, ``(B, C, T, V)`` -> ``(B, D)``: the mean over times and joints.

    Args:
        frames: T.
        joints: V.
        tuple_frames: Frames of a tuple, which tile T.
        widths: Of the blocks.
        num_heads: Maps of each.
        kernels: See :class:`STTBlock`.
        kind: What it takes.
        scale: See :class:`WholeEncoder`.

    Raises:
        ValueError: If tuples do not tile the frames.
    """

    def __init__(
        self,
        *,
        frames: int = 120,
        joints: int = 25,
        tuple_frames: int = 6,
        widths: Widths = ENCODER,
        num_heads: int = 3,
        kernels: tuple[int, int] = (3, 5),
        kind: Kind = SKELETON,
        scale: ScaleLike | None = None,
    ) -> None:
        widths = [(first, second, third) for first, second, third in widths]
        channels = len(kind.channels)
        super().__init__(kind=kind, dim=widths[-1][1], example=(channels, frames, joints), scale=scale)
        self.patches = Patches.of(size=(frames, joints), patch=(tuple_frames, 1), channels=channels)
        self.tuple_frames, self.first_channels = tuple_frames, widths[0][0]
        self.input_map = nn.Sequential(
            nn.Conv2d(channels, widths[0][0], 1), nn.BatchNorm2d(widths[0][0]), nn.LeakyReLU(_SLOPE)
        )
        self.blocks = nn.ModuleList(
            STTBlock(each, num_joints=tuple_frames * joints, num_heads=num_heads, kernels=kernels) for each in widths
        )
        draw_convolutions(self)

    def patchify(self, data: Tensor) -> Tensor:
        """Tokens ``(B, N, P)`` of ``(B, C, T, V)``, a joint of a tuple each, as the encoder expects them."""
        self.patches.check(data)
        return self.patches.patchify(self.scaling(data))

    def unpatchify(self, rows: Tensor) -> Tensor:
        """The inverse."""
        return self.scaling.invert(self.patches.unpatchify(rows))

    def tupled(self, data: Tensor) -> Tensor:
        """``(B, C, T, V)`` -> ``(B, C, S, U)``: frames of a tuple stand side by side."""
        return data.unflatten(2, (-1, self.tuple_frames)).flatten(3)

    def forward(self, data: Tensor) -> Tensor:
        """See the class; ``data`` scaled."""
        self.patches.check(data)
        return self.encode(self.tupled(data)).mean(dim=(2, 3))

    def encode(self, tuples: Tensor) -> Tensor:
        """``(B, C, S, U)`` of any S -> ``(B, D, S, U)``."""
        hidden = self.input_map(tuples)
        for block in self.blocks:
            hidden = block(hidden)
        return hidden

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`."""
        return [list(part.parameters()) for part in (self.input_map, *self.blocks)]


class MaskedSTT(nn.Module):
    """Encodes what is left of skeletons, and finds what was hidden: whole tuples are left out, joints are replaced.

    The published part is the encoder; how it is masked, and the decoder, are inferred: its map of all joints of a tuple
    and its convolutions over them leave no joint out.

    Args:
        encoder: Left in place.
        widths: Of the decoder's blocks.
        num_heads: Maps of each.
    """

    def __init__(self, encoder: STTFormer, *, widths: Widths = DECODER, num_heads: int = 3) -> None:
        super().__init__()
        self.joint_token = nn.Parameter(torch.zeros(1, encoder.first_channels, 1, 1))
        self.tuple_token = nn.Parameter(torch.zeros(1, encoder.dim, 1, 1))
        for token in (self.joint_token, self.tuple_token):
            nn.init.trunc_normal_(token, std=0.02)
        bridged = [(encoder.dim, *widths[0][1:]), *widths[1:]]
        joints = encoder.patches.size[1] * encoder.tuple_frames
        self.blocks = nn.ModuleList(
            STTBlock((one, two, three), num_joints=joints, num_heads=num_heads) for one, two, three in bridged
        )
        self.head = nn.Conv2d(bridged[-1][1], encoder.patches.channels, 1)
        draw_convolutions(self)

    def forward(self, encoder: STTFormer, data: Tensor, mask: Mask) -> Tensor:
        """Predictions of all tokens ``(B, N, P)``, from scaled ``(B, C, T, V)``; those of visible ones mean nothing.

        Raises:
            ValueError: If samples hide different numbers of whole tuples.
        """
        slots, joints = encoder.patches.grid
        table = mask.as_bool().unflatten(1, (slots, joints))  # (B, S, V)
        gone = table.all(dim=2)  # (B, S)
        if not (gone.sum(dim=1) == gone[0].sum()).all():
            raise ValueError("samples of a batch must hide equally many whole tuples: mask='joints_and_frames' does")
        hidden = table.repeat(1, 1, encoder.tuple_frames).unsqueeze(1)  # (B, 1, S, U)
        tuples = encoder.tupled(data).masked_fill(hidden, 0.0)  # norms of a batch must not see it either
        embedded = torch.where(hidden, self.joint_token, encoder.input_map(tuples))
        order = gone.int().argsort(dim=1, stable=True)  # what is left first
        left = order[:, : slots - int(gone[0].sum())]
        latent = _slots(embedded, left)
        for block in encoder.blocks:
            latent = block(latent)
        whole = self.tuple_token.expand(len(data), -1, slots, latent.shape[3]).clone()
        latent = whole.scatter(2, left[:, None, :, None].expand_as(latent), latent)
        for block in self.blocks:
            latent = block(latent)
        made = self.head(latent).unflatten(3, (encoder.tuple_frames, joints)).flatten(2, 3)  # (B, C, T, V)
        return encoder.patches.patchify(made)


def draw_convolutions(module: nn.Module) -> None:
    """Draws all convolutions as the authors do: Kaiming normal by what they give, biases zero."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def _slots(data: Tensor, which: Tensor) -> Tensor:
    """Times ``(B, K)`` of ``(B, C, S, U)``."""
    return data.gather(2, which[:, None, :, None].expand(-1, data.shape[1], -1, data.shape[3]))


def _normed(channels: int, out: int, kernel: tuple[int, int]) -> nn.Sequential:
    """A convolution that keeps the size, and its norm."""
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Sequential(nn.Conv2d(channels, out, kernel, padding=padding), nn.BatchNorm2d(out))
