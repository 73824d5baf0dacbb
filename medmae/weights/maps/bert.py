"""BERT as Hugging Face has it: ``BertModel``, ``BertForMaskedLM``, ``BertForPreTraining``; with cross-attention, too.

It fills the text of a method whose ``encoder.text`` is a :class:`medmae.nn.bert.BertEncoder`, and its ``word_head``. A
plain BERT has no cross-attention, whose tensors are then missing; its pooler and next-sentence layer are read by none.
"""

from __future__ import annotations

from medmae.weights.maps.base import Join, TwoWayMap

_QKV = tuple(
    Join(f"{module}.qkv.{kind}", tuple(f"{module}.{part}.{kind}" for part in "qkv"))
    for module in ("attn", "cross")
    for kind in ("weight", "bias")
)


def _attention(theirs: str, ours: str, norm: str) -> tuple[tuple[str, str], ...]:
    return (
        *((f"{theirs}.self.{name}", f"{ours}.{name[0]}") for name in ("query", "key", "value")),
        (f"{theirs}.output.dense", f"{ours}.proj"),
        (f"{theirs}.output.LayerNorm", norm),
    )


def _encoder(root: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"{root}embeddings.word_embeddings.", "encoder.text.words.word."),
        (f"{root}embeddings.position_embeddings.", "encoder.text.words.position."),
        (f"{root}embeddings.token_type_embeddings.", "encoder.text.words.token_type."),
        (f"{root}embeddings.LayerNorm.", "encoder.text.words.norm."),
        (f"{root}encoder.layer.", "encoder.text.blocks."),
    )


class BertMap(TwoWayMap):
    """Files of BERT's first years call the weight and bias of a norm ``gamma`` and ``beta``."""

    def rename(self, key: str) -> str | None:
        """See :meth:`KeyMap.rename`."""
        return super().rename(
            key.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        )


BERT = BertMap(
    source="Hugging Face BERT",
    parts=(
        *_attention("crossattention", "cross", "cross_norm"),
        *_attention("attention", "attn", "norm1"),
        ("intermediate.dense", "mlp.fc1"),
        ("output.dense", "mlp.fc2"),
        ("output.LayerNorm", "norm2"),
    ),
    prefixes=(
        *_encoder("bert."),
        *_encoder(""),
        ("cls.predictions.transform.dense.", "word_head.dense."),
        ("cls.predictions.transform.LayerNorm.", "word_head.norm."),
        ("cls.predictions.bias", "word_head.bias"),
    ),
    # The decoder is the table of words and its bias that of the head, once more.
    dead=("bert.pooler.", "pooler.", "cls.seq_relationship.", "cls.predictions.decoder."),
    computed=("embeddings.position_ids",),
    joins=_QKV,
    eps=1e-12,
)
