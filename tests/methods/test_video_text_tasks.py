"""Retrieval with re-ranking, multiple choice, and answers from a list, on an encoder of frames and words."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.methods.retrieval import rerank
from medmae.methods.smaug import smaug_tiny
from medmae.methods.video_text_tasks import VideoQuestionAnswering, VideoTextRetrieval


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def pretrained():
    torch.manual_seed(0)
    return smaug_tiny()


@pytest.fixture
def retrieval(pretrained):
    return VideoTextRetrieval(encoder=pretrained.encoder, pair_head=pretrained.pair_head).eval()


@pytest.fixture
def answering(pretrained):
    return VideoQuestionAnswering(encoder=pretrained.encoder, word_head=pretrained.word_head).eval()


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


def test_an_answer_s_likelihood_is_that_of_its_words_one_after_the_other(answering):
    batch = answering.example_batch(2, generator=seeded(1))
    answer = torch.tensor([[2, 7, 9, 3, 0], [2, 8, 3, 0, 0]])
    with torch.no_grad():
        source, real = answering.questions(batch)
        found = answering.decoder.log_likelihood(answer, source, real)
        for row, length in ((0, 4), (1, 3)):
            total = 0.0
            for end in range(1, length):
                logits = answering.decoder(answer[row : row + 1, :end], source[row : row + 1], real[row : row + 1])
                total += logits[0, -1].log_softmax(0)[answer[row, end]].item()
            assert found[row].item() == pytest.approx(total, rel=1e-4)


def test_the_answer_that_was_learnt_is_the_likeliest_of_the_list(answering):
    batch = answering.example_batch(2, generator=seeded(1))
    answers = torch.tensor([[2, 7, 3, 0], [2, 8, 9, 3], [2, 8, 3, 0]])
    losses = trained(answering, {**batch, "answer": answers[[1, 2]]}, steps=40)
    assert losses[-1] < losses[0]
    whole = answering.rank(batch, answers)
    assert whole.argmax(dim=1).tolist() == [1, 2]
    some = answering.rank(batch, answers, top=2)
    assert (some == -torch.inf).sum(dim=1).tolist() == [1, 1]
    kept = some > -torch.inf
    assert_close(some[kept], whole[kept], atol=1e-4, rtol=1e-4)


def test_the_decoder_begins_as_the_last_layers_and_answers_may_weigh_differently(pretrained, answering):
    first = pretrained.encoder.text.blocks[1].cross.qkv.weight
    assert torch.equal(answering.decoder.blocks[0].cross.qkv.weight, first)
    assert answering.decoder.blocks[0].cross.qkv.weight is not first
    batch = answering.example_batch(2, generator=seeded(1))
    plain, none = answering(batch).loss, answering({**batch, "weight": torch.zeros(2)}).loss
    assert plain > 0
    assert none == 0
