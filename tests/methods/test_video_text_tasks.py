"""Retrieval with re-ranking, and multiple choice by it, on an encoder of frames and words."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.methods.retrieval import rerank
from medmae.methods.smaug import smaug_tiny
from medmae.methods.video_text_tasks import VideoTextRetrieval


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


def test_a_head_without_matching_is_refused():
    method = smaug_tiny(matching=0.0)
    with pytest.raises(ValueError, match="pre-train with matching"):
        VideoTextRetrieval(encoder=method.encoder, pair_head=method.pair_head)
