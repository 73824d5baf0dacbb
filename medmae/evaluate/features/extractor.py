"""How features are taken of a frozen encoder: after which block, pooled how, computed where."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from medmae.nn.encoder import Pool, check_block
from medmae.nn.vit import MaskedViT


@dataclass(frozen=True, kw_only=True)
class FeatureExtractor:
    """``extract(images)``: features, without mask, gradient or randomness.

    Args:
        encoder: Put to evaluation mode and to ``device``.
        pool: See :meth:`medmae.nn.encoder.Encoder.features`.
        block: Likewise.
        name: What tables and files call it.
        device: Where to compute.

    Raises:
        ValueError: If the class token is asked for and there is none, or there are not so many blocks.
    """

    encoder: MaskedViT
    pool: Pool = "mean"
    block: int | None = None
    name: str = "encoder"
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        self.encoder.check_pool(self.pool)
        check_block(self.block, depth=len(self.encoder.blocks))
        self.encoder.to(self.device).eval()

    @cached_property
    def sha256(self) -> str:
        """Of the encoder's tensors, names and shapes, and of what it takes: the same wherever weights came from."""
        digest = hashlib.sha256()
        for name, value in sorted(self.encoder.state_dict().items()):
            tensor = value.detach().cpu().contiguous()
            digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
            digest.update(tensor.view(torch.uint8).numpy().tobytes() if tensor.ndim else tensor.numpy().tobytes())
        kinds = {name: kind.as_dict() for name, kind in self.encoder.kinds.items()}
        digest.update(json.dumps(kinds, sort_keys=True).encode())
        return digest.hexdigest()

    @cached_property
    def probe_sha256(self) -> str:
        """Of the features of one fixed image, rounded to 0.01: what weights do not tell, such as heads or epsilon."""
        generator = torch.Generator().manual_seed(0)
        image = torch.rand((1, self.encoder.patches.channels, *self.encoder.patches.size), generator=generator)
        features = self(image).cpu().numpy().round(2) + 0.0  # no negative zeros, whose bytes differ
        return hashlib.sha256(features.tobytes()).hexdigest()

    def __call__(self, images: Tensor) -> Tensor:
        """Features only: ``(B, C, *size)`` in its own units -> ``(B, D)`` float32."""
        return self.with_tokens(images)[0]

    def in_batches(self, images: Tensor, *, batch_size: int = 128) -> np.ndarray:
        """Features ``(N, D)`` of images that lie in memory."""
        return torch.cat([self(part).cpu() for part in images.split(batch_size)]).numpy()

    @torch.no_grad()
    def with_tokens(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``(B, D)`` and patch tokens ``(B, N, D)``, rows of the grid one after the other."""
        images = images.to(self.device)
        features, patches = self.encoder.features_and_tokens(images, pool=self.pool, block=self.block)
        return features.float(), patches.float()


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """In evaluation mode and without gradients for a while; then again in the mode in which it was."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(training)
