"""BERT's layers: padding, cross-attention, and the numbers of Hugging Face's BERT from its weights."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.nn.bert import BertEncoder, BertLayer
from medmae.nn.tied_words import TiedWordHead
from medmae.nn.words import WordEmbedding
from medmae.weights.maps.bert import BERT


def encoder(**options):
    torch.manual_seed(0)
    words = WordEmbedding(vocab_size=30, dim=24, max_words=10, dropout=0.0, mask=4)
    sizes = {"depth": 2, "cross_depth": 1, "num_heads": 3, "dropout": 0.0}
    return BertEncoder(words=words, **{**sizes, **options}).eval()


@pytest.fixture
def words():
    return torch.tensor([[2, 7, 8, 9, 3], [2, 6, 3, 0, 0]])


def test_padding_is_read_by_none(words):
    method, real = encoder(), words > 0
    other = words.where(real, 11)
    assert_close(method(words, keys=real)[1, :3], method(other, keys=real)[1, :3])
    assert_close(method.features({"words": words})[1], method.features({"words": words[1:, :3]})[0])


def test_the_last_layers_alone_read_something_else(words):
    method, source = encoder(), torch.randn(2, 4, 24, generator=torch.Generator().manual_seed(1))
    states = method(words)
    assert not torch.allclose(method.read(states, source), method.read(states, source.flip(2)), atol=1e-3)
    with pytest.raises(ValueError, match="reads something"):
        method.blocks[-1](states)


def test_a_causal_layer_reads_nothing_behind_a_word():
    layer, x = BertLayer(24, num_heads=3, dropout=0.0), torch.randn(1, 5, 24)
    other = torch.cat([x[:, :3], torch.randn(1, 2, 24)], dim=1)
    assert_close(layer(x, causal=True)[:, :3], layer(other, causal=True)[:, :3])
    assert not torch.allclose(layer(x)[:, :3], layer(other)[:, :3], atol=1e-4)


def test_hugging_face_s_bert_gives_the_same_numbers_and_its_file_goes_out_as_it_came(words):
    transformers = pytest.importorskip("transformers")
    sizes = {"vocab_size": 30, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3}
    config = transformers.BertConfig(**sizes, intermediate_size=96, max_position_embeddings=10)
    theirs = transformers.BertForMaskedLM(config).eval()
    state = {key: value for key, value in theirs.state_dict().items() if "cls.predictions.decoder" not in key}
    renamed, _ = BERT.apply(theirs.state_dict())
    ours, head = encoder(depth=3, cross_depth=0), TiedWordHead(24, vocab_size=30)
    parts = {"encoder.text.": ours, "word_head.": head}
    for start, part in parts.items():
        part.load_state_dict({key.removeprefix(start): v for key, v in renamed.items() if key.startswith(start)})
    real = words > 0
    with torch.no_grad():
        expected = theirs(input_ids=words, attention_mask=real.long()).logits
        found = head(ours(words, keys=real), ours.words)
    assert_close(found[real], expected[real], atol=1e-5, rtol=1e-5)
    written = BERT.write({start + key: v for start, part in parts.items() for key, v in part.state_dict().items()})
    assert written.keys() == state.keys() - {"bert.embeddings.position_ids"}
    assert all(torch.equal(value, state[key]) for key, value in written.items())


def by_hugging_face_s_names(*, dim=24, layers=3, crossed=(2,)):
    """Key -> shape, of BERT with cross-attention in some layers."""
    linear = {"weight": (dim, dim), "bias": (dim,)}
    norm = {"weight": (dim,), "bias": (dim,)}
    shapes = {"bert.embeddings.word_embeddings.weight": (30, dim)}
    shapes |= {"bert.embeddings.position_embeddings.weight": (10, dim)}
    shapes |= {"bert.embeddings.token_type_embeddings.weight": (2, dim)}
    shapes |= {f"bert.embeddings.LayerNorm.{kind}": shape for kind, shape in norm.items()}
    for number in range(layers):
        root = f"bert.encoder.layer.{number}"
        for kind in ["attention", *["crossattention"] * (number in crossed)]:
            for part in ("self.query", "self.key", "self.value", "output.dense"):
                shapes |= {f"{root}.{kind}.{part}.{name}": shape for name, shape in linear.items()}
            shapes |= {f"{root}.{kind}.output.LayerNorm.{name}": shape for name, shape in norm.items()}
        shapes |= {f"{root}.intermediate.dense.weight": (4 * dim, dim), f"{root}.intermediate.dense.bias": (4 * dim,)}
        shapes |= {f"{root}.output.dense.weight": (dim, 4 * dim), f"{root}.output.dense.bias": (dim,)}
        shapes |= {f"{root}.output.LayerNorm.{name}": shape for name, shape in norm.items()}
    shapes |= {f"cls.predictions.transform.dense.{name}": shape for name, shape in linear.items()}
    shapes |= {f"cls.predictions.transform.LayerNorm.{name}": shape for name, shape in norm.items()}
    return shapes | {"cls.predictions.bias": (30,)}


def test_every_name_with_cross_attention_fits_and_is_written_back_bit_for_bit():
    layout = by_hugging_face_s_names()
    state = {key: torch.randn(shape) for key, shape in layout.items()}
    renamed, dead = BERT.apply({**state, "bert.pooler.dense.weight": torch.zeros(1)})
    assert dead == ["bert.pooler.dense.weight"]
    own = {f"encoder.text.{key}": v.shape for key, v in encoder().state_dict().items()}
    own |= {f"word_head.{key}": v.shape for key, v in TiedWordHead(24, vocab_size=30).state_dict().items()}
    assert {key: value.shape for key, value in renamed.items()} == own
    written = BERT.write(renamed)
    assert written.keys() == state.keys()
    assert all(torch.equal(written[key], state[key]) for key in state)


def test_files_of_the_first_years_and_of_the_encoder_alone_are_read():
    plain = {"embeddings.LayerNorm.weight": torch.ones(24), "encoder.layer.1.output.LayerNorm.bias": torch.ones(24)}
    old = {
        "bert.embeddings.LayerNorm.gamma": torch.ones(24),
        "bert.encoder.layer.1.output.LayerNorm.beta": torch.ones(24),
    }
    expected = {"encoder.text.words.norm.weight", "encoder.text.blocks.1.norm2.bias"}
    assert BERT.apply(plain)[0].keys() == BERT.apply(old)[0].keys() == expected
