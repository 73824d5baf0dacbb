"""An encoder of several kinds of data as a plain network of one of them."""

from __future__ import annotations

from torch import Tensor, nn

from medmae.nn.config import Configured
from medmae.nn.fused_encoder import FusedEncoder


class KindMap(Configured, nn.Module):
    """One kind of data alone, through its own blocks and those of all kinds: one tensor in, one out, nothing hidden.

    This is what a bundle calls ``network_def``, and what ``models/model.pt`` holds: no weight of another kind.

    Args:
        encoder: Of several kinds.
        kind: Name of the one that is read.

    Raises:
        ValueError: If the encoder does not take it.
    """

    def __init__(self, *, encoder: FusedEncoder, kind: str) -> None:
        super().__init__()
        if kind not in encoder.vits:
            raise ValueError(f"the encoder takes {', '.join(encoder.vits)}, and not {kind!r}")
        self.vit = encoder.vits[kind]
        self.kind_token = encoder.kind_tokens.get(kind, None)
        blocks, norm = ([], nn.Identity()) if encoder.trunk is None else encoder.trunk.plain(kind)
        self.blocks, self.norm = nn.ModuleList(blocks), norm
        self.grid, self.whole = list(self.vit.patches.grid), list(encoder.given_as[kind].whole)

    def forward(self, data: Tensor) -> Tensor:
        """``(B, C, *size)`` -> dense features ``(B, D, *grid)``; what fills no patch at an end is left out."""
        for axis, extent in enumerate(self.whole):
            data = data.narrow(axis + 2, 0, extent)
        tokens = self.vit.embed(self.vit.patchify(data), None, None, False)  # (B, N, D)
        if self.kind_token is not None:
            tokens = tokens + self.kind_token
        tokens = self.vit.forward_tokens(self.vit.add_class_token(tokens))
        for block in self.blocks:
            tokens = block(tokens)
        patches = self.vit.patch_tokens(self.norm(tokens))  # (B, N, D)
        return patches.transpose(1, 2).unflatten(2, self.grid)
