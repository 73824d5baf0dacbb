"""A frozen encoder as a plain function of tiles: one row of features each, and their patch tokens if wanted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from medmae.nn.encoder import Pool
from medmae.nn.features import features_and_tokens
from medmae.nn.vit import MaskedViT


@dataclass(frozen=True, kw_only=True)
class TileEncoder:
    """``encode(images)``: features of tiles, without mask, gradient or randomness.

    An encoder without a norm of its own (MMAE, whose classifier has it) gets a plain layer norm after pooling, as that
    classifier begins with.

    Args:
        encoder: Put to evaluation mode and to ``device``.
        pool: See :class:`medmae.nn.encoder.Encoder`.
        name: What tables and files call it.
        device: Where to compute.
        num_blocks: Takes the features after so many blocks and computes no others, for what an encoder knows may be
            plainer before its last. They get a plain layer norm after pooling. None is the whole encoder, its norm too.

    Raises:
        ValueError: If the class token is asked for and there is none, or there are not so many blocks.
    """

    encoder: MaskedViT
    pool: Pool = "mean"
    name: str = "encoder"
    device: torch.device | str = "cpu"
    num_blocks: int | None = None

    def __post_init__(self) -> None:
        self.encoder.check_pool(self.pool)
        depth = len(self.encoder.blocks)
        if self.num_blocks is not None and not 1 <= self.num_blocks <= depth:
            raise ValueError(f"num_blocks must lie in 1 to {depth}, the encoder's blocks, got {self.num_blocks}")
        self.encoder.to(self.device).eval()

    @cached_property
    def sha256(self) -> str:
        """Of the encoder's tensors, names and shapes: the same weights have the same one wherever they came from."""
        digest = hashlib.sha256()
        for name, value in sorted(self.encoder.state_dict().items()):
            tensor = value.detach().cpu().contiguous()
            digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
            digest.update(tensor.view(torch.uint8).numpy().tobytes() if tensor.ndim else tensor.numpy().tobytes())
        return digest.hexdigest()

    @cached_property
    def probe_sha256(self) -> str:
        """Of the features of one fixed image, rounded to 0.01: what weights do not tell, such as heads and scale."""
        generator = torch.Generator().manual_seed(0)
        image = torch.rand((1, self.encoder.patches.channels, *self.encoder.patches.size), generator=generator)
        features = self(image).cpu().numpy().round(2) + 0.0  # no negative zeros, whose bytes differ
        return hashlib.sha256(features.tobytes()).hexdigest()

    def __call__(self, images: Tensor) -> Tensor:
        """Features only: ``(B, 3, H, W)`` in [0, 1] -> ``(B, D)`` float32."""
        return self.with_tokens(images)[0]

    @torch.no_grad()
    def with_tokens(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``(B, D)`` and patch tokens ``(B, N, D)``, rows of the grid one after the other."""
        images = images.to(self.device)
        features, patches = features_and_tokens(self.encoder, images, pool=self.pool, block=self.num_blocks)
        return features.float(), patches.float()
