"""Questions answered by a class of a list, in words, or as one of several choices; by SimVTP's encoder and SMAUG's."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.methods.answering import VideoQuestionAnswering
from medmae.methods.simvtp import simvtp_tiny
from medmae.methods.smaug import smaug_tiny
from medmae.objectives.answers import accepted_cross_entropy
from medmae.tokens.text import SPECIAL
from medmae.weights.io import save_safetensors
from medmae.weights.parts import load_parts
from medmae.weights.unseen import header

WORDS = (*SPECIAL, "where", "what", "left", "right", "up", "down", *"abcdefghijklmno")
ANSWERS = ("left", "right", "down a", "down b")
MAKE = {"simvtp": simvtp_tiny, "smaug": smaug_tiny}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pretrained(name, seed=0):
    torch.manual_seed(seed)
    return MAKE[name](vocabulary=WORDS)


def answering(name, by, **options):
    encoder = pretrained(name).encoder
    torch.manual_seed(1)
    return VideoQuestionAnswering(encoder=encoder, by=by, answers=() if by == "choices" else ANSWERS, **options).eval()


def asked(method, right=(1, 2, 3)):
    """Questions of which these answers, or choices, are right."""
    count = len(right)
    batch = method.example_batch(count, generator=seeded(3))
    choices = method.by == "choices"
    batch["accepted"] = torch.nn.functional.one_hot(torch.tensor(right), 4).float()
    if choices:
        words = method.vocabulary.encode(ANSWERS, max_words=16).words
        batch["choices"] = words.expand(count, -1, -1).clone()
    if method.by == "words":
        batch["answer"] = method.listed[list(right)]
    return batch


ALL = [("simvtp", "classes"), ("simvtp", "choices"), ("smaug", "classes"), ("smaug", "words"), ("smaug", "choices")]


@pytest.mark.parametrize(("name", "by"), ALL)
def test_answers_are_learnt_and_are_then_the_likeliest(name, by):
    method, right = answering(name, by), (2, 2, 2) if by == "choices" else (1, 2, 3)
    batch = asked(method, right)
    optimiser = torch.optim.Adam(method.parameters(), lr=5e-3)
    for _ in range(60):
        optimiser.zero_grad()
        loss = method(batch, generator=seeded()).loss
        loss.backward()
        optimiser.step()
        if loss < 0.2:
            break
    with torch.no_grad():
        assert method(batch).prediction["logits"].argmax(dim=1).tolist() == list(right)


@pytest.mark.parametrize(("name", "by"), ALL)
@torch.no_grad()
def test_the_clip_and_the_question_are_both_read_and_padding_is_not(name, by):
    method = answering(name, by)
    batch = asked(method)
    plain = method.logits(batch)
    assert (method.logits({**batch, "image": batch["image"].roll(1, dims=0)}) - plain).abs().max() > 1e-5
    key = "choices" if by == "choices" else "words"
    words = batch[key]
    other = words.where(words != words.flatten()[1], 9)
    assert (method.logits({**batch, key: other}) - plain).abs().max() > 1e-5
    padded = torch.nn.functional.pad(words, (0, 2), value=method.sentences.pad)
    assert_close(method.logits({**batch, key: padded}), plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MAKE)
@torch.no_grad()
def test_each_choice_is_scored_by_itself_and_what_is_not_offered_is_never_chosen(name):
    method = answering(name, "choices")
    batch = asked(method)
    plain = method.logits(batch)
    assert_close(method.logits({**batch, "choices": batch["choices"].flip(1)}), plain.flip(1), atol=1e-5, rtol=1e-5)
    batch["choices"][0, 2:] = method.sentences.pad
    fewer = method.logits(batch)
    assert_close(fewer[0, :2], plain[0, :2], atol=1e-5, rtol=1e-5)
    assert_close(fewer[1:], plain[1:], atol=1e-5, rtol=1e-5)
    assert fewer.softmax(dim=1)[0, 2:].eq(0).all()


def test_an_answer_s_likelihood_is_that_of_its_words_one_after_the_other():
    method = answering("smaug", "words")
    batch = asked(method, right=(0, 2))
    answer = batch["answer"]
    with torch.no_grad():
        source, real = method._asked(batch)
        found = method.decoder.log_likelihood(answer, source, real)
        for row, length in ((0, 3), (1, 4)):
            total = 0.0
            for end in range(1, length):
                logits = method.decoder(answer[row : row + 1, :end], source[row : row + 1], real[row : row + 1])
                total += logits[0, -1].log_softmax(0)[answer[row, end]].item()
            assert found[row].item() == pytest.approx(total, rel=1e-4)
        assert_close(method.logits(batch)[[0, 1], [0, 2]], found, atol=1e-4, rtol=1e-4)


def test_answers_whose_first_word_is_unlikely_are_left_out_of_a_long_list():
    whole, some = answering("smaug", "words"), answering("smaug", "words", top=2)
    batch = asked(whole)
    with torch.no_grad():
        every, few = whole.logits(batch), some.logits(batch)
    assert (few == -1e4).sum(dim=1).tolist() == [2, 2, 2]
    kept = few > -1e4
    assert_close(few[kept], every[kept], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "by"), ALL)
def test_weights_of_a_pre_training_fill_what_they_are_named_for(name, by, tmp_path):
    begun = pretrained(name, seed=5)
    path = tmp_path / "pretraining.safetensors"
    save_safetensors(begun.state_dict(), path, metadata=header(begun))
    method = answering(name, by)
    load_parts(method, path, parts=method.begins)
    theirs = begun.encoder.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in method.encoder.state_dict().items())
    if by == "words":
        last = begun.encoder.text.blocks[begun.encoder.text.depth]
        assert torch.equal(method.decoder.blocks[0].cross.qkv.weight, last.cross.qkv.weight)
        assert torch.equal(method.decoder.head.dense.weight, begun.word_head.dense.weight)
        assert method.decoder.blocks[0] is not method.encoder.text.blocks[method.encoder.text.depth]


def test_of_several_accepted_answers_each_counts_and_without_one_nothing_is_learnt():
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]], requires_grad=True)
    both = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    loss = accepted_cross_entropy(logits, both)
    assert loss.item() == pytest.approx(-logits[0].log_softmax(0)[:2].mean().item())
    loss.backward()
    assert logits.grad[1].eq(0).all()
    none = accepted_cross_entropy(logits, torch.zeros(2, 3))
    assert none.item() == 0
    assert none.requires_grad


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"by": "classes", "answers": ()}, "closed list of answers"),
        ({"by": "sentences", "answers": ANSWERS}, "by"),
        ({"by": "words", "answers": ANSWERS}, "no layers of cross-attention"),
    ],
)
def test_what_cannot_answer_is_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        VideoQuestionAnswering(encoder=pretrained("simvtp").encoder, **options)


def test_words_cannot_be_said_without_a_vocabulary():
    with pytest.raises(ValueError, match="build it with a vocabulary"):
        VideoQuestionAnswering(encoder=smaug_tiny().encoder, by="words", answers=ANSWERS)
