"""An encoder of pictures over the frames of a clip, one by one, with fewer tokens from block to block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.errors import check_choice
from medmae.kinds import Kind
from medmae.masking.base import Mask
from medmae.nn.config import Configured
from medmae.nn.encoder import Data, Pool, check_block, check_pool, data_of
from medmae.nn.fresh import fresh_copy
from medmae.nn.thinning import Thinning, kept_count
from medmae.nn.vit import MaskedViT
from medmae.tokens.patches import Patches

OtherFrames = Literal["interpolate", "zeros"]


@dataclass(frozen=True)
class EncodedFrames:
    """What is left of the frames of clips.

    Attributes:
        tokens: ``(B, F, 1 + n, D)``, class tokens first; they know nothing of when their frame was.
        places: ``(B, F, n)``, which of a frame's visible tokens each is, in their order in the mask; V, their number,
            for what was fused of several.
        stages: As ``places``, after each block that dropped some, by its number.
        before: All visible tokens before the first of these, without the last norm, ``(B * F, 1 + V, D)``.
    """

    tokens: Tensor
    places: Tensor
    stages: Mapping[int, Tensor]
    before: Tensor

    def put_back(self, num_visible: int) -> tuple[Tensor, Tensor]:
        """Tokens where they were before some were dropped.

        Returns:
            ``(B * F, 1 + V, D)``, zeros where one was dropped, and ``(B * F, V)`` bool, whether it is there.
        """
        tokens, places = self.tokens.flatten(0, 1), self.places.flatten(0, 1)
        rows = tokens.new_zeros(len(tokens), num_visible + 1, tokens.shape[2])
        rows = rows.scatter(1, places.unsqueeze(2).expand(-1, -1, tokens.shape[2]), tokens[:, 1:])
        there = torch.zeros(rows.shape[:2], dtype=torch.bool, device=tokens.device).scatter(1, places, True)
        return torch.cat([tokens[:, :1], rows[:, :-1]], dim=1), there[:, :-1]


class FrameEncoder(Configured, nn.Module):
    """A ViT over each frame; what it drops on the way is chosen by its class token (EViT).

    When a frame was is added to its encoded tokens, as a learned row that begins at zero (Singularity).

    Args:
        picture: Encodes one frame: two axes, a class token first.
        num_frames: F, of clips that it is trained on.
        keep_rate: Share of a frame's tokens that each of ``thinned`` keeps, in (0, 1]; 1 is the dense encoder.
        thinned: Which blocks drop tokens, counted from 1.
        fuse: What is dropped leaves one token, their sum; False: nothing.
        weigh: That token is a weighted mean instead.
        other_frames: Times of clips of another number of frames: ``interpolate`` the learned ones, or ``zeros`` behind
            them.

    Raises:
        ValueError: If the ViT is none of pictures with a class token first, a block does not exist, or a rate or choice
            is none.
    """

    def __init__(
        self,
        *,
        picture: MaskedViT,
        num_frames: int = 4,
        keep_rate: float = 0.7,
        thinned: Sequence[int] = (4, 7, 10),
        fuse: bool = True,
        weigh: bool = False,
        other_frames: OtherFrames = "interpolate",
    ) -> None:
        super().__init__()
        check_choice(other_frames, get_args(OtherFrames), name="other_frames")
        if picture.class_token_place != "first" or picture.patches.ndim != 2:
            raise ValueError("frames are read as pictures, with a class token first: it says what may be dropped")
        if not 0 < keep_rate <= 1:
            raise ValueError(f"keep_rate is a share above 0, up to 1, got {keep_rate}")
        for block in thinned:
            check_block(block, depth=len(picture.blocks))
        one = picture.patches
        self.picture, self.num_frames, self.dim = picture, num_frames, picture.dim
        self.patches = Patches((num_frames, *one.size), (1, *one.patch), one.channels)
        self.kind = Kind.clip(channels=one.channels)
        self.keep_rate, self.thinned, self.fuse, self.weigh = keep_rate, tuple(thinned), fuse, weigh
        self.other_frames = other_frames
        self.time = nn.Parameter(torch.zeros(1, num_frames, 1, self.dim))

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See :attr:`medmae.nn.encoder.Encoder.kinds`."""
        return {self.kind.name: self.kind.scaled(self.picture.scaling.scale)}

    def patchify(self, clip: Tensor) -> Tensor:
        """Patches ``(B, F * N, P)`` of ``(B, C, F, H, W)``, one frame after the other, scaled as expected.

        Raises:
            ValueError: If it is no clip, or its frames have another size or channel count than declared.
        """
        if clip.ndim != 5:
            raise ValueError(f"expected clips (B, C, time, row, column), got {tuple(clip.shape)}")
        rows = self.picture.patchify(clip.transpose(1, 2).flatten(0, 1))  # (B * F, N, P)
        return rows.unflatten(0, (len(clip), -1)).flatten(1, 2)

    def unpatchify(self, rows: Tensor) -> Tensor:
        """The inverse: ``(B, C, F, H, W)`` in its own units."""
        frames = self.picture.unpatchify(rows.reshape(-1, self.picture.num_tokens, rows.shape[2]))
        return frames.unflatten(0, (len(rows), -1)).transpose(1, 2)

    def forward(
        self, rows: Tensor, mask: Mask | None = None, *, keep_rate: float | None = None, num_blocks: int | None = None
    ) -> EncodedFrames:
        """Encodes patches.

        Args:
            rows: Of :meth:`patchify`, ``(B, F * N, P)``.
            mask: Of single frames, ``(B * F, N)``; None encodes all.
            keep_rate: In place of the encoder's own.
            num_blocks: Stops after so many, without the last norm.
        """
        rate, batch = self.keep_rate if keep_rate is None else keep_rate, len(rows)
        frames = rows.reshape(-1, self.picture.num_tokens, rows.shape[2])  # (B * F, N, P)
        tokens = self.picture.embed(frames, None if mask is None else mask.visible)  # (B * F, 1 + V, D)
        nowhere = tokens.shape[1] - 1
        stages: dict[int, Tensor] = {}
        places, before = torch.arange(nowhere, device=tokens.device).expand(len(tokens), -1), tokens
        for number, block in enumerate(self.picture.blocks[:num_blocks], start=1):
            keep = kept_count(num_tokens=places.shape[1], rate=rate) if number in self.thinned else places.shape[1]
            if keep == places.shape[1]:
                tokens = block(tokens)
                before = before if stages else tokens
                continue
            thin = Thinning(places, keep=keep, nowhere=nowhere, fuse=self.fuse, weigh=self.weigh)
            tokens = block(tokens, between=thin)
            places = stages[number] = thin.left
        tokens = self.picture.norm(tokens) if num_blocks is None else tokens
        stages = {number: left.unflatten(0, (batch, -1)) for number, left in stages.items()}
        return EncodedFrames(tokens.unflatten(0, (batch, -1)), places.unflatten(0, (batch, -1)), stages, before)

    def timed(self, tokens: Tensor) -> Tensor:
        """Tokens ``(B, F, n, D)`` with when their frames were."""
        return tokens + times_of(self.time, tokens.shape[1], self.other_frames)

    def features(self, batch: Data, *, pool: Pool = "mean", block: int | None = None) -> Tensor:
        """See :meth:`medmae.nn.encoder.Encoder.features`: means over frames of class tokens, or of what is left."""
        check_pool(pool, has_class_token=True)
        check_block(block, depth=len(self.picture.blocks))
        tokens = self.timed(self(self.patchify(data_of(batch, self)), num_blocks=block).tokens)  # (B, F, 1 + n, D)
        first, last = {"class_token": (0, 1), "mean": (1, None), "all": (0, None)}[pool]
        found = tokens[:, :, first:last].mean(dim=(1, 2))
        return found if block is None else F.layer_norm(found, (self.dim,), eps=self.picture.norm_eps)

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`."""
        return self.picture.layers()

    def draw_tables(self) -> list[nn.Parameter]:
        """Draws tables anew, of the picture's encoder and of times, and gives them."""
        nn.init.zeros_(self.time)
        return [*self.picture.draw_tables(), self.time]

    def fresh(self, *, seed: int) -> FrameEncoder:
        """See :meth:`medmae.nn.encoder.Encoder.fresh`."""
        return fresh_copy(self, seed=seed, others=FrameEncoder.draw_tables)


class FrameFeatureMap(Configured, nn.Module):
    """An encoder of frames as a plain network: clips in, dense features out, no patch dropped.

    Its weights have the names of the encoder's.

    Args:
        encoder: The encoder to wrap.
    """

    def __init__(self, *, encoder: FrameEncoder) -> None:
        super().__init__()
        self.picture, self.time, self.other_frames = encoder.picture, encoder.time, encoder.other_frames
        self.grid = list(encoder.picture.patches.grid)

    def forward(self, clip: Tensor) -> Tensor:
        """``(B, C, F, H, W)`` -> ``(B, D, F, h, w)``, of any number of frames."""
        batch, frames = clip.shape[0], clip.shape[2]
        tokens = self.picture(clip.transpose(1, 2).flatten(0, 1))  # (B * F, 1 + N, D)
        patches = self.picture.patch_tokens(tokens, True).unflatten(0, [batch, frames])  # (B, F, N, D)
        timed = patches + times_of(self.time, frames, self.other_frames)
        return timed.permute(0, 3, 1, 2).unflatten(3, self.grid)


def times_of(table: Tensor, count: int, other_frames: str) -> Tensor:
    """When each of so many frames was, ``(1, count, 1, D)``, by a table ``(1, F, 1, D)``; see :class:`FrameEncoder`."""
    known = table.shape[1]
    if count == known:
        return table
    if other_frames == "zeros":
        return F.pad(table[:, :count], [0, 0, 0, 0, 0, max(0, count - known)])
    rows = table.squeeze(2).transpose(1, 2)  # (1, D, F)
    return F.interpolate(rows, size=count, mode="linear", align_corners=True).transpose(1, 2).unsqueeze(2)
