"""Uniform random masking."""

from __future__ import annotations

import pytest
import torch

from medmae.masking import RandomMasking


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def masking():
    return RandomMasking(num_tokens=196, ratio=0.75)


def test_every_sample_keeps_the_same_number(masking):
    mask = masking.sample(5, generator=seeded(0))
    assert mask.visible.shape == (5, 49)
    assert mask.masked.shape == (5, 147)
    assert mask.as_bool().sum(dim=1).tolist() == [147] * 5


def test_samples_differ(masking):
    tables = masking.sample(4, generator=seeded(0)).as_bool()
    assert len(tables.unique(dim=0)) == 4


def test_a_seed_means_a_mask(masking):
    first, second, other = (masking.sample(2, generator=seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first.visible, second.visible)
    assert torch.equal(first.masked, second.masked)
    assert not torch.equal(first.as_bool(), other.as_bool())


def test_given_noise_nothing_is_drawn(masking):
    noise, generator = torch.rand(2, 196, generator=seeded(0)), seeded(1)
    before = generator.get_state()
    mask = masking.sample(2, generator=generator, noise=noise)
    assert torch.equal(generator.get_state(), before)
    assert torch.equal(mask.visible, noise.argsort(dim=1)[:, :49])


def test_noise_of_another_shape_is_refused(masking):
    with pytest.raises(ValueError, match=r"noise must be \(2, 196\), got \(2, 195\)"):
        masking.sample(2, noise=torch.rand(2, 195))


def test_every_token_is_hidden_equally_often(masking):
    share = masking.sample(4000, generator=seeded(0)).as_bool().float().mean(dim=0)
    assert share.mean().item() == pytest.approx(0.75, abs=1e-6)
    assert (share - 0.75).abs().max() < 5 * (0.75 * 0.25 / 4000) ** 0.5


def test_the_rounding_rule_is_a_choice():
    assert RandomMasking(num_tokens=100, ratio=0.9).num_visible == 9
    assert RandomMasking(num_tokens=100, ratio=0.9, rounding="nearest").num_visible == 10


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_hiding_nothing_or_everything_is_refused_at_construction(ratio):
    with pytest.raises(ValueError, match="choose a ratio between"):
        RandomMasking(num_tokens=16, ratio=ratio)
