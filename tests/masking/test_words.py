"""Masks of words: which may be hidden, how many are, and what a sentence keeps."""

from __future__ import annotations

import pytest
import torch

from medmae.masking.words import WordMasking, between_ends


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def masking(**options):
    return WordMasking(max_words=22, **options)


def sentences(*lengths):
    return torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)


def test_ends_and_padding_are_never_hidden():
    real = sentences(5, 3, 9, 2)
    for seed in range(20):
        hidden = masking(ratio=0.9).sample(4, generator=seeded(seed), real=real).decoded()
        assert not hidden[~real].any()
        assert not hidden[:, 0].any()
        assert not any(hidden[row, length - 1] for row, length in enumerate((5, 3, 9, 2)))


@pytest.mark.parametrize("ratio", [0.15, 0.75, 0.9])
def test_each_word_is_hidden_with_the_same_chance(ratio):
    real = sentences(*[22] * 2000)
    mask = masking(ratio=ratio, spare=False).sample(2000, generator=seeded(), real=real)
    share = mask.decoded()[:, 1:21].float().mean(dim=0)
    assert abs(float(share.mean()) - ratio) < 0.01
    assert (share - ratio).abs().max() < 0.05


def test_a_sentence_keeps_a_word_and_hides_one_where_it_has_two():
    real = sentences(*[4] * 500)
    hidden = masking(ratio=0.75).sample(500, generator=seeded(), real=real).decoded().sum(dim=1)
    assert set(hidden.tolist()) == {1}
    free = masking(ratio=0.75, spare=False).sample(500, generator=seeded(), real=real).decoded().sum(dim=1)
    assert set(free.tolist()) == {0, 1, 2}


def test_of_one_word_chance_decides_and_an_empty_sentence_hides_nothing():
    real = sentences(*[3] * 200, *[2] * 5)
    hidden = masking(ratio=0.5).sample(205, generator=seeded(), real=real).decoded().sum(dim=1)
    assert set(hidden[:200].tolist()) == {0, 1}
    assert not hidden[200:].any()


def test_a_batch_of_which_chance_hides_nothing_is_a_mask_all_the_same():
    real = sentences(4, 6)
    mask = masking(ratio=0.5, spare=False).sample(2, noise=torch.full((2, 22), 0.9), real=real)
    assert not mask.decoded().any()
    assert torch.equal(mask.key_mask(), real)


def test_the_same_noise_gives_the_same_mask_and_hidden_words_stay():
    real, noise = sentences(6, 8), torch.rand(2, 22, generator=seeded())
    first, second = (masking(ratio=0.5).sample(2, noise=noise, real=real) for _ in range(2))
    assert torch.equal(first.decoded(), second.decoded())
    assert first.replaced
    assert torch.equal(first.as_bool() & real, first.decoded())


def test_what_is_hidden_does_not_depend_on_the_padding_of_a_batch():
    alone = masking(ratio=0.5).sample(1, generator=seeded(), real=sentences(7)).decoded()
    among = masking(ratio=0.5).sample(2, generator=seeded(), real=sentences(7, 20)).decoded()
    assert torch.equal(among[:1, :7], alone)


def test_what_is_missing_or_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1, got 1"):
        masking(ratio=1.0)
    with pytest.raises(ValueError, match=r"real=\(B, L\)"):
        masking(ratio=0.5).sample(2)
    with pytest.raises(ValueError, match="noise must be"):
        masking(ratio=0.5).sample(2, noise=torch.rand(2, 3), real=sentences(4, 4))
    with pytest.raises(ValueError, match="may have 22 tokens, got 23"):
        masking(ratio=0.5).sample(1, real=sentences(23))


def test_ends_are_the_first_and_the_last_that_are_no_padding():
    assert between_ends(sentences(4, 2, 1)).tolist() == [[False, True, True, False], [False] * 4, [False] * 4]
