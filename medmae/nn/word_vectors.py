"""A transformer over word vectors that are given (GloVe): one feature a text.

Vaswani et al., "Attention Is All You Need", NeurIPS 2017, arXiv 1706.03762: norms after each part; as mpuc-mer has it.
"""

from __future__ import annotations

from torch import Tensor, nn

from medmae.kinds import Kind, ScaleLike
from medmae.nn.positions import FlatSinusoid
from medmae.nn.whole import WholeEncoder


def word_vectors(width: int, name: str = "text") -> Kind:
    """Vectors of words, ``(B, width, L)``."""
    return Kind.of(name, ["word"], channels=[str(number) for number in range(width)], peak=None)


class WordVectorEncoder(WholeEncoder):
    """``(B, width, L)`` of any L -> ``(B, D)``.

    Places are those of the words; the authors' code adds the place of the sample in its batch instead, so that what it
    tells depends on the others.

    Args:
        width: Of word vectors, and of the layers.
        dim: D.
        depth: Layers.
        num_heads: Of attention.
        hidden: Width between the two linear layers of each.
        dropout: Share of values that is dropped in training, everywhere.
        kind: What it takes; None are word vectors named ``text``.
        scale: See :class:`WholeEncoder`.
    """

    def __init__(
        self,
        *,
        width: int = 300,
        dim: int = 512,
        depth: int = 6,
        num_heads: int = 5,
        hidden: int = 2048,
        dropout: float = 0.1,
        kind: Kind | None = None,
        scale: ScaleLike | None = None,
    ) -> None:
        kind = word_vectors(width) if kind is None else kind
        super().__init__(kind=kind, dim=dim, example=(width, 30), scale=scale)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, num_heads, hidden, dropout, batch_first=True) for _ in range(depth)
        )
        self.output = nn.Linear(width, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, data: Tensor) -> Tensor:
        """``(B, width, L)``, scaled -> ``(B, D)``."""
        rows = data.transpose(1, 2)  # (B, L, width)
        places = FlatSinusoid().table(grid=rows.shape[1:2], dim=rows.shape[2])
        hidden = self.dropout(rows + places.to(rows))
        for block in self.blocks:
            hidden = block(hidden)
        return self.dropout(self.output(hidden.mean(dim=1)))

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`."""
        return [list(part.parameters()) for part in (*self.blocks, self.output)]
