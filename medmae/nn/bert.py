"""BERT's layers: of words among themselves, and of words that read something else besides (cross-attention).

Devlin et al., "BERT", NAACL 2019; sizes and form of ``bert-base-uncased``. Cross-attention stands between attention and
MLP, as in Singularity (jayleicn/singularity, 10a7f70) and before it in ALBEF.
"""

from __future__ import annotations

from torch import Tensor, nn

from medmae.kinds import Kind
from medmae.nn.attention import Attention
from medmae.nn.checkpointing import recomputed
from medmae.nn.config import Configured
from medmae.nn.encoder import Data, Pool, check_block, check_pool, data_of, mean_of
from medmae.nn.fresh import fresh_copy
from medmae.nn.init import initialise_linears
from medmae.nn.mlp import MLP
from medmae.nn.words import WordEmbedding
from medmae.tokens.text import WORDS

EPS = 1e-12  # of every norm


class BertLayer(nn.Module):
    """Attention, cross-attention if asked for, and MLP; each is added to what came in and normalised after that.

    Args:
        dim: D.
        num_heads: Attention heads.
        reads: Whether it has cross-attention.
        mlp_ratio: Hidden width of the MLP over D.
        dropout: Share of attention weights, and of what each part adds, that is dropped in training.
    """

    recompute = False  # see medmae.nn.checkpointing.checkpoint_activations

    def __init__(
        self, dim: int, *, num_heads: int, reads: bool = False, mlp_ratio: float = 4.0, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.attn = Attention(dim, num_heads=num_heads, dropout=dropout)
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.cross = Attention(dim, num_heads=num_heads, dropout=dropout) if reads else None
        self.cross_norm = nn.LayerNorm(dim, eps=EPS) if reads else None
        self.mlp = MLP(dim, hidden=int(dim * mlp_ratio))
        self.norm2 = nn.LayerNorm(dim, eps=EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        source: Tensor | None = None,
        key_mask: Tensor | None = None,
        source_mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """The layer.

        Args:
            x: Words ``(B, L, D)``.
            source: What cross-attention reads, ``(B, S, D)``; None of a layer without.
            key_mask: ``(B, L)`` bool, False for words that none may read (padding); None: all.
            source_mask: Likewise of the source, ``(B, S)``.
            causal: A word reads no word behind it.

        Returns:
            ``(B, L, D)``.
        """
        return recomputed(self, self._whole, x, source, key_mask, source_mask, causal)

    def _whole(
        self, x: Tensor, source: Tensor | None, key_mask: Tensor | None, source_mask: Tensor | None, causal: bool
    ) -> Tensor:
        x = self.norm1(x + self.dropout(self.attn.read(x, x, causal=causal, key_mask=key_mask)))
        if self.cross is not None and self.cross_norm is not None:
            if source is None:
                raise ValueError("a layer with cross-attention reads something: source=(B, S, D)")
            x = self.cross_norm(x + self.dropout(self.cross.read(x, source, key_mask=source_mask)))
        return self.norm2(x + self.dropout(self.mlp(x)))


class BertEncoder(Configured, nn.Module):
    """Words, layers over them, and layers that read something else besides.

    Args:
        words: Embeds sentences; gives the width.
        depth: Layers of words alone.
        cross_depth: Layers behind them with cross-attention.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of an MLP over D.
        dropout: See :class:`BertLayer`.

    Raises:
        ValueError: If the width is no multiple of the heads.
    """

    def __init__(
        self,
        *,
        words: WordEmbedding,
        depth: int = 9,
        cross_depth: int = 3,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.words, self.dim, self.depth = words, words.word.embedding_dim, depth
        if self.dim % num_heads:
            raise ValueError(f"width {self.dim} is not a multiple of {num_heads} heads")
        self.num_heads, self.mlp_ratio, self.dropout = num_heads, mlp_ratio, dropout
        self.blocks = nn.ModuleList(
            BertLayer(self.dim, num_heads=num_heads, reads=number >= depth, mlp_ratio=mlp_ratio, dropout=dropout)
            for number in range(depth + cross_depth)
        )
        initialise_linears(self)

    @property
    def kinds(self) -> dict[str, Kind]:
        """See :attr:`medmae.nn.encoder.Encoder.kinds`."""
        return {WORDS.name: WORDS}

    def forward(
        self, words: Tensor, hidden: Tensor | None = None, keys: Tensor | None = None, *, num_blocks: int | None = None
    ) -> Tensor:
        """Sentences by themselves, without cross-attention.

        Args:
            words: Numbers ``(B, L)``, padded behind.
            hidden: ``(B, L)`` bool, True where ``[MASK]`` is read instead.
            keys: ``(B, L)`` bool, False for padding; None: none is.
            num_blocks: Stops after so many.

        Returns:
            ``(B, L, D)``; the first token, ``[CLS]``, stands for the sentence.
        """
        x = self.words(words, hidden)
        for block in self.blocks[: self.depth if num_blocks is None else num_blocks]:
            x = block(x, key_mask=keys)
        return x

    def read(self, states: Tensor, source: Tensor, keys: Tensor | None = None) -> Tensor:
        """Encoded sentences ``(B, L, D)`` that read ``source`` ``(B, S, D)``, of ``keys`` ``(B, L)`` no padding."""
        for block in self.blocks[self.depth :]:
            states = block(states, source, key_mask=keys)
        return states

    def features(self, batch: Data, *, pool: Pool = "mean", block: int | None = None) -> Tensor:
        """See :meth:`medmae.nn.encoder.Encoder.features`: of words by themselves, padding left out."""
        check_pool(pool, has_class_token=True)
        check_block(block, depth=self.depth)
        words = data_of(batch, self)
        real = self.words.real(words)
        tokens = self(words, keys=real, num_blocks=block)
        return tokens[:, 0] if pool == "class_token" else mean_of(tokens, real)

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`."""
        return [list(self.words.parameters()), *(list(block.parameters()) for block in self.blocks)]

    def fresh(self, *, seed: int) -> BertEncoder:
        """See :meth:`medmae.nn.encoder.Encoder.fresh`."""
        return fresh_copy(self, seed=seed, others=lambda twin: twin.words.draw())
