"""Parts of a pre-training with which parts of something else begin."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medmae.errors import DataError
from medmae.methods.simvtp import simvtp_tiny
from medmae.methods.smaug import smaug_tiny
from medmae.methods.video_text_tasks import VideoTextRetrieval
from medmae.weights.io import save_safetensors
from medmae.weights.parts import load_parts
from medmae.weights.unseen import header


def written(method, path):
    save_safetensors(method.state_dict(), path, metadata=header(method))
    return path


def seeded(make, seed, **options):
    torch.manual_seed(seed)
    return make(**options)


class Twice(nn.Module):
    """An encoder two times, the second without its last norm, and the layer that tells pairs."""

    def __init__(self, **options):
        super().__init__()
        first, second = (seeded(simvtp_tiny, 1, **options) for _ in range(2))
        second.encoder.video.norm = nn.Identity()
        self.first, self.second, self.matcher = first.encoder, second.encoder, first.matcher


PARTS = {"first": "encoder", "second": "encoder", "matcher": "matcher"}


@pytest.fixture
def theirs(tmp_path):
    method = seeded(simvtp_tiny, 0)
    return method, written(method, tmp_path / "pretraining.safetensors")


def test_an_encoder_fills_two_of_which_one_has_dropped_its_last_norm(theirs):
    method, path = theirs
    module = Twice()
    load_parts(module, path, parts=PARTS)
    state = method.state_dict()
    for name in ("first", "second"):
        own = module.get_submodule(name).state_dict()
        assert all(torch.equal(value, state[f"encoder.{key}"]) for key, value in own.items())
    assert torch.equal(module.matcher.weight, method.matcher.weight)


def test_a_part_that_the_file_lacks_is_named_and_nothing_is_loaded(tmp_path):
    path = written(seeded(simvtp_tiny, 0, matching=0.0), tmp_path / "a.safetensors")
    module = Twice()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    with pytest.raises(DataError, match="have no 'matcher' to begin with"):
        load_parts(module, path, parts=PARTS)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_other_sizes_and_other_heads_are_refused(theirs):
    for options, message in (({"embed_dim": 32}, "do not fit"), ({"num_heads": 2}, "num_heads=4")):
        with pytest.raises(DataError, match=message):
            load_parts(Twice(**options), theirs[1], parts=PARTS)


def test_the_retrieval_of_smaug_begins_with_its_encoder_and_the_head_of_pairs(tmp_path):
    method = seeded(smaug_tiny, 0)
    path = written(method, tmp_path / "pretraining.safetensors")
    other = seeded(smaug_tiny, 1)
    retrieval = VideoTextRetrieval(encoder=other.encoder, pair_head=other.pair_head)
    load_parts(retrieval, path, parts=retrieval.begins)
    state = method.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in retrieval.state_dict().items())
