"""Retrieval with re-ranking, and multiple choice by it, on an encoder of frames and words."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from medmae.methods.retrieval import rerank
from medmae.methods.simvtp import simvtp_tiny
from medmae.methods.simvtp_retrieval import DualEncoder
from medmae.methods.smaug import smaug_tiny
from medmae.methods.video_text_tasks import VideoTextRetrieval, retriever
from medmae.nn.points import ClipPoints


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def pretrained():
    torch.manual_seed(0)
    return smaug_tiny()


@pytest.fixture
def retrieval(pretrained):
    return VideoTextRetrieval(encoder=pretrained.encoder, pair_head=pretrained.pair_head).eval()


def trained(method, batch, steps=25):
    optimiser = torch.optim.Adam(method.parameters(), lr=2e-3)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = method(batch, generator=seeded()).loss
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def both(retrieval, batch):
    return retrieval.encode_clips(batch["image"]), retrieval.encode_words(batch["words"])


def test_matching_all_candidates_ranks_as_matching_each_pair(retrieval):
    batch = retrieval.example_batch(5, generator=seeded(1))
    clips, sentences = both(retrieval, batch)
    likeness = sentences.points @ clips.points.T
    with torch.no_grad():
        found = rerank(likeness, lambda r, c: retrieval.match(clips, sentences, r, c), top=5, at_once=3)
        whole = torch.stack(
            [retrieval.match(clips, sentences, torch.full((5,), row), torch.arange(5)) for row in range(5)]
        )
    assert_close(found, whole, atol=1e-5, rtol=1e-5)


def test_what_is_not_matched_stays_behind_in_its_own_order():
    likeness = torch.tensor([[0.9, 0.1, 0.8, 0.2]])
    found = rerank(likeness, lambda rows, columns: torch.tensor([-5.0, 3.0]), top=2)
    assert found.argsort(dim=1, descending=True).tolist() == [[2, 0, 3, 1]]


def test_retrieval_learns_without_masks_from_both_losses(retrieval):
    batch = retrieval.example_batch(4, generator=seeded(1))
    losses = trained(retrieval, batch)
    assert losses[-1] < 0.8 * losses[0]
    assert set(retrieval(batch).terms) == {"contrast", "matching"}


def test_of_several_sentences_each_is_matched_with_its_own_clip(retrieval):
    batch = retrieval.example_batch(3, generator=seeded(1))
    sentences = torch.stack([batch["words"], batch["words"].roll(1, dims=0)], dim=1)  # (3, 2, L)
    with torch.no_grad():
        logits = retrieval.choose(batch["image"], sentences)
        clips, words = both(retrieval, {**batch, "words": sentences[2]})
        alone = retrieval.match(clips, words, torch.tensor([0, 1]), torch.tensor([2, 2]))
    assert logits.shape == (3, 2)
    assert_close(logits[2], alone, atol=1e-5, rtol=1e-5)


def test_a_head_without_matching_is_refused_or_trained_without():
    method = smaug_tiny(matching=0.0)
    with pytest.raises(ValueError, match="pre-train with matching"):
        VideoTextRetrieval(encoder=method.encoder, pair_head=method.pair_head)
    found = VideoTextRetrieval(encoder=method.encoder, pair_head=method.pair_head, matching=0.0)
    assert not found.matches
    assert set(found(found.example_batch(3, generator=seeded(1))).terms) == {"contrast"}


def test_the_network_of_clips_gives_the_points_by_which_they_are_found(retrieval):
    batch = retrieval.example_batch(3, generator=seeded(1))
    with torch.no_grad():
        points = retrieval.encode_clips(batch["image"]).points
        assert torch.equal(retrieval.tower(batch["image"]), points)
        assert_close(ClipPoints(retrieval)(batch["image"]), F.normalize(points, dim=1))


def test_what_finds_clips_is_that_of_the_encoder():
    simvtp, smaug = simvtp_tiny(), smaug_tiny()
    assert isinstance(retriever(encoder=simvtp.encoder), DualEncoder)
    found = retriever(encoder=smaug.encoder, pair_head=smaug.pair_head, matching=1.0, drop_path=0.3)
    assert isinstance(found, VideoTextRetrieval)
    assert found.encoder.frames.picture.blocks[-1].drop_path1.drop_prob == 0.3


@pytest.mark.parametrize("option", [{"temperature": 0.1}, {"equal_words": True}, {"pool_padding": True}], ids=str)
def test_options_of_another_encoder_are_refused(option):
    smaug = smaug_tiny()
    with pytest.raises(ValueError, match="are SimVTP's"):
        retriever(encoder=smaug.encoder, pair_head=smaug.pair_head, **option)


def test_an_encoder_of_frames_that_learnt_no_contrast_is_refused():
    with pytest.raises(ValueError, match="this pre-training had none"):
        retriever(encoder=smaug_tiny(contrast=0.0, matching=0.0).encoder)
