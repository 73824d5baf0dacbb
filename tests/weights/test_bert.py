"""BERT in files: into a method that reads words by one, whole or not at all, and out again."""

from __future__ import annotations

import pytest
import torch

from medmae.methods.mae import mae_tiny
from medmae.methods.simvtp import simvtp_tiny
from medmae.methods.smaug import smaug_tiny
from medmae.weights.bert import load_bert, save_bert
from medmae.weights.read import load_state
from medmae.weights.write import save_safetensors


def built(seed=0, **options):
    torch.manual_seed(seed)
    return smaug_tiny(**options)


def test_what_is_written_is_read_and_nothing_else_is_touched(tmp_path):
    first, second = built(), built(seed=1)
    before = {key: value.clone() for key, value in second.state_dict().items()}
    save_bert(first, tmp_path / "bert.safetensors")
    assert not load_bert(second, tmp_path / "bert.safetensors").missing
    for key, value in second.state_dict().items():
        own = key.startswith(("encoder.text.", "word_head."))
        assert torch.equal(value, (first.state_dict() if own else before)[key])


def test_a_plain_bert_leaves_cross_attention_as_it_was_and_says_so(tmp_path):
    method, state = built(), {}
    save_bert(built(seed=1), tmp_path / "whole.safetensors")
    state = {k: v for k, v in load_state(tmp_path / "whole.safetensors").items() if "crossattention" not in k}
    state = {k: v for k, v in state.items() if not k.startswith("cls.")} | {"bert.pooler.dense.bias": torch.ones(2)}
    save_safetensors(state, tmp_path / "plain.safetensors")
    before = {key: value.clone() for key, value in method.state_dict().items()}
    report = load_bert(method, tmp_path / "plain.safetensors")
    assert {key.split(".")[-3] for key in report.missing if ".cross." in key} == {"cross"}
    assert "word_head.bias" in report.missing
    assert report.dead == ["bert.pooler.dense.bias"]
    assert all(torch.equal(method.state_dict()[key], before[key]) for key in report.missing)
    assert not torch.equal(method.encoder.text.words.word.weight, before["encoder.text.words.word.weight"])


def test_where_words_are_embedded_alone_its_layers_are_read_by_none(tmp_path):
    torch.manual_seed(0)
    method, theirs = simvtp_tiny(), built(seed=1)
    save_bert(theirs, tmp_path / "bert.safetensors")
    before = {key: value.clone() for key, value in method.state_dict().items()}
    report = load_bert(method, tmp_path / "bert.safetensors")
    assert not report.missing
    assert any("blocks.0" in key for key in report.dead)
    for key, value in method.state_dict().items():
        name = key.replace("encoder.words.", "encoder.text.words.")
        wanted = theirs.state_dict()[name] if key.startswith("encoder.words.") else before[key]
        assert torch.equal(value, wanted), key
    with pytest.raises(ValueError, match="no BERT of these sizes"):
        load_bert(simvtp_tiny(vocab_size=31), tmp_path / "bert.safetensors")


def test_a_bert_of_other_sizes_is_refused_and_so_is_a_method_without_one(tmp_path):
    save_bert(built(text_depth=2), tmp_path / "deep.safetensors")
    method = built()
    before = {key: value.clone() for key, value in method.state_dict().items()}
    with pytest.raises(ValueError, match="no BERT of these sizes"):
        load_bert(method, tmp_path / "deep.safetensors")
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    with pytest.raises(ValueError, match="does not read words by a BERT"):
        load_bert(mae_tiny(), tmp_path / "deep.safetensors")
