"""One encoder for clips and words: visible cubes, then all words, in one sequence."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.kinds import Kind
from medmae.masking.base import Masks
from medmae.nn.config import Configured
from medmae.nn.encoder import Data, Pool, check_block, check_pool, mean_of
from medmae.nn.fresh import fresh_copy
from medmae.nn.vit import MaskedViT
from medmae.nn.words import WordEmbedding
from medmae.tokens.text import WORDS


class VideoTextEncoder(Configured, nn.Module):
    """The blocks of an encoder of clips, over words, too; each alone, or both together.

    Words follow the cubes, without a separator and without an embedding of what they are. Padding is read by none.

    Args:
        video: Of clips, without a class token: gives the blocks.
        words: Embeds sentences, as wide as the blocks.

    Raises:
        ValueError: If the widths differ, or there is a class token.
    """

    def __init__(self, *, video: MaskedViT, words: WordEmbedding) -> None:
        super().__init__()
        if video.cls_token is not None:
            raise ValueError("cubes and words stand in one sequence without a class token: class_token='none'")
        if words.norm.normalized_shape != (video.dim,):
            raise ValueError(f"words are {words.norm.normalized_shape[0]} wide and cubes {video.dim}")
        self.video, self.words = video, words
        self.dim = video.dim

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See :attr:`medmae.nn.encoder.Encoder.kinds`; either may be missing from a batch."""
        return {**self.video.kinds, WORDS.name: WORDS}

    def embed(self, batch: Mapping[str, Tensor], masks: Masks | None = None) -> tuple[Tensor, Tensor | None]:
        """Tokens of what a batch has of a clip and of words, before the first block.

        Args:
            batch: A clip ``(B, C, T, H, W)`` in its own units, words ``(B, L)``, or both, by name.
            masks: By name: hidden cubes are left out, hidden words replaced. None, or a name that is missing: all.

        Returns:
            ``(B, V + L, D)``, and which of them are no padding, ``(B, V + L)`` bool; None: all.

        Raises:
            ValueError: If the batch has neither.
        """
        masks, clip = masks or {}, self.video.kind.name
        tokens, keys = [], None
        if clip in batch:
            mask = masks.get(clip)
            rows = self.video.patchify(batch[clip])
            tokens.append(self.video.embed(rows, None if mask is None else mask.visible))  # (B, V, D)
        if WORDS.name in batch:
            numbers, mask = batch[WORDS.name], masks.get(WORDS.name)
            tokens.append(self.words(numbers, None if mask is None else mask.decoded()))  # (B, L, D)
            # A mask knows the padding: what a hidden word is, padding or not, must not be looked at.
            real = self._padding(numbers) if mask is None else mask.key_mask()
            if real is not None:
                keys = F.pad(real, (sum(each.shape[1] for each in tokens[:-1]), 0), value=True)
        if not tokens:
            raise ValueError(
                f"the encoder takes {' or '.join(map(repr, self.kinds))}, and the batch has {sorted(batch)}"
            )
        return torch.cat(tokens, dim=1), keys

    def forward(self, batch: Mapping[str, Tensor], masks: Masks | None = None) -> tuple[Tensor, Tensor | None]:
        """As :meth:`embed`, encoded."""
        tokens, keys = self.embed(batch, masks)
        return self.video.forward_tokens(tokens, key_mask=keys), keys

    def features(self, batch: Data, *, pool: Pool = "mean", block: int | None = None) -> Tensor:
        """See :meth:`medmae.nn.encoder.Encoder.features`: the mean over real tokens of what the batch has."""
        check_pool(pool, has_class_token=False)
        check_block(block, depth=len(self.video.blocks))
        batch = {self.video.kind.name: batch} if isinstance(batch, Tensor) else batch
        tokens, keys = self.embed(batch)
        for each in self.video.blocks[:block]:
            tokens = each(tokens, key_mask=keys)
        if block is None:
            return mean_of(self.video.norm(tokens), keys)
        return F.layer_norm(mean_of(tokens, keys), (self.dim,), eps=self.video.norm_eps)

    def _padding(self, words: Tensor) -> Tensor | None:
        real = self.words.real(words)
        return None if bool(real.all()) else real

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`; words are of the first."""
        first, *blocks = self.video.layers()
        return [[*first, *self.words.parameters()], *blocks]

    def fresh(self, *, seed: int) -> VideoTextEncoder:
        """See :meth:`medmae.nn.encoder.Encoder.fresh`."""
        return fresh_copy(self, seed=seed, others=lambda twin: [*twin.video.draw_tables(), *twin.words.draw()])
